import type { RefreshFunction } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { callFrom, hours, minutes, roughen, scene, scripted, seconds, settled, storedIn, tokens, watch } from './scene.ts'

describe('B: clocks and lifetimes', () => {
  test.each([2_592_000, 315_360_000])('F18: a token of %i s is not refreshed on its first day', async (expiresIn) => {
    const s = scene({ expiresIn })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(hours(24))
    expect(s.server.presentations).toEqual([])
  })

  test.each([
    { lifetime: 300, span: seconds(299), first: [seconds(230), seconds(240)], most: 1 },
    { lifetime: 5, span: minutes(10), first: [seconds(10), seconds(11)], most: 60 },
  ])(
    'REQ-34: three tabs that call nothing: a token of $lifetime s is renewed ahead of need, once for all of them, and without a loop',
    async ({ lifetime, span, first, most }) => {
      const s = scene({ tabs: 3, expiresIn: lifetime })
      await s.tabs[0].session.signIn(s.server.grant())
      await s.advance(span)
      const times = s.server.presentations.map(({ at }) => at)
      expect(times[0]).toBeGreaterThanOrEqual(first[0]!)
      expect(times[0]).toBeLessThanOrEqual(first[1]!)
      expect(times.length).toBeLessThanOrEqual(most)
      expect(s.server.refreshes).toBe(times.length)
      for (const [index, at] of times.entries()) if (index) expect(at - times[index - 1]!).toBeGreaterThanOrEqual(seconds(10))
    },
  )

  test('REQ-33: an answer that was five seconds on its way: its minute began when it was asked for, and a call at its end waits for the next', async () => {
    const s = scene({ expiresIn: 60, session: { keepFresh: 'on-demand' } })
    const { session } = s.tabs[0]
    await session.signIn(s.server.grant())
    const { signedInAt } = session.state as { readonly signedInAt: number } // signed in as it is
    await s.advance(seconds(10))
    s.latency = () => seconds(2.5)
    const asked = s.now()
    expect((await settled(s, session.refresh())).took).toBe(seconds(5))
    expect(session.state).toMatchObject({ expiresAt: signedInAt + asked + seconds(60) })
    s.latency = () => 0
    const late = await session.getToken()
    await s.advance(asked + seconds(57) - s.now())
    expect((await settled(s, session.getToken())).value).not.toBe(late)
    expect(s.server.refreshes).toBe(2)
  })

  test('F18: one of 30 days is refreshed once, just before its expiry', async () => {
    const s = scene({ expiresIn: 2_592_000, session: { keepFresh: 'always' } })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(hours(24 * 30) - minutes(2))
    expect(s.server.presentations).toEqual([])
    await s.advance(minutes(2))
    expect(s.server.presentations).toHaveLength(1)
  }, 30_000)

  test('F19: hidden for half an hour: six requests in the tick of its return, one refresh, no expired token', async () => {
    const s = scene({ expiresIn: 600 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(30))
    s.latency = () => 100
    s.tabs[0].show()
    const calls = Array.from({ length: 6 }, () => watch(callFrom(s.tabs[0]), s.now))
    await s.advance(seconds(1))
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(6).fill(200))
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
  })

  test('F20, REQ-46: eight hours of sleep in which the monotonic clock stood still: the first call refreshes before it leaves', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].freeze()
    await s.advance(hours(8))
    s.insideOf(s.tabs[0]).skipMonotonic(hours(8))
    s.tabs[0].thaw()
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
  })

  test('F20: with no call, the refresh comes within 30 s of the return', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].freeze()
    await s.advance(hours(8))
    s.insideOf(s.tabs[0]).skipMonotonic(hours(8))
    s.tabs[0].thaw()
    await s.advance(seconds(30))
    expect(s.server.presentations).toHaveLength(1)
  })

  test.each([-25, -1, -1 / 12, 1 / 12, 1, 25])(
    'F21, REQ-45: a clock that is %d h wrong: 24 to 26 refreshes a day, no expired token, no end',
    async (offset) => {
      const s = scene({ expiresIn: 3_600 })
      s.insideOf(s.tabs[0]).setClock(hours(offset))
      await s.tabs[0].session.signIn(s.server.grant())
      for (let minute = 0; minute < 24 * 60; minute += 10) {
        await s.advance(minutes(10)) // the scenario calls each minute: the same, slower
        expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
      }
      expect(s.server.presentations.length).toBeGreaterThanOrEqual(23)
      expect(s.server.presentations.length).toBeLessThanOrEqual(26)
      expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
      expect(s.earOf(s.tabs[0]).ended).toEqual([])
    },
  )

  test('F23: the wall clock jumps two hours on, and back: at most one refresh for each', async () => {
    const s = scene({ expiresIn: 3_600 })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(100))
    s.insideOf(s.tabs[0]).setClock(hours(2))
    await s.advance(seconds(100))
    expect(s.server.presentations.length).toBeLessThanOrEqual(1)
    s.insideOf(s.tabs[0]).setClock(0)
    await s.advance(seconds(100))
    expect(s.server.presentations.length).toBeLessThanOrEqual(2)
    expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
  })

  test('F23: fifty reloads with one token refresh nothing', async () => {
    const s = scene({ expiresIn: 3_600 })
    await s.tabs[0].session.signIn(s.server.grant())
    let tab = s.tabs[0] as { reload: () => Promise<(typeof s.tabs)[0]> }
    for (let times = 0; times < 50; times++) {
      tab = await tab.reload()
      await s.advance(seconds(10))
    }
    expect(s.server.presentations).toEqual([])
  })

  test.each([0, 1, 5, 30, 59, 60, 61, 120])('F24: lifetime of %i s, ten minutes without a call: no loop', async (expiresIn) => {
    const s = scene({ expiresIn })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(minutes(10))
    // A lifetime of nothing: the first attempts, then 40 to 60 s apart.
    const most = expiresIn === 0 ? 20 : 600 / Math.max(expiresIn / 2, 10)
    expect(s.server.presentations.length).toBeLessThanOrEqual(most)
    expect(s.server.reused).toBe(0)
  })

  test.each(['dead', 'identical'])(
    'F25: the server always gives a token that is %s: three tabs, ten calls a second, no flood, and the app is told',
    async (how) => {
      let asked = 0
      const refresh = async () => {
        asked++
        return tokens('same', { expires_in: how === 'dead' ? 0 : 30 })
      }
      const script = scripted({ refresh })
      const s = scene({ tabs: 3, session: { refresh: script.refresher } })
      await s.tabs[0].session.signIn(tokens('same', { expires_in: how === 'dead' ? 0 : 30 }))
      for (let tick = 0; tick < 600; tick++) {
        for (const tab of s.tabs) void callFrom(tab).catch(() => {})
        await s.advance(100)
      }
      expect(asked).toBeLessThanOrEqual(3)
      await s.advance(minutes(10))
      expect(asked).toBeLessThanOrEqual(3 + 15)
      if (how === 'dead')
        for (const tab of s.tabs) expect(tab.session.state).toMatchObject({ trouble: { error: { code: 'refresh_unavailable' } } })
    },
  )

  test('F26: five seconds left and a slow uplink: the request waits for the refresh', async () => {
    const s = scene({ session: { keepFresh: 'on-demand' } })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(296))
    s.latency = () => 800
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
  })

  test('F26: the refresh fails for now, and the token has three seconds left: it goes out once more', async () => {
    const s = scene({ session: { keepFresh: 'on-demand' } })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(297))
    s.server.fail({ status: 503 })
    expect((await settled(s, callFrom(s.tabs[0]), 2_000, 10)).value).toBe(200)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
  })

  test.each([
    [undefined, 0],
    [null, 0],
    ['300', 1],
    ['abc', 0],
    [-5, 0],
    [1e308, 0],
    [Number.NaN, 0],
  ])('F50: expires_in %s and an opaque token: %i proactive refreshes, and never one in ten seconds', async (expires_in, refreshes) => {
    const s = scene()
    await s.tabs[0].session.signIn(tokens('odd', { expires_in: expires_in as number }))
    await s.advance(seconds(295))
    // The server does not know this refresh token, so one refresh is all there can be.
    expect(s.server.presentations.length).toBe(refreshes)
    expect([...s.browser.records.values()].join()).not.toMatch(/NaN|Infinity/)
  })

  test('F50, F51, REQ-35: of unknown lifetime: used until a 401, and then one refresh', async () => {
    const s = scene()
    const login = s.server.grant({ access_token: 'a1b2c3' })
    await s.tabs[0].session.signIn({ ...login, expires_in: null })
    await s.advance(seconds(200))
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    await s.advance(seconds(200)) // by now the server has forgotten it
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.calls.map(({ status }) => status)).toEqual([200, 401, 200])
  })

  test.each([
    { name: 'there never was anything to', given: { refresh_token: null } },
    { name: 'there is nothing left to', given: { refresh_expires_in: 60 } },
  ])('F51, F57: of unknown lifetime, and refresh with: $name: the first 401 about it is the end, in all tabs', async ({ given }) => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant({ access_token: 'a1b2c3', expires_in: null, ...given }))
    await s.advance(seconds(200))
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    await s.advance(seconds(200)) // by now the server has forgotten it
    expect(await settled(s, callFrom(s.tabs[0]))).toMatchObject({ code: 'session_ended', error: { reason: 'refresh-expired' } })
    for (const tab of s.tabs) expect(s.earOf(tab).expired).toMatchObject([{ reason: 'refresh-expired' }])
    expect(s.server.presentations).toEqual([])
  })

  test('F51: an opaque token that lasts 300 s: 15 refreshes an hour', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant({ access_token: 'a1b2c3' }))
    await s.advance(hours(1))
    expect(Math.abs(s.server.presentations.length - 15)).toBeLessThanOrEqual(2)
  })
})

describe('C: networks and servers that fail', () => {
  test('F27, REQ-129: offline at the start with an expired token: signed in, nothing stored changes, and back within 2 s of the network', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.world.close()
    s.tabs[0].crash()
    await s.advance(hours(1))
    const stored = storedIn(s)
    const tab = s.world.openTab()
    tab.offline()
    await s.advance(100)
    const call = await settled(s, callFrom(tab))
    expect(call).toMatchObject({ code: 'refresh_unavailable', error: { retryable: true, cause: expect.any(TypeError) } })
    await s.advance(minutes(10))
    expect(tab.session.state).toMatchObject({ status: 'signed-in', trouble: { error: { code: 'refresh_unavailable' } } })
    // Claims and back-off come and go; the grant stays.
    expect(storedIn(s)).toMatchObject({ session: stored?.session, generation: stored?.generation, grant: stored?.grant })
    tab.online()
    const waiting = await settled(s, callFrom(tab))
    expect(waiting).toMatchObject({ value: 200 })
    expect(waiting.took).toBeLessThanOrEqual(seconds(2))
    expect(tab.session.state).toMatchObject({ trouble: null })
  })

  test('F28: the network is back 12 s after the page: recovered within 5 s, at most six attempts, no end', async () => {
    const s = scene({ rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].freeze()
    await s.advance(hours(1))
    s.tabs[0].offline()
    s.tabs[0].thaw()
    await s.advance(seconds(12))
    s.tabs[0].online()
    await s.advance(seconds(5))
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: null })
    expect(s.server.presentations.length).toBeLessThanOrEqual(6)
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
  })

  test('F28: three attempts lost without the browser noticing: back by itself', async () => {
    const s = scene({ rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant())
    s.server.fail('request-lost', 4)
    await s.advance(minutes(5))
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: null })
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
  })

  test('F30: 503 for half an hour, five tabs, fifty calls a minute: at most 40 attempts, and back within a minute', async () => {
    const s = scene({ tabs: 5 })
    roughen(s, 2)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(200))
    s.server.fail({ status: 503 }, 10_000)
    for (let call = 0; call < 30 * 50; call++) {
      void callFrom(s.tabs[(call % 5) as 0]).catch(() => {})
      await s.advance(1_200)
    }
    expect(s.server.presentations.length).toBeLessThanOrEqual(40)
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toEqual([])
  })

  test('F30, REQ-128: 503 for five minutes, twenty callers in four tabs, each second anew: at most twelve attempts, and back within a minute', async () => {
    const asked: number[] = []
    let isDown = true
    const refresh: RefreshFunction = async () => {
      asked.push(s.now())
      return isDown ? new Response('', { status: 503 }) : tokens('next')
    }
    const s = scene({ tabs: 4, session: { refresh } })
    await s.tabs[0].session.signIn(tokens('first'))
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(6)) // by now it has expired, and nobody has asked for another
    const begun = s.now()
    const callers = () => s.tabs.flatMap((tab) => Array.from({ length: 5 }, () => watch(tab.session.getToken(), s.now)))
    while (s.now() - begun < minutes(5)) {
      callers()
      await s.advance(seconds(1))
    }
    expect(asked.length).toBeGreaterThan(5)
    expect(asked.length).toBeLessThanOrEqual(12)
    for (const tab of s.tabs) expect(tab.session.state).toMatchObject({ trouble: { retryAt: expect.any(Number) } })
    isDown = false
    const recovered = s.now()
    const failed = asked.length
    while (asked.length === failed) {
      callers()
      await s.advance(seconds(1))
    }
    expect(asked.at(-1)! - recovered).toBeLessThanOrEqual(minutes(1))
    expect(asked).toHaveLength(failed + 1)
    const last = callers()
    await s.advance(seconds(1))
    expect(last.map(({ result }) => result?.value)).toEqual(Array(20).fill('access-next'))
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toEqual([])
  })

  test('F30: the first success comes within a minute of the recovery', async () => {
    const s = scene({ tabs: 5 })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(200))
    s.server.fail({ status: 503 }, 35)
    await s.advance(hours(2))
    const last = s.server.presentations.findLastIndex(({ answered }) => answered === '503')
    const [failed, granted] = s.server.presentations.slice(last)
    expect(granted!.at - failed!.at).toBeLessThanOrEqual(minutes(1))
  })

  test('F31: Retry-After 120: no tab asks for 120 s, then one does; a token that is still valid keeps working', async () => {
    const s = scene({ tabs: 3 })
    await s.tabs[0].session.signIn(s.server.grant({ expires_in: 1_000 }))
    await s.advance(seconds(10))
    s.server.fail({ status: 429, retryAfter: 120 })
    expect((await settled(s, s.tabs[0].session.refresh())).code).toBe('refresh_unavailable')
    const asked = s.now()
    for (let tick = 0; tick < 11; tick++) {
      await s.advance(seconds(10))
      for (const tab of s.tabs) void tab.session.refresh().catch(() => {})
      expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
    }
    expect(s.server.presentations).toHaveLength(1)
    expect(s.tabs[0].session.state).toMatchObject({ trouble: { error: { code: 'refresh_unavailable' } } })
    await s.advance(asked + seconds(126) - s.now()) // and nobody has to ask for it
    expect(s.tabs[0].session.state).toMatchObject({ trouble: null })
    expect(s.server.presentations).toHaveLength(2)
  })

  test('F32, REQ-130: the endpoint never answers: twenty calls in two tabs settle by their deadline, and the next attempt succeeds', async () => {
    const s = scene({ tabs: 2, rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.server.fail('hang', 2)
    const calls = Array.from({ length: 20 }, (_, index) => watch(callFrom(s.tabs[(index % 2) as 0]), s.now))
    const begun = s.now()
    await s.advance(seconds(12.1))
    for (const { result } of calls) {
      expect(result?.code).toBe('refresh_unavailable')
      expect(result!.took - begun).toBeLessThanOrEqual(seconds(12))
    }
    await s.advance(seconds(15)) // the second presentation has its own deadline, and a pause follows
    expect((await settled(s, callFrom(s.tabs[1]))).took).toBeLessThanOrEqual(seconds(1))
    expect(s.server.reused).toBe(0)
  })

  test('F35, REQ-130: one of three callers gives up: it hears at once, the others get the token, and it is stored even if all give up', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.latency = () => 250
    const controllers = [1, 2, 3].map(() => new AbortController())
    const calls = controllers.map(({ signal }) => watch(s.tabs[0].session.getToken({ signal }), s.now))
    await s.advance(100)
    const aborted = s.now()
    controllers[0]!.abort()
    await s.advance(1)
    expect(calls[0]!.result).toMatchObject({ code: 'AbortError' })
    expect(calls[0]!.result!.took - aborted).toBeLessThanOrEqual(10)
    await s.advance(seconds(1))
    expect(calls.slice(1).map(({ result }) => result?.code)).toEqual([null, null])
    expect(s.server.presentations).toHaveLength(1)

    await s.advance(minutes(10))
    const all = [1, 2].map(() => new AbortController())
    for (const { signal } of all) void s.tabs[0].session.getToken({ signal }).catch(() => {})
    await s.advance(100)
    const { generation } = storedIn(s)!
    for (const controller of all) controller.abort()
    await s.advance(seconds(1))
    expect(storedIn(s)!.generation).toBe(generation + 1)
  })

  test('F36, REQ-11, REQ-73: sign-out offline: over here and on the device at once, not confirmed; with the network nothing comes back but the revocation', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.offline()
    const signedOut = s.tabs[0].session.signOut()
    expect(s.tabs[0].session.state.status).toBe('signed-out')
    const result = await settled(s, signedOut, 100, 1)
    expect(result.value).toEqual({ revoked: false })
    expect(JSON.stringify(storedIn(s))).not.toMatch(/access-|refresh-\d/)
    await s.advance(seconds(1))
    expect(s.tabs[1].session.state.status).toBe('signed-out')
    expect(s.server.live).toHaveLength(1)
    for (const tab of s.tabs) tab.online()
    await s.advance(hours(1))
    expect(s.tabs.map(({ session }) => session.state.status)).toEqual(['signed-out', 'signed-out'])
    expect([s.server.presentations, s.server.live, s.server.revocations]).toEqual([[], [], 1])
  })

  test('F37: a hundred failing refreshes in three tabs: no unhandled rejection, and one trouble that ends', async () => {
    const unhandled: unknown[] = []
    const notice = (reason: unknown) => unhandled.push(reason)
    process.on('unhandledRejection', notice)
    const s = scene({ tabs: 3 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.server.fail({ status: 503 }, 50)
    s.server.fail('request-lost', 50)
    await s.advance(hours(3))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('unhandledRejection', notice)
    expect(unhandled).toEqual([])
    for (const tab of s.tabs) {
      const troubles = s.earOf(tab).states.map((state) => (state.status === 'signed-in' && state.trouble ? state.trouble.since : null))
      expect(new Set(troubles.filter((since) => since !== null)).size).toBe(1)
      expect(troubles.filter((since, index) => (since === null) !== (troubles[index - 1] === null)).length).toBeLessThanOrEqual(4)
      expect(tab.session.state).toMatchObject({ status: 'signed-in', trouble: null })
      expect(s.insideOf(tab).reported).toEqual([])
    }
  })
})
