import 'fake-indexeddb/auto'
import { deviceStore, memoryStore } from 'latchkey'
import { storeContract } from 'latchkey/testing'
import { describe, expect, test } from 'vitest'
import { proofKeys } from '../../src/adapters/proof-keys.ts'
import { openWorld } from '../../src/testing/world.ts'
import { clockContract } from './clock-contract.ts'
import { lockContract } from './lock-contract.ts'
import { peersContract } from './peers-contract.ts'
import { proofKeysContract } from './proof-keys-contract.ts'

// The same cases run in a browser, against the browser's own adapters.

const noNetwork = () => Promise.reject(new Error('No network here.'))

function simulated() {
  const { world, insides } = openWorld({ tabs: 0 as 1, seed: 1 })
  const ports = (name: string) => insides.browser.openTab(noNetwork).ports(name)
  return { ports, pass: world.advance }
}

const suites = {
  memoryStore: storeContract(memoryStore),
  'the simulated store': storeContract(() => simulated().ports('any').store),
  'deviceStore on IndexedDB': storeContract(deviceStore),
  'proof keys on IndexedDB': proofKeysContract(proofKeys),
  'the simulated lock': inOneWorld((ports, pass) => lockContract((name) => ports(name).lock, pass)),
  'the simulated channel': inOneWorld((ports, pass) => peersContract((name) => ports(name).peers, pass)),
  'the simulated clock': inOneWorld((ports, pass) => clockContract(() => ports('any').clock, pass)),
}

function inOneWorld<Cases>(
  contract: (ports: ReturnType<typeof simulated>['ports'], pass: (span: number) => Promise<void>) => Cases,
): Cases {
  const { ports, pass } = simulated()
  return contract(ports, pass)
}

describe.each(Object.entries(suites))('%s', (_, cases) => {
  for (const { name, run } of cases) test(name, run)
})

test('a store that forgets to compare does not pass', async () => {
  const records = new Map<string, string>()
  const careless = {
    read: async (key: string) => records.get(key) ?? null,
    async replace(key: string, _: string | null, next: string | null) {
      if (next === null) records.delete(key)
      else records.set(key, next)
      return true
    },
  }
  const results = await Promise.allSettled(storeContract(() => careless).map(({ run }) => run()))
  expect(results.filter(({ status }) => status === 'rejected').length).toBeGreaterThanOrEqual(3)
})

test('F41: once it has kept a record, deviceStore makes no second truth of a failure that passes', async () => {
  const store = deviceStore()
  await store.replace('one truth', null, 'kept')
  const { transaction } = IDBDatabase.prototype
  IDBDatabase.prototype.transaction = () => {
    throw new DOMException('Connection to Indexed Database server lost', 'UnknownError')
  }
  await expect(store.read('one truth')).rejects.toThrow('lost')
  IDBDatabase.prototype.transaction = transaction
  expect(await store.read('one truth')).toBe('kept')
})

test('F38, F41: nor does a page whose first look fails in passing take what is there for nothing', async () => {
  await deviceStore().replace('blinked', null, 'kept')
  const { transaction } = IDBDatabase.prototype
  IDBDatabase.prototype.transaction = () => {
    IDBDatabase.prototype.transaction = transaction
    throw new DOMException('Connection to Indexed Database server lost', 'UnknownError')
  }
  const store = deviceStore()
  expect(await store.read('blinked')).toBe('kept')
  expect(await store.replace('blinked', 'kept', 'next')).toBe(true)
  expect(await deviceStore().read('blinked')).toBe('next')
})

/** The database as whoever has the files sees it: what is sealed, by its name. */
async function sealed<Answer>(act: (records: IDBObjectStore) => IDBRequest<Answer>): Promise<Answer> {
  const opened = indexedDB.open('latchkey')
  const database = await new Promise<IDBDatabase>((resolve) => {
    opened.onsuccess = () => resolve(opened.result)
  })
  const asked = act(database.transaction('sessions', 'readwrite').objectStore('sessions'))
  const answer = await new Promise<Answer>((resolve) => {
    asked.onsuccess = () => resolve(asked.result)
  })
  database.close()
  return answer
}

test('REQ-05: a record is sealed under its name: moved to another one it is none, and the one that it was taken from stays', async () => {
  expect(await deviceStore().replace('latchkey:mine', null, 'a record of mine')).toBe(true)
  const mine = await sealed((records) => records.get('latchkey:mine'))
  await sealed((records) => records.put(mine, 'latchkey:another app’s'))
  await sealed((records) => records.put(mine, 'latchkey:mine too'))
  const thief = deviceStore()
  expect(await thief.read('latchkey:another app’s')).toBeNull()
  expect(await thief.read('latchkey:mine too')).toBeNull()
  expect(await thief.read('latchkey:mine')).toBe('a record of mine')
})

test('REQ-05: a thousand writes are sealed with a thousand vectors of 96 bits, under one key that nothing can read out', async () => {
  const store = deviceStore()
  const vectors = new Set<string>()
  let before: string | null = null
  for (let count = 0; count < 1_000; count++) {
    const text = `generation ${count % 2}`
    expect(await store.replace('latchkey:vectors', before, text)).toBe(true)
    before = text
    const { vector } = await sealed<{ readonly vector: Uint8Array }>((records) => records.get('latchkey:vectors'))
    expect(vector.byteLength).toBe(12)
    vectors.add(String(vector))
  }
  expect(vectors.size).toBe(1_000)
  const key = await sealed<CryptoKey>((records) => records.get('key'))
  expect([key.algorithm.name, key.extractable, [...key.usages].sort()]).toEqual(['AES-GCM', false, ['decrypt', 'encrypt']])
  await expect(crypto.subtle.exportKey('raw', key)).rejects.toThrow()
})

test('F42: what is written after the database was cleared can be read by everybody: the key is gone with the records', async () => {
  const [mine, another] = [deviceStore(), deviceStore()]
  expect(await mine.replace('cleared', null, 'before')).toBe(true)
  const database = await new Promise<IDBDatabase>((resolve) => {
    const opened = indexedDB.open('latchkey')
    opened.onsuccess = () => resolve(opened.result)
  })
  await new Promise((resolve) => {
    const clearing = database.transaction('sessions', 'readwrite')
    clearing.objectStore('sessions').clear()
    clearing.oncomplete = resolve
  })
  database.close()
  expect(await mine.read('cleared')).toBeNull()
  expect(await mine.replace('cleared', null, 'after')).toBe(true)
  expect(await mine.read('cleared')).toBe('after')
  expect(await another.read('cleared')).toBe('after')
})

test('F38, F41: one that never could keeps records in memory', async () => {
  const { transaction } = IDBDatabase.prototype
  IDBDatabase.prototype.transaction = () => {
    throw new DOMException('A mutation operation was attempted on a database that did not allow mutations.', 'InvalidStateError')
  }
  const store = deviceStore()
  expect(await store.replace('refused', null, 'kept')).toBe(true)
  IDBDatabase.prototype.transaction = transaction
  expect(await store.read('refused')).toBe('kept')
})
