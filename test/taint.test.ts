import 'fake-indexeddb/auto'
import { deviceStore } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { tokenMark } from '../src/testing/test-server.ts'
import type { WorldOptions } from '../src/testing/world.ts'
import { leaksSoFar } from './sightings.ts'
import { minutes, scene, seconds, settled, tokens } from './simulated/scene.ts'

// The watch over all tests (test/taint.ts) is no use unless it can fail.

/** What was seen, by its place; forgotten then, so that the watch over this test has nothing to say. */
const placesOfLeaks = () => [...new Set(leaksSoFar().map((leak) => leak.split(':')[0]))]

const signedIn = async (options: WorldOptions<3> = {}) => {
  const s = scene({ tabs: 3, ...options })
  const grant = s.server.grant()
  await settled(s, s.tabs[0].session.signIn(grant))
  return { s, session: s.tabs[0].session, token: grant.access_token }
}

describe('F64, F65, REQ-29: a token is seen', () => {
  test.each(['log', 'info', 'warn', 'error', 'debug'] as const)('in console.%s', async (method) => {
    const { token } = await signedIn()
    console[method]('sent', { headers: { Authorization: `Bearer ${token}` } })
    expect(placesOfLeaks()).toEqual(['console'])
  })

  test.each([
    { name: 'the message of an error', make: (token: string) => new Error(`refused: ${token}`) },
    { name: 'a member of an error', make: (token: string) => Object.assign(new Error('refused'), { config: { headers: [token] } }) },
    { name: 'the cause of the cause of an error', make: (token: string) => new Error('a', { cause: new Error('b', { cause: token }) }) },
    { name: 'what nobody enumerates', make: (token: string) => Object.defineProperty(new Error('a'), 'hidden', { value: token }) },
    { name: 'the stack of an error', make: (token: string) => Object.assign(new Error('a'), { stack: `at ${token}` }) },
  ])('in $name', async ({ make }) => {
    const given = { token: '' }
    const { s, session, token } = await signedIn({ session: { fetch: () => Promise.reject(make(given.token)) } })
    given.token = token
    await settled(s, session.fetch('https://server.test/me'))
    expect(placesOfLeaks()).toEqual(['error'])
  })

  test('in the cause of an error that is ours', async () => {
    const given = { token: '' }
    const refresh = () => Promise.reject(new Error(`POST refresh_token=${given.token}`))
    const { s, session, token } = await signedIn({ session: { refresh } })
    given.token = token
    await settled(s, session.refresh())
    expect(placesOfLeaks()).toContain('error')
  })

  test('in an event and a state', async () => {
    const { s, session, token } = await signedIn()
    await settled(s, session.signIn(s.server.grant(), { subject: token }))
    expect(leaksSoFar().filter((leak) => leak.startsWith('event: {') && leak.includes('subject')).length).toBeGreaterThan(1)
  })

  test('in a message between tabs', async () => {
    const { s, token } = await signedIn()
    const { peers } = s.browser.openTab(() => Promise.reject(new Error('No network here.'))).ports('https://server.test')
    peers.tell({ session: token, generation: 1, missing: false })
    expect(placesOfLeaks()).toContain('message')
  })

  test('in a URL', async () => {
    const { s, session, token } = await signedIn()
    await settled(s, session.fetch(`https://server.test/me?access_token=${token}`))
    expect(placesOfLeaks()).toEqual(['URL'])
  })

  test('of a name that a test gave it', async () => {
    const s = scene()
    await settled(s, s.tabs[0].session.signIn(tokens('c4n4ry'), { subject: 'access-c4n4ry' }))
    expect(placesOfLeaks()).toEqual(['event'])
  })
})

test.fails('a test that lets a token out fails, whatever else it says', async () => {
  const { token } = await signedIn()
  console.info(token)
})

test('a day of an ordinary session, with all that goes wrong on it, lets nothing out', async () => {
  const { s, session } = await signedIn()
  s.server.fail({ status: 503 })
  await s.advance(minutes(20))
  await settled(s, session.fetch('https://server.test/me'))
  s.server.revoke()
  await s.advance(minutes(20))
  await settled(s, session.fetch('https://server.test/me'))
  expect(leaksSoFar()).toEqual([])
})

describe('REQ-05: at rest', () => {
  /** All bytes that the database holds, as text. */
  async function bytesAtRest(): Promise<string> {
    const opened = indexedDB.open('latchkey')
    const database = await new Promise<IDBDatabase>((resolve) => {
      opened.onsuccess = () => resolve(opened.result)
    })
    const store = database.transaction('sessions').objectStore('sessions')
    const asked = store.getAll()
    const found = await new Promise<unknown[]>((resolve) => {
      asked.onsuccess = () => resolve(asked.result)
    })
    database.close()
    return found.map(textOf).join('\n')
  }

  const textOf = (value: unknown): string => {
    if (value instanceof ArrayBuffer) return Buffer.from(value).toString('latin1')
    if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer).toString('latin1')
    return typeof value === 'object' && value !== null ? Object.values(value).map(textOf).join('\n') : String(value)
  }

  test('no part of a token lies in the database, whatever was written and renewed', async () => {
    const s = scene({ tabs: 2, session: { store: deviceStore() } })
    const work = s.tabs[0].session.signIn(s.server.grant())
    // The database is a real one, as far as time goes: it answers while the simulated time stands still.
    for (let turn = 0; turn < 50 && s.tabs[0].session.state.status !== 'signed-in'; turn++) await s.advance(1)
    await work
    await s.advance(seconds(1))
    const bytes = await bytesAtRest()
    expect(bytes.length).toBeGreaterThan(300)
    for (const part of [tokenMark, 'access-', 'refresh-', 'access_token', 'session']) expect(bytes).not.toContain(part)
  })

  test('what lies there in the open is found', async () => {
    const opened = indexedDB.open('latchkey')
    const database = await new Promise<IDBDatabase>((resolve) => {
      opened.onsuccess = () => resolve(opened.result)
    })
    const transaction = database.transaction('sessions', 'readwrite')
    const content = new TextEncoder().encode(`{"token":"${tokenMark}"}`).buffer
    transaction.objectStore('sessions').put({ vector: new Uint8Array(12), content }, 'in the open')
    await new Promise((resolve) => {
      transaction.oncomplete = resolve
    })
    database.close()
    expect(await bytesAtRest()).toContain(tokenMark)
  })
})
