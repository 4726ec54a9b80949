import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { callFrom, listenTo, minutes, roughen, scene, seconds, seeds, settled, takeLock, watch } from '../scene.ts'
import { count, openOn, startOn, unhandledIn } from './by-hand.ts'

// G: instances that come and go, and pages that sleep.

test.each(seeds(10))(
  'F70: made and closed ten times in one tick with an expired token, and made once more: one refresh, nothing left behind (seed %i)',
  async (seed) => {
    const s = scene({ seed })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].session.close()
    await s.advance(minutes(10))
    roughen(s, seed)
    s.latency = () => 100
    const { held, tamper } = count()
    for (let times = 0; times < 10; times++) {
      const session = startOn(s, s.tabs[0], tamper)
      listenTo(session)
      session.close()
    }
    const session = startOn(s, s.tabs[0], tamper)
    expect((await settled(s, callFrom({ session }))).value).toBe(200)
    await s.advance(100)
    expect(held).toMatchObject({ listeners: 1, channels: 1, locks: 0 })
    await takeLock(s) // as anybody can
    await s.advance(seconds(30))
    expect(held.timers).toBeLessThanOrEqual(1)
    expect(s.server.presentations).toHaveLength(1)
    expect(session.state.status).toBe('signed-in')
    session.close()
    await s.advance(minutes(5))
    expect(held).toEqual({ timers: 0, listeners: 0, channels: 0, locks: 0 })
  },
)

test('F71: a module evaluated twenty times that closes nothing: one refresh per expiry, and each copy holds as much as the first', async () => {
  const s = scene({ tabs: 0 as 1 })
  const tab = s.world.openTab()
  tab.session.close()
  const copies = Array.from({ length: 20 }, () => count())
  const sessions = copies.map(({ tamper }) => startOn(s, tab, tamper))
  await s.advance(0)
  await settled(s, sessions[0]!.signIn(s.server.grant()))
  while (s.server.refreshes < 10) await s.advance(minutes(1))
  await s.advance(seconds(20))
  expect([s.server.presentations.length, s.server.reused]).toEqual([10, 0])
  for (const { held } of copies) {
    expect(held).toMatchObject({ listeners: 1, channels: 1, locks: 0 })
    expect(held.timers).toBeLessThanOrEqual(2)
  }
  for (const session of sessions) session.close()
  await s.advance(minutes(2))
  for (const { held } of copies) expect(held).toEqual({ timers: 0, listeners: 0, channels: 0, locks: 0 })
})

describe('F72', () => {
  test('F72, REQ-127: a thousand made, listened to, used and closed: every timer, listener, channel and lock is given back', async () => {
    const s = scene()
    const { session } = s.tabs[0]
    await session.signIn(s.server.grant())
    const { held, tamper } = count()
    for (let times = 0; times < 1_000; times++) {
      const one = startOn(s, s.tabs[0], tamper)
      listenTo(one)
      void one.getToken().catch(() => {})
      if (times % 3) await s.advance(0)
      if (times % 3 === 2) void one.refresh().catch(() => {})
      one.close()
    }
    await s.advance(minutes(2))
    expect(held).toEqual({ timers: 0, listeners: 0, channels: 0, locks: 0 })
    expect(s.server.reused).toBe(0)
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
  })

  test('F72: in Node a thousand leave less than a megabyte, and none keeps the process alive', async () => {
    const program = `
      import { createSession, memoryStore } from ${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)}
      const store = memoryStore()
      const refresh = async () => ({ access_token: 'b' })
      const cycle = async (count) => {
        for (let times = 0; times < count; times++) {
          const session = createSession({ attachTo: ['https://api.example.com'], refresh, store })
          session.subscribe(() => {})()
          session.onSessionExpired(() => {})
          await session.ready
          session.close()
        }
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
        gc()
        return process.memoryUsage().heapUsed
      }
      await cycle(1_000) // what is compiled and cached is there by then
      const before = await cycle(100)
      const after = await cycle(1_000)
      process.stdout.write(String(after - before < 1_000_000))`
    const begun = performance.now()
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--no-warnings', '--expose-gc', '--input-type=module', '--eval', program],
      { timeout: 20_000 },
    )
    expect([stdout, stderr]).toEqual(['true', ''])
    expect(performance.now() - begun).toBeLessThan(15_000) // and not the minute that a forgotten timer may take
  }, 30_000)
})

test('F74: subscribers from before the start, in it, and five seconds later: one snapshot first, then each change once', async () => {
  const s = scene({ tabs: 0 as 1 })
  s.browser.behaviour.storeDelay = () => 50
  const { session } = s.world.openTab()
  const seen: string[][] = []
  const listen = () => {
    const mine: string[] = []
    seen.push(mine)
    session.subscribe(({ status }) => mine.push(status))
    session.subscribe(() => {
      throw new Error('the app’s own')
    })
    expect(mine).toHaveLength(1)
  }
  listen()
  await s.advance(60)
  listen()
  await s.advance(seconds(5))
  listen()
  await settled(s, session.signIn(s.server.grant()))
  await settled(s, session.signOut())
  expect(seen).toEqual([
    ['loading', 'signed-out', 'signed-in', 'signed-out'],
    ['loading', 'signed-out', 'signed-in', 'signed-out'],
    ['signed-out', 'signed-in', 'signed-out'],
  ])
})

test('F81: two tabs that nobody looks at: no refresh in two hours, and the session is there when somebody does', async () => {
  const s = scene({ tabs: 2 })
  await s.tabs[0].session.signIn(s.server.grant())
  await s.advance(seconds(30))
  for (const tab of s.tabs) tab.hide()
  await s.advance(minutes(120))
  expect(s.server.presentations).toEqual([])
  s.tabs[1].show()
  expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
  expect(s.server.presentations).toHaveLength(1)
})

test.each(seeds(10))(
  'F83: frozen a quarter of an hour in a refresh whose fetch then fails, six calls on waking: one refresh, six answers, no end (seed %i)',
  async (seed) => {
    const unhandled = await unhandledIn(async () => {
      const s = scene({ tabs: 0 as 1, seed, rotation: 'grace' })
      const tab = openOn(s, () => ({}))
      const ear = listenTo(tab.session)
      await tab.session.signIn(s.server.grant())
      tab.hide()
      await s.advance(minutes(10))
      const random = roughen(s, seed)
      s.latency = () => 50 + random() * 100
      s.server.fail('request-lost')
      const old = watch(callFrom(tab), s.now)
      await s.advance(40)
      tab.freeze()
      await s.advance(minutes(15))
      tab.thaw()
      tab.show()
      const calls = Array.from({ length: 6 }, () => watch(callFrom(tab), s.now))
      await s.advance(seconds(4))
      expect(calls.map(({ result }) => result?.value)).toEqual(Array(6).fill(200))
      expect(old.result?.code).toBe('refresh_unavailable') // its deadline was long over
      expect([s.server.refreshes, s.server.reused, ear.ended]).toEqual([1, 0, []])
      expect(s.server.calls.map(({ credential }) => credential)).toEqual(Array(6).fill('valid'))
    })
    expect(unhandled).toEqual([])
  },
)
