import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Store } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { callFrom, listenTo, minutes, pause, roughen, scene, seconds, seeds, settled, storedIn, watch } from '../scene.ts'
import { openOn, unhandledIn } from './by-hand.ts'

// D: stores and platforms that are full, slow, empty or not there.

describe('F39', () => {
  /** A device with `room` characters left beside what it keeps: a record is written before the old one is let go. */
  function device() {
    const records = new Map<string, string>()
    let room = Infinity
    const written: string[] = []
    const store: Store = {
      read: async (key) => records.get(key) ?? null,
      async replace(key, expected, next) {
        const found = records.get(key) ?? null
        if (found !== expected) return false
        if (next === null) records.delete(key)
        else {
          if ((found?.length ?? 0) + next.length > room) throw new DOMException('The disk is full.', 'QuotaExceededError')
          records.set(key, next)
          written.push(next)
        }
        return true
      },
    }
    return { store, records, leave: (characters: number) => (room = characters) }
  }

  async function fullAtTheGrant(room: number) {
    const { store, records, leave } = device()
    const s = scene({ session: { store } })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    const spent = [...records.values()][0]!
    s.latency = () => 100
    const call = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(150)
    expect(s.server.presentations).toHaveLength(1)
    leave(room === 1 ? spent.length * 1.5 : 0)
    await s.advance(seconds(5))
    expect(call.result?.value).toBe(200)
    await s.advance(minutes(2))
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    const presented = s.server.presentations[0]!.token
    expect([...records.values()].join()).not.toContain(presented)
    return { s, records, presented, leave }
  }

  test('F39: no room for the new record beside the old one: the old one goes first, and a reload finds the new token', async () => {
    const { s, leave } = await fullAtTheGrant(1)
    s.latency = () => 0
    const reloaded = await s.tabs[0].reload()
    expect(reloaded.session.state.status).toBe('signed-in')
    leave(Infinity) // a claim cannot be written without room, either
    await s.advance(minutes(10))
    expect((await settled(s, callFrom(reloaded))).value).toBe(200)
    expect(s.server.reused).toBe(0)
  })

  test('F39: no room at all: calls go on from memory, and after a reload the user is signed out, and the spent token rests', async () => {
    const { s, records, presented } = await fullAtTheGrant(0)
    s.latency = () => 0
    expect(records.size).toBe(0)
    const reloaded = await s.tabs[0].reload()
    const ear = listenTo(reloaded.session)
    await s.advance(minutes(10))
    expect(reloaded.session.state).toEqual({ status: 'signed-out', reason: null })
    expect([ear.ended, s.server.presentations.filter(({ token }) => token === presented).length]).toEqual([[], 1])
  })

  test('F39: full before the refresh: nothing is presented, and with room again it is, once', async () => {
    const { store, leave } = device()
    const s = scene({ session: { store } })
    await s.tabs[0].session.signIn(s.server.grant())
    leave(0)
    await s.advance(minutes(10))
    expect((await settled(s, callFrom(s.tabs[0]))).code).toBe('refresh_unavailable')
    expect([s.server.presentations, s.earOf(s.tabs[0]).ended]).toEqual([[], []])
    leave(Infinity)
    await s.advance(minutes(1))
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect([s.server.presentations.length, s.server.reused]).toEqual([1, 0])
  })
})

describe.each([
  {
    name: 'says so',
    async replace() {
      throw new DOMException('A mutation operation was attempted on a database that did not allow mutations.', 'InvalidStateError')
    },
  },
  { name: 'says each time that somebody was faster', replace: async () => false },
])('F41: a store that takes nothing, and $name', ({ replace }) => {
  const refusing: Store = { read: async () => null, replace }

  test('F41: a store of one’s own that takes nothing: sign-in, calls and sign-out work in memory, and nothing is unhandled', async () => {
    const unhandled = await unhandledIn(async () => {
      const s = scene({ session: { store: refusing } })
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
      expect((await settled(s, s.tabs[0].session.signOut())).value).toEqual({ revoked: true })
      expect(s.earOf(s.tabs[0]).ended).toMatchObject([{ reason: 'signed-out' }])
      expect(s.insideOf(s.tabs[0]).reported).toEqual([])
    })
    expect(unhandled).toEqual([])
  })

  test('F41: but no refresh, for no claim can be written: nothing is presented, and the session stays (deviceStore falls back to memory by itself)', async () => {
    const s = scene({ session: { store: refusing } })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(minutes(10))
    expect((await settled(s, callFrom(s.tabs[0]))).code).toBe('refresh_unavailable')
    expect([s.server.presentations, s.earOf(s.tabs[0]).ended]).toEqual([[], []])
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: expect.anything() })
  })
})

test('F42, REQ-132: the record of three live tabs is cleared: it is there again after one write, and nobody has noticed', async () => {
  const s = scene({ tabs: 3 })
  roughen(s, 42)
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  await s.advance(seconds(5))
  const before = storedIn(s)
  const states = s.tabs.map((tab) => s.earOf(tab).states.length)
  let writes = 0
  const set = s.browser.records.set.bind(s.browser.records)
  s.browser.records.set = (key, text) => {
    writes++
    return set(key, text)
  }
  s.browser.records.clear()
  await s.advance(minutes(1))
  expect(storedIn(s)).toMatchObject({ session: before?.session, generation: before?.generation, status: 'active' })
  expect(writes).toBe(1)
  expect(s.tabs.map((tab) => s.earOf(tab).states.length)).toEqual(states)
  for (const tab of s.tabs) expect((await settled(s, callFrom(tab))).value).toBe(200)
  expect(s.server.presentations).toEqual([])
})

test('F43: of a record that is none nobody hears, at the first start nor at the second', async () => {
  const noise = Array.from({ length: 1_000 }, (_, index) => String.fromCharCode(97 + ((index * index) % 26))).join('')
  for (const text of [
    '',
    '{',
    'undefined',
    'null',
    '[]',
    '"secret-in-quotes"',
    '{"v":99,"token":"secret-token-here"}',
    noise.repeat(1_000),
  ]) {
    const s = scene({ tabs: 0 as 1 })
    s.browser.records.set('latchkey:https://server.test', text)
    for (let start = 0; start < 2; start++) {
      const tab = s.world.openTab()
      const heard: unknown[] = []
      tab.session.on('diagnostic', (event) => heard.push(event))
      const ready = await settled(s, tab.session.ready, 100, 10)
      expect(ready.value).toEqual({ status: 'signed-out', reason: null })
      await s.advance(seconds(1))
      const told = JSON.stringify([heard, s.insideOf(tab).reported, s.browser.messages])
      expect(told).not.toMatch(/secret/)
      if (text.length > 100) expect(told).not.toContain(noise.slice(0, 12))
      expect([s.browser.records.size, s.insideOf(tab).reported]).toEqual([0, []])
    }
  }
})

test('F44: a later version takes the record of two tabs of this one, through twenty expiries: they use the token that they have, ask for none, and let the record be', async () => {
  const s = scene({ tabs: 2, rotation: 'strict' })
  roughen(s, 44)
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  await s.advance(seconds(5))
  const [key = ''] = s.browser.records.keys()
  const { peers } = s.browser.openTab(() => Promise.reject(new Error('No network here.'))).ports('https://server.test')
  let attempts = 0
  s.browser.behaviour.storeFault = (operation) => {
    if (operation === 'replace') attempts++
    return 'none'
  }
  const codes: (string | null)[] = []
  for (let expiry = 0; expiry < 20; expiry++) {
    // As a tab of that version does it: a record of its own making, and a word to the others.
    const { session, generation, ...rest } = storedIn(s)!
    const later = JSON.stringify({
      ...rest,
      session,
      generation: generation + 1,
      version: 2,
      grant: { sealed: `by the later one, ${expiry}` },
    })
    s.browser.records.set(key, later)
    peers.tell({ session, generation: generation + 1, missing: false })
    for (let minute = 0; minute < 5; minute++) {
      await s.advance(seconds(55))
      for (const tab of s.tabs) codes.push((await settled(s, callFrom(tab))).code)
      await s.advance(seconds(4))
    }
    expect(s.browser.records.get(key)).toBe(later)
  }
  expect(codes).toEqual([...Array(2 * 5).fill(null), ...Array(2 * 95).fill('refresh_unavailable')])
  expect([s.server.presentations, s.server.revocations, attempts]).toEqual([[], 0, 0])
  expect(s.server.calls.map(({ credential }) => credential)).toEqual(Array(2 * 5).fill('valid'))
  for (const tab of s.tabs) expect([s.earOf(tab).ended, s.insideOf(tab).reported]).toEqual([[], []])
  const newcomer = s.world.openTab()
  await s.advance(seconds(1))
  expect(newcomer.session.state).toEqual({ status: 'signed-out', reason: null })
})

test.each(seeds(20))(
  'F47: closed at any moment of a refresh, with channel or without: nothing is thrown or left unhandled (seed %i)',
  async (seed) => {
    const unhandled = await unhandledIn(async () => {
      const s = scene({ tabs: 0 as 1, seed })
      s.browser.behaviour.hasChannel = seed % 2 === 0
      const tabs = [s.world.openTab(), s.world.openTab()] as const
      const random = roughen(s, seed)
      await settled(s, tabs[0].session.signIn(s.server.grant()))
      await s.advance(seconds(5))
      s.latency = () => random() * 200
      void watch(tabs[0].session.refresh(), s.now)
      await s.advance(random() * 400)
      tabs[0].session.close()
      await s.advance(minutes(10))
      for (const tab of tabs) expect(s.insideOf(tab).reported).toEqual([])
      expect(s.server.reused).toBe(0)
    })
    expect(unhandled).toEqual([])
  },
)

describe('F48', () => {
  test.each(seeds(5))(
    'F48: a worker (no page, no locks, a store of 50 to 500 ms): a hundred callers across each of five expiries, five refreshes (seed %i)',
    async (seed) => {
      const s = scene({ tabs: 0 as 1, seed, rotation: 'strict' })
      const random = seededRandom(seed)
      s.browser.behaviour.hasLocks = false
      s.browser.behaviour.storeDelay = () => 25 + random() * 225
      // As the browser's adapter says it where there is no document.
      const page = { visible: () => false, listen: () => () => {} }
      const worker = openOn(s, () => ({ page }))
      const { session } = worker
      await settled(s, session.signIn(s.server.grant()))
      s.latency = () => random() * 300
      for (let expiry = 1; expiry <= 5; expiry++) {
        await s.advance((s.server.presentations.at(-1)?.at ?? 0) + seconds(290) - s.now())
        const before = await settled(s, session.getToken())
        expect(before.took).toBeLessThanOrEqual(500) // a page that cannot be told anything looks first
        const got = Array.from({ length: 100 }, async (_, index) => {
          await pause(s, index * 200) // from ten seconds before the expiry to ten after it
          return index % 2 ? session.getToken() : callFrom(worker)
        })
        const { value } = await settled(s, Promise.all(got))
        expect(s.server.presentations).toHaveLength(expiry)
        const texts = new Set((value as unknown[]).filter((one) => typeof one === 'string'))
        texts.delete(before.value as string)
        expect([...texts]).toEqual([await session.getToken()])
      }
      expect(s.server.calls.map(({ credential }) => credential)).toEqual(Array(250).fill('valid'))
      expect(s.server.reused).toBe(0)
    },
  )

  const run = promisify(execFile)

  test('F48: Node without a page, on a store of its own: a hundred callers after each of five expiries, five refreshes, and nothing of a page is touched', async () => {
    const program = `
      for (const name of ['window', 'localStorage', 'sessionStorage'])
        Object.defineProperty(globalThis, name, { get() { throw new Error(name + ' was touched') } })
      const { createSession } = await import(${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)})
      const records = new Map()
      const later = (act) => new Promise((resolve) => setTimeout(() => resolve(act()), 50))
      const store = {
        read: (key) => later(() => records.get(key) ?? null),
        replace: (key, expected, next) => later(() => {
          if ((records.get(key) ?? null) !== expected) return false
          records.set(key, next)
          return true
        }),
      }
      let passed = 0 // five minutes at once
      for (const clock of [Date, performance]) {
        const now = clock.now.bind(clock)
        clock.now = () => now() + passed
      }
      let refreshes = 0
      const refresh = async ({ refreshToken }) => ({ access_token: 'access-' + ++refreshes, refresh_token: refreshToken + refreshes, expires_in: 300 })
      const session = createSession({ attachTo: ['https://api.example.com'], refresh, store })
      await session.ready
      await session.signIn({ access_token: 'first', refresh_token: 'r', expires_in: 300 })
      for (let expiry = 1; expiry <= 5; expiry++) {
        passed = expiry * 301_000
        const tokens = await Promise.all(Array.from({ length: 100 }, () => session.getToken()))
        process.stdout.write([...new Set(tokens), refreshes].join() + ';')
      }
      session.close()`
    const { stdout, stderr } = await run(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], { timeout: 20_000 })
    expect([stdout, stderr]).toEqual([[1, 2, 3, 4, 5].map((expiry) => `access-${expiry},${expiry};`).join(''), ''])
  }, 30_000)
})
