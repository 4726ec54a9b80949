import { describe, expect, test } from 'vitest'
import { callFrom, hours, listenTo, minutes, roughen, scene, seconds, seeds, settled, storedIn, watch } from './scene.ts'

// The table of measures: each promise as a number, counted at the server.

describe('F01, REQ-39: eight tabs, two hundred expiries, strict rotation, slow network, store and messages', () => {
  test.each(seeds(50))(
    'one refresh per expiry, no reuse, no end, and no call without a valid token (seed %i)',
    async (seed) => {
      const s = scene({ tabs: 8, seed })
      const random = roughen(s, seed)
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      s.latency = () => 25 + random() * 975 // there and back: 50 to 2000 ms
      const statuses: number[] = []
      let calls = 0
      while (s.server.presentations.length < 200) {
        await s.advance(minutes(2))
        for (const tab of calls % 40 ? [s.tabs[(calls % 8) as 0]] : s.tabs) {
          calls++
          void callFrom(tab).then((status) => statuses.push(status))
        }
      }
      await s.advance(seconds(30))
      expect(s.server.presentations).toHaveLength(200)
      expect(s.server.refreshes).toBe(200)
      expect(s.server.reused).toBe(0)
      expect(statuses).toEqual(Array(calls).fill(200))
      expect(s.server.calls.filter(({ credential }) => credential !== 'valid')).toEqual([])
      expect(s.now()).toBeGreaterThan(200 * seconds(225)) // nobody refreshed ahead of need
      for (const tab of s.tabs) {
        expect(s.earOf(tab).ended).toEqual([])
        expect(s.earOf(tab).refreshed).toHaveLength(200)
        expect(tab.session.state).toMatchObject({ status: 'signed-in', trouble: null })
      }
    },
    60_000,
  )

  test('every tab has the new token within a second of the answer', async () => {
    const s = scene({ tabs: 8, seed: 5 })
    roughen(s, 5)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    while (s.server.presentations.length === 0) await s.advance(100)
    await s.advance(seconds(1))
    for (const tab of s.tabs) expect(s.earOf(tab).refreshed).toHaveLength(1)
  })
})

describe('F09, REQ-61, REQ-65: sign-out in one tab of eight', () => {
  test.each(seeds(20))('each tab announces it once within 500 ms, and the server is told once (seed %i)', async (seed) => {
    const s = scene({ tabs: 8, seed })
    roughen(s, seed)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(30))
    const before = s.now()
    const result = await settled(s, s.tabs[seed % 8]!.session.signOut(), 500, 10)
    await s.advance(before + 500 - s.now())
    for (const tab of s.tabs) {
      const by = tab === s.tabs[seed % 8] ? 'this-tab' : 'other-tab'
      expect(s.earOf(tab).ended).toMatchObject([{ reason: 'signed-out', by }])
      expect(s.earOf(tab).expired).toEqual([])
      expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    }
    expect(result.value).toEqual({ revoked: true })
    await s.advance(hours(1))
    expect(s.server.revocations).toBe(1)
    expect(s.server.presentations).toEqual([])
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toHaveLength(1)
  })
})

describe('F57: the refresh token is revoked at the server', () => {
  test.each(seeds(20))(
    'each tab expires once, for one refused request, and nothing carries the dead token again (seed %i)',
    async (seed) => {
      const s = scene({ tabs: 4, seed })
      roughen(s, seed)
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      s.server.revoke()
      await s.advance(minutes(6))
      const calls = s.server.calls.length
      for (const tab of s.tabs) {
        expect(s.earOf(tab).expired).toMatchObject([{ reason: 'rejected' }])
        expect(s.earOf(tab).ended).toHaveLength(1)
        expect((await settled(s, callFrom(tab))).code).toBe('signed_out')
      }
      await s.advance(hours(2))
      expect(s.server.presentations).toHaveLength(1)
      expect(s.server.calls).toHaveLength(calls)
      for (const tab of s.tabs) expect(s.earOf(tab).ended).toHaveLength(1)
    },
  )
})

describe('a session outlives the page', () => {
  test('reload: still signed in, and the first request carries the token', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const reloaded = await s.tabs[0].reload()
    expect(reloaded.session.state.status).toBe('signed-in')
    expect((await settled(s, callFrom(reloaded))).value).toBe(200)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
    expect(s.server.presentations).toEqual([])
  })

  test('new tab: a request made while the store is being read waits, and carries the token', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    roughen(s, 1)
    const opened = s.world.openTab()
    expect(opened.session.state.status).toBe('loading')
    expect((await settled(s, callFrom(opened))).value).toBe(200)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
  })

  test('all tabs closed, opened again the next day: still signed in after one refresh', async () => {
    const s = scene({ tabs: 3 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.world.close()
    for (const tab of s.tabs) tab.crash()
    await s.advance(hours(20))
    const opened = [s.world.openTab(), s.world.openTab()]
    const calls = opened.map((tab) => watch(callFrom(tab), s.now))
    await s.advance(seconds(2))
    expect(calls.map(({ result }) => result?.value)).toEqual([200, 200])
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
  })
})

describe('F16: ten tabs wake together with an expired token, strict rotation', () => {
  test.each(seeds(20))('one refresh, no reuse, and every first request succeeds (seed %i)', async (seed) => {
    const s = scene({ tabs: 10, seed })
    const random = roughen(s, seed)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.latency = () => 25 + random() * 200
    for (const tab of s.tabs) {
      tab.hide()
      tab.freeze()
    }
    await s.advance(hours(2))
    const calls = s.tabs.map((tab) => {
      tab.thaw()
      tab.show()
      return watch(callFrom(tab), s.now)
    })
    await s.advance(seconds(3))
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(10).fill(200))
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.reused).toBe(0)
    expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
    expect(storedIn(s)?.status).toBe('active')
  })

  test('twelve windows after two hours of sleep, each with visible, resumed and online: one refresh, and every window has the new token', async () => {
    const s = scene({ tabs: 12, seed: 2 })
    const random = roughen(s, 2)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.latency = () => 25 + random() * 200
    for (const tab of s.tabs) tab.freeze()
    await s.advance(hours(2))
    for (const tab of s.tabs) {
      await s.advance(random() * 5)
      tab.thaw()
      tab.show()
      tab.online()
    }
    await s.advance(seconds(3))
    expect(s.server.presentations).toHaveLength(1)
    for (const tab of s.tabs) expect(s.earOf(tab).refreshed).toHaveLength(1)
  })
})

test('what the tests listen with hears a late end too', async () => {
  const s = scene()
  await s.tabs[0].session.signIn(s.server.grant())
  s.server.revoke()
  await s.advance(minutes(6))
  expect(listenTo(s.tabs[0].session).ended).toMatchObject([{ reason: 'rejected' }])
})
