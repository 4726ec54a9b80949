import { createStore, getMany, promisifyRequest, type UseStore, update } from 'idb-keyval'
import type { EpochMs, Ms } from '../core/time.ts'
import type { Store } from '../ports.ts'
import { memoryStore } from './memory-store.ts'

/** A record as it lies in the database. The vector is new with every write, and so stands for the whole when two are compared. */
interface Sealed {
  readonly vector: Uint8Array<ArrayBuffer>
  readonly content: ArrayBuffer
  /** From then on nobody needs it. Said by whoever wrote it, in clear: a record of another name, key or version goes without being understood. */
  readonly until: EpochMs
}

/**
 * Keeps the session on the device, for all tabs and the next visit: IndexedDB, sealed with AES-GCM under a key that script
 * cannot read out. No look into the files shows a token; a copy of the whole profile may have the key, and a script on your page can use the session. Falls back to memory where storage is refused.
 * @example
 * ```ts
 * createSession({ attachTo, refresh, store: deviceStore() })   // what you get without asking
 * ```
 */
export function deviceStore(): Store {
  let database: UseStore | undefined
  let fallback: Store | undefined
  let trusted = false
  let sweepAt: EpochMs | undefined
  let sealingKey: CryptoKey | undefined
  const lastRead = new Map<string, { readonly sealed: Sealed | undefined; readonly text: string | null }>()

  const open = () => (database ??= createStore('latchkey', 'sessions'))

  /** The record and, the first time, the key: one transaction (a cold start waits for it). */
  async function look(key: string): Promise<string | null> {
    const [sealed, found] = (await getMany([key, keyName], open())) as [Sealed | undefined, CryptoKey | undefined] // only this file writes there
    sealingKey = found // a key that was cleared with its records is of no use: nobody else has it (F42)
    const text = sealed && found ? await unseal(sealed, found, key) : null
    lastRead.set(key, { sealed, text })
    trusted ||= text !== null
    const now = Date.now()
    sweepAt ??= now + sweepDelay
    if (now > sweepAt) {
      sweepAt = now + day
      sweep(open(), now).catch(() => {}) // what it cannot erase is left to the next page
    }
    return text
  }

  async function exchange(key: string, expected: string | null, next: string | null, until = Date.now() + longestStay): Promise<boolean> {
    let known = lastRead.get(key)
    if (known?.text !== expected) {
      await look(key)
      known = lastRead.get(key)
      if (known?.text !== expected) return false
    }
    // WebCrypto is asynchronous, and a transaction does not wait: what is compared inside it is what was read sealed.
    const before = stamp(known.sealed)
    sealingKey ??= await keyOf(open())
    const after = next === null ? undefined : await seal(next, sealingKey, key, until)
    let done = false
    await open()('readwrite', (records) => {
      const found = records.get(key)
      found.onsuccess = () => {
        done = stamp(found.result) === before
        if (done && after) records.put(after, key)
        else if (done) records.delete(key) // where no room is left even a record of nothing cannot be written (F39)
      }
      return promisifyRequest(records.transaction)
    })
    if (done) lastRead.set(key, { sealed: after, text: next })
    else lastRead.delete(key)
    trusted ||= done
    return done
  }

  /** Private windows of old Firefox, blocked cookies, opaque origins and full disks refuse, each at another moment: probe by using (F38, F41, F46). */
  async function orInMemory<T>(task: (store: Store) => Promise<T>): Promise<T> {
    for (let isAgain = false; !fallback; isAgain = true) {
      try {
        return await task({ read: look, replace: exchange })
      } catch (error) {
        database = undefined
        lastRead.clear()
        // What all tabs share must not become two truths: once it has kept a record, a failure is one, and the next try opens it anew.
        if (trusted) throw error
        if (isAgain) fallback ??= memoryStore() // Safari loses a connection now and then, and what is stored is there all the same
      }
    }
    return task(fallback)
  }

  return {
    read: (key) => orInMemory((store) => store.read(key)),
    replace: (key, expected, next, until) => orInMemory((store) => store.replace(key, expected, next, until)),
  }
}

const keyName = 'key'

/** With the first look after that, which is long after the first requests of a page; and without a timer that would outlive the session object. */
const sweepDelay: Ms = 10_000

const day: Ms = 86_400_000

/** Of what nobody has written since, and nobody knows the end of: as long as browsers keep a cookie (RFC 6265bis). */
const longestStay: Ms = 400 * day

/** Erases, of all names, what nobody needs any more (REQ-140). */
const sweep = (database: UseStore, now: EpochMs): Promise<void> =>
  database('readwrite', (records) => {
    const asked = records.openCursor()
    asked.onsuccess = () => {
      const cursor = asked.result
      if (!cursor) return
      if (cursor.value.until < now) cursor.delete() // the key has no such time
      cursor.continue()
    }
  })

const stamp = (sealed: Sealed | undefined): string => String(sealed?.vector)

/** One key for all tabs: whoever stores it first. It never leaves the browser's keeping (REQ-05). */
async function keyOf(database: UseStore): Promise<CryptoKey> {
  const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
  let kept = made
  await update<CryptoKey | undefined>(keyName, (found) => (kept = found ?? made), database)
  return kept
}

async function seal(text: string, key: CryptoKey, name: string, until: EpochMs): Promise<Sealed> {
  const vector = crypto.getRandomValues(new Uint8Array(12))
  return { vector, content: await crypto.subtle.encrypt(algorithm(vector, name), key, encode(text)), until }
}

/** `null` for what was not sealed with this key under this name: it was tampered with, or its key is gone (REQ-12). */
async function unseal({ vector, content }: Sealed, key: CryptoKey, name: string): Promise<string | null> {
  try {
    return new TextDecoder().decode(await crypto.subtle.decrypt(algorithm(vector, name), key, content))
  } catch {
    return null
  }
}

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

const algorithm = (vector: Uint8Array<ArrayBuffer>, name: string): AesGcmParams => ({
  name: 'AES-GCM',
  iv: vector,
  additionalData: encode(name),
})
