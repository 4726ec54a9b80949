import { limits } from 'latchkey/limits'
import { describe, expect, test } from 'vitest'
import { api, backendScene, callFrom } from './backend.ts'
import { listenTo, minutes, pause, seconds, settled, storedIn, takeLock, until, watch } from './scene.ts'

// REQ-76: a session whose tokens a backend keeps lives as any other does.

describe('a start', () => {
  test('without a record asks the backend once, for all tabs, and says who is there and for how long', async () => {
    const { s, backend } = await backendScene({ tabs: 4 })
    expect(backend.counted).toEqual({ asked: 1, logouts: 0, forged: 0 })
    for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'ann', trouble: null })
    expect(
      new Set(s.tabs.map(({ session: { state } }) => state.status === 'signed-in' && `${state.sessionId} ${state.expiresAt}`)).size,
    ).toBe(1)
    expect(await Promise.all(s.tabs.map(async (tab) => (await settled(s, callFrom(tab))).value))).toEqual([200, 200, 200, 200])
  })

  test('with a record asks nobody until it is time', async () => {
    const { s, backend } = await backendScene()
    const again = await s.tabs[0].reload()
    expect(again.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    await s.advance(minutes(1))
    expect(backend.counted.asked).toBe(1)
  })

  test('finds nobody: signed out, and a login that only set the cookie is noticed by refresh()', async () => {
    const { s, backend } = await backendScene({ tabs: 2 }, null)
    const [here, there] = s.tabs
    expect(here.session.state).toEqual({ status: 'signed-out', reason: null })
    expect((await settled(s, callFrom(here))).code).toBe('signed_out')
    backend.user = 'ann'
    expect((await settled(s, here.session.refresh())).code).toBeNull()
    await s.advance(seconds(1))
    expect([here, there].map(({ session }) => session.state)).toMatchObject(Array(2).fill({ status: 'signed-in', subject: 'ann' }))
    expect(backend.calls).toEqual([])
  })

  test('finds nobody: F10: nor is the login missed by a page that nobody has looked at for a while', async () => {
    const { s, backend } = await backendScene({}, null)
    const [tab] = s.tabs
    tab.hide()
    await s.advance(minutes(2))
    backend.user = 'ann'
    expect((await settled(s, tab.session.refresh())).code).toBeNull()
    expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
  })

  test('F66: asks nothing of a cookie that is being given back: refresh() at once after a sign-out brings nobody back', async () => {
    const { s, backend } = await backendScene()
    const [tab] = s.tabs
    const ways = [300] // that of the logout
    s.latency = () => ways.shift() ?? 50
    const out = tab.session.signOut()
    expect((await settled(s, tab.session.refresh())).code).toBe('signed_out')
    expect((await settled(s, out)).value).toEqual({ revoked: true })
    await s.advance(minutes(1))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    expect(s.earOf(tab).signedIn).toEqual([])
    expect(backend.counted.logouts).toBe(1)
  })

  test('F27: while the backend cannot say, nobody is called signed out', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    backend.instead.push(async () => new Response('', { status: 503 }))
    const tab = s.world.openTab()
    await s.advance(100)
    expect(tab.session.state).toEqual({ status: 'loading' })
    expect((await settled(s, tab.session.ready)).value).toMatchObject({ status: 'signed-in', subject: 'ann' })
  })

  describe.each(['hangs', 'fails'] as const)('F40: with a store that %s', (fault) => {
    const start = async () => {
      const { s, backend } = await backendScene({ tabs: 0 as 1 })
      s.browser.behaviour.storeFault = () => fault
      return { s, backend, tabs: [s.world.openTab(), s.world.openTab()] as const }
    }

    test('asks the backend, one tab after the other, and goes on from memory', async () => {
      const { s, backend, tabs } = await start()
      let atOnce = 0
      const one = async () => {
        atOnce++
        await pause(s, 500)
        atOnce--
        return Response.json(atOnce ? {} : { expires_in: 300, sub: 'ann' }, { status: atOnce ? 401 : 200 })
      }
      backend.instead.push(one, one)
      await s.advance(seconds(30))
      for (const tab of tabs) expect((await settled(s, callFrom(tab))).value).toBe(200)
      expect(backend.counted.asked).toBe(2)
    })

    test('and without locks asks nobody, calls nobody signed out, and asks when the store is back', async () => {
      const { s, backend, tabs } = await start()
      s.browser.behaviour.hasLocks = false
      await s.advance(seconds(20))
      for (const { session } of tabs) expect(session.state).toEqual({ status: 'loading' })
      expect((await settled(s, callFrom(tabs[0]))).code).toBe('refresh_unavailable')
      expect(backend.counted.asked).toBe(0)
      s.browser.behaviour.storeFault = () => 'none'
      expect((await settled(s, tabs[0].session.ready)).value).toMatchObject({ status: 'loading' })
      await s.advance(minutes(2))
      for (const { session } of tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
      expect(backend.counted.asked).toBe(1)
    })
  })

  test('F86: of a page that is rendered ahead of a visit asks nobody', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    s.browser.behaviour.prerenders = true
    const tab = s.world.openTab()
    await s.advance(seconds(2))
    expect(backend.counted.asked).toBe(0)
    tab.show()
    expect((await settled(s, tab.session.ready)).value).toMatchObject({ status: 'signed-in' })
    expect(backend.counted.asked).toBe(1)
  })
})

describe('expiry', () => {
  test('F01: four tabs that call all the time ask once each time, and each hears of it', async () => {
    const { s, backend } = await backendScene({ tabs: 4 })
    const ears = s.tabs.map(({ session }) => listenTo(session))
    for (let gone = 0; gone < minutes(30); gone += seconds(10)) {
      await s.advance(seconds(10))
      for (const tab of s.tabs) void callFrom(tab)
    }
    // 300 s, renewed a minute ahead and a little earlier by chance.
    expect(backend.counted.asked).toBeGreaterThanOrEqual(7)
    expect(backend.counted.asked).toBeLessThanOrEqual(9)
    for (const { refreshed, ended } of ears) expect([refreshed.length, ended.length]).toEqual([backend.counted.asked - 1, 0])
    expect(backend.calls).toEqual(backend.calls.map(() => 'ann'))
    expect(backend.counted).toMatchObject({ logouts: 0, forged: 0 })
  })

  test('REQ-99: where the browser holds a call back while it renews a bound cookie itself, the session waits, and asks no second time', async () => {
    const { s, backend } = await backendScene({ tabs: 4 })
    const { asked } = backend.counted
    backend.instead.push(() => pause(s, seconds(3)).then(() => Response.json({ expires_in: 300, sub: 'ann' })))
    await settled(s, Promise.all(s.tabs.map(({ session }) => session.refresh())))
    expect(backend.counted.asked).toBe(asked + 1)
    expect(await Promise.all(s.tabs.map(async (tab) => (await settled(s, callFrom(tab))).value))).toEqual([200, 200, 200, 200])
    expect(backend.counted).toMatchObject({ logouts: 0, forged: 0 })
  })

  test('F25: a backend whose session has always just run out is not asked over and over', async () => {
    const { s, backend } = await backendScene()
    backend.lasts = 0
    await settled(s, s.tabs[0].session.refresh())
    for (let count = 0; count < 60; count++) {
      void callFrom(s.tabs[0]).catch(() => {})
      await s.advance(seconds(1))
    }
    expect(backend.counted.asked).toBeLessThanOrEqual(4)
  })

  test('of which the backend does not speak: asked after a 401 only', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    backend.lasts = null
    const { session } = s.world.openTab()
    expect((await settled(s, session.ready)).value).toMatchObject({ status: 'signed-in', expiresAt: null })
    await s.advance(minutes(60))
    expect(backend.counted.asked).toBe(1)
  })

  test('F81, REQ-47: a tab that nobody looks at keeps no session alive', async () => {
    const { s, backend } = await backendScene()
    s.tabs[0].hide()
    await s.advance(minutes(60))
    expect(backend.counted.asked).toBe(1)
  })

  test('F27: offline, the session stays; nothing is sent, and it goes on when the network is back', async () => {
    const { s, backend } = await backendScene()
    s.tabs[0].offline()
    await s.advance(minutes(10))
    expect((await settled(s, callFrom(s.tabs[0]))).code).toBe('refresh_unavailable')
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: expect.anything() })
    await s.advance(seconds(1))
    s.tabs[0].online()
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
    expect(backend.calls).toEqual(['ann'])
  })
})

describe('F01: several tabs that start at once, of which nobody knows anything', () => {
  test.each([300, 5_000, 9_000])('ask one after the other, and the first answer is enough, though it takes %i ms', async (slowness) => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    let open = 0
    let most = 0
    const slow = async () => {
      most = Math.max(most, ++open)
      await pause(s, slowness)
      open--
      return Response.json({ expires_in: 300, sub: 'ann' })
    }
    backend.instead.push(slow, slow, slow, slow)
    const tabs = [1, 2, 3, 4].map(() => s.world.openTab())
    await s.advance(slowness + 200)
    for (const { session } of tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    expect([backend.counted.asked, most]).toEqual([1, 1])
  })
})

test('F40: a store that is slow at the start, and whose answer comes while the lock is waited for', async () => {
  const { s, backend } = await backendScene({ tabs: 1 })
  s.tabs[0].crash()
  await s.advance(minutes(10))
  const letGo = await takeLock(s, new URL('/bff/session', api).href)
  let slow = 4
  s.browser.behaviour.storeDelay = () => (slow-- > 0 ? 2_100 : 5)
  const tab = s.world.openTab()
  await s.advance(6_400)
  letGo()
  await s.advance(seconds(1))
  expect(tab.session.state).toMatchObject({ status: 'signed-in', trouble: null })
  expect(backend.counted.asked).toBe(2)
  expect((await settled(s, callFrom(tab))).value).toBe(200)
})

describe('a 401 of an API', () => {
  test('F53, F55: leads to one question for all who got one, and the calls are made again', async () => {
    const { s, backend } = await backendScene({ tabs: 2 })
    backend.user = null
    s.latency = () => 50
    const calls = s.tabs.flatMap((tab) => [watch(callFrom(tab), s.now), watch(callFrom(tab), s.now)])
    await until(s, () => backend.calls.length === 4)
    backend.user = 'ann' // as where the API had asked a copy that was behind
    await s.advance(seconds(5))
    expect(calls.map(({ result }) => result?.value)).toEqual([200, 200, 200, 200])
    expect(backend.counted.asked).toBe(2)
  })

  test('F57, F30: and the backend says that there is no session: the end, told once in every tab', async () => {
    const { s, backend } = await backendScene({ tabs: 2 })
    backend.user = null
    const call = await settled(s, callFrom(s.tabs[0]))
    expect(call).toMatchObject({ code: 'session_ended', error: { reason: 'rejected' } })
    await s.advance(seconds(1))
    for (const tab of s.tabs) {
      expect(s.earOf(tab).expired.map(({ reason, subject }) => [reason, subject])).toEqual([['rejected', 'ann']])
      expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'rejected' })
    }
    expect((await settled(s, callFrom(s.tabs[1]))).code).toBe('signed_out')
    expect(backend.counted).toEqual({ asked: 2, logouts: 0, forged: 0 })
  })

  test('F57: which refresh() is told as well, as an end', async () => {
    const { s, backend } = await backendScene()
    backend.user = null
    expect(await settled(s, s.tabs[0].session.refresh())).toMatchObject({ code: 'session_ended', error: { reason: 'rejected' } })
    expect(s.earOf(s.tabs[0]).expired).toHaveLength(1)
  })

  test('F53: and another after the backend had said that all is well: it is the caller’s, and nobody is asked for half a minute', async () => {
    const { s, backend } = await backendScene()
    s.server.onRequest(async (request) => {
      if (new URL(request.url).pathname.startsWith('/api')) return new Response('not yours', { status: 401 })
      backend.counted.asked++
      return Response.json({ expires_in: 300, sub: 'ann' })
    })
    for (let count = 0; count < 5; count++) expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(401)
    expect(backend.counted.asked).toBe(2)
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })
})

describe('an end', () => {
  test('F09: a sign-out in one tab is one in all, and the backend is told once', async () => {
    const { s, backend } = await backendScene({ tabs: 4 })
    const out = watch(s.tabs[0].session.signOut(), s.now)
    await s.advance(seconds(1))
    expect(out.result?.value).toEqual({ revoked: true })
    for (const tab of s.tabs) expect(s.earOf(tab).ended.map(({ reason }) => reason)).toEqual(['signed-out'])
    expect(backend.counted).toEqual({ asked: 1, logouts: 1, forged: 0 })
    const again = await s.tabs[1].reload() // and asks nobody: the end is known
    expect([again.session.state.status, backend.counted.asked]).toEqual(['signed-out', 1])
  })

  test('REQ-73: a sign-out while offline is one all the same', async () => {
    const { s, backend } = await backendScene()
    s.tabs[0].offline()
    const out = watch(s.tabs[0].session.signOut(), s.now)
    expect(s.tabs[0].session.state.status).toBe('signed-out')
    await s.advance(minutes(1))
    expect([out.result?.value, backend.counted.logouts]).toEqual([{ revoked: false }, 0])
    expect(storedIn(s)?.status).toBe('ended')
  })

  test('when nobody is signed in asks nobody, and gives what the last one came to', async () => {
    const { s, backend } = await backendScene()
    const { session } = s.tabs[0]
    expect((await settled(s, session.signOut())).value).toEqual({ revoked: true })
    expect((await settled(s, session.signOut())).value).toEqual({ revoked: true })
    expect(backend.counted.logouts).toBe(1)
  })

  test('F27, REQ-73: a sign-out before the backend could say who it is, ends the session that it has, here and in the other tabs', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    for (let asked = 0; asked < 40; asked++) backend.instead.push(async () => new Response('', { status: 503 }))
    const [here, there] = [s.world.openTab(), s.world.openTab()]
    const { value } = await settled(s, here.session.signOut())
    expect([value, backend.counted.logouts]).toEqual([{ revoked: true }, 1])
    expect(here.session.state).toEqual({ status: 'signed-out', reason: null })
    backend.instead.length = 0
    await s.advance(minutes(2))
    expect([here, there].map(({ session }) => session.state)).toEqual(Array(2).fill({ status: 'signed-out', reason: null }))
    const later = s.world.openTab()
    expect((await settled(s, later.session.ready)).value).toEqual({ status: 'signed-out', reason: null })
    expect(backend.counted.logouts).toBe(1)
  })

  test.each([8, 13])(
    'F66: an answer from before a sign-out, %i s late, brings nobody back, and what it has brought is given back',
    async (after) => {
      const { s, backend } = await backendScene({ tabs: 0 as 1 }, null)
      backend.instead.push(async () => {
        await pause(s, seconds(after))
        backend.user = 'ann' // by the cookie of that answer
        return Response.json({ expires_in: 300, sub: 'ann' })
      })
      const tab = s.world.openTab()
      await s.advance(seconds(2))
      void tab.session.signOut()
      await s.advance(seconds(30))
      expect(backend.user).toBeNull()
      const next = await tab.reload()
      await s.advance(seconds(5))
      expect(next.session.state.status).toBe('signed-out')
    },
  )

  test('F27: an answer that comes after its deadline is of use', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    backend.instead.push(async () => {
      await pause(s, seconds(12))
      return Response.json({ expires_in: 300, sub: 'ann' })
    })
    backend.instead.push(...Array.from({ length: 9 }, () => async () => Response.json({}, { status: 503 })))
    const tab = s.world.openTab()
    await s.advance(seconds(13))
    expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    expect(backend.counted.logouts).toBe(0)
  })

  test('F66: an answer from before a sign-out brings nobody back', async () => {
    const { s, backend } = await backendScene({ tabs: 2 })
    backend.instead.push(() => pause(s, seconds(3)).then(() => Response.json({ expires_in: 300, sub: 'bob' })))
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(seconds(1))
    await settled(s, s.tabs[1].session.signOut())
    await s.advance(minutes(1))
    expect(s.tabs.map(({ session }) => session.state.status)).toEqual(['signed-out', 'signed-out'])
    expect(storedIn(s)?.status).toBe('ended')
    expect(backend.counted.logouts).toBe(2) // the backend has gone on after the first
  })

  test('F84: a request that is held goes out when the same user is back', async () => {
    const { s, backend } = await backendScene({ session: { whenSignedOut: 'hold' } })
    backend.user = null
    await settled(s, s.tabs[0].session.refresh())
    const call = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(minutes(1))
    expect([call.result, backend.calls]).toEqual([null, []])
    backend.user = 'ann'
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(seconds(1))
    expect(call.result?.value).toBe(200)
  })

  test('F84: and not when somebody else is', async () => {
    const { s, backend } = await backendScene({ session: { whenSignedOut: 'hold' } })
    backend.user = null
    await settled(s, s.tabs[0].session.refresh())
    const call = watch(callFrom(s.tabs[0]), s.now)
    backend.user = 'bob'
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(seconds(1))
    expect([call.result?.code, backend.calls]).toEqual(['session_ended', []])
  })
})

describe('F10: a cookie that has become another user’s', () => {
  test('ends the session of the one before, user-changed, in every tab, and signs the other in, without telling the backend', async () => {
    const { s, backend } = await backendScene({ tabs: 3 })
    const before = s.tabs.map(({ session: { state } }) => state.status === 'signed-in' && state.sessionId)
    backend.user = 'bob' // who has signed in on a page of the backend
    await settled(
      s,
      s.tabs[0].session.refresh().catch(() => {}),
    )
    await s.advance(seconds(1))
    for (const tab of s.tabs) {
      const { ended, signedIn } = s.earOf(tab)
      expect(ended.map(({ reason, subject }) => [reason, subject])).toEqual([['user-changed', 'ann']])
      expect(signedIn.at(-1)).toMatchObject({ subject: 'bob' })
      expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
    }
    expect(s.tabs.map(({ session: { state } }) => state.status === 'signed-in' && state.sessionId)).not.toEqual(before)
    expect(backend.counted).toEqual({ asked: 2, logouts: 0, forged: 0 })
    expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
  })

  test('F40: nor is the one before back where the store takes the other one late', async () => {
    const { s, backend } = await backendScene({ tabs: 2 })
    const ear = s.earOf(s.tabs[0])
    backend.instead.push(async () => {
      let faults = 3
      s.browser.behaviour.storeFault = () => (faults-- > 0 ? 'fails' : 'none')
      return Response.json({ expires_in: 300, sub: 'bob' })
    })
    backend.user = 'bob'
    await settled(
      s,
      s.tabs[0].session.refresh().catch(() => {}),
    )
    await s.advance(seconds(40))
    for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect([ear.ended.map(({ subject }) => subject), ear.signedIn.map(({ subject }) => subject)]).toEqual([['ann'], ['bob']])
  })

  test('F10: a call that was made for the one before is answered to nobody', async () => {
    const { s, backend } = await backendScene()
    s.latency = () => seconds(1)
    const call = watch(callFrom(s.tabs[0]), s.now)
    s.latency = () => 0
    backend.user = 'bob'
    await settled(
      s,
      s.tabs[0].session.refresh().catch(() => {}),
    )
    await s.advance(seconds(5))
    expect(call.result).toMatchObject({ code: 'session_ended', error: { reason: 'user-changed' } })
  })

  test('is noticed where nobody was named before, too', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    backend.user = undefined
    const tab = s.world.openTab()
    const ear = listenTo(tab.session)
    expect((await settled(s, tab.session.ready)).value).toMatchObject({ status: 'signed-in', subject: null })
    await settled(s, tab.session.refresh())
    expect(ear.ended).toEqual([])
    backend.user = 'ann'
    await settled(
      s,
      tab.session.refresh().catch(() => {}),
    )
    expect(tab.session.state).toMatchObject({ subject: 'ann' })
    backend.user = undefined
    await settled(s, tab.session.refresh())
    expect(tab.session.state).toMatchObject({ subject: 'ann' }) // nothing said is nothing new
    expect(ear.ended.map(({ reason }) => reason)).toEqual(['user-changed'])
  })

  test.each([
    { name: 'in this tab', asker: 0 },
    { name: 'in another tab', asker: 1 },
  ])(
    'a login while an older question is on its way $name: refresh() asks again, for the older answer knows nothing of it',
    async ({ asker }) => {
      const { s, backend } = await backendScene({ tabs: 2 })
      const stale = () => pause(s, seconds(2)).then(() => Response.json({ expires_in: 300, sub: 'ann' }))
      backend.instead.push(stale)
      void s.tabs[asker]?.session.refresh().catch(() => {})
      await s.advance(seconds(1))
      backend.user = 'bob'
      await settled(
        s,
        s.tabs[0].session.refresh().catch(() => {}),
      )
      await s.advance(seconds(1))
      for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
      expect(backend.counted.asked).toBe(3)
    },
  )

  test.each([
    { name: 'in this tab', asker: 0 },
    { name: 'in another tab', asker: 1 },
  ])('a login while an older question is on its way $name, and is answered 401: whoever has logged in is signed in', async ({ asker }) => {
    const { s, backend } = await backendScene({ tabs: 2 })
    backend.instead.push(() => pause(s, seconds(2)).then(() => Response.json({}, { status: 401 })))
    void s.tabs[asker]?.session.refresh().catch(() => {})
    await s.advance(seconds(1))
    backend.user = 'bob'
    await settled(
      s,
      s.tabs[0].session.refresh().catch(() => {}),
    )
    await s.advance(seconds(1))
    for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
  })

  test('M12: a late answer for the one before takes nothing from the other: the cookie is theirs by now', async () => {
    const { s, backend } = await backendScene({ tabs: 2, session: { refreshTimeout: seconds(1) } })
    backend.instead.push(() => pause(s, seconds(20)).then(() => Response.json({ expires_in: 300, sub: 'ann' })))
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(300)
    backend.user = 'bob'
    await s.advance(minutes(1))
    for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect(backend.counted.logouts).toBe(0)
  })
})

test('REQ-01, REQ-76: there is no token: none to be had, and none in the record', async () => {
  const { s } = await backendScene()
  await expect(s.tabs[0].session.getToken()).rejects.toThrow(TypeError)
  expect(storedIn(s)).toMatchObject({ grant: { refreshToken: null, access: { '': { token: '' } } } })
})

test('REQ-16: what is not listed goes out as the caller made it', async () => {
  const { s, backend } = await backendScene()
  expect((await settled(s, s.tabs[0].session.fetch('https://server.test/other'))).value).toMatchObject({ status: 403 })
  expect((await settled(s, s.tabs[0].session.fetch(api))).value).toMatchObject({ status: 200 })
  expect(backend.counted.forged).toBe(1)
})

describe('REQ-108: time limits', () => {
  test('that the page sets end it in all tabs, once, and the backend is told', async () => {
    const { s, backend } = await backendScene({ tabs: 2, session: { limits: limits('aal3') } })
    const ears = s.tabs.map((tab) => s.earOf(tab))
    for (let minute = 0; minute < 60; minute++) {
      s.tabs[0].session.extend()
      await s.advance(minutes(1))
    }
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(minutes(16))
    for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    expect(ears.map(({ ended }) => ended.length)).toEqual([1, 1])
    expect(backend.counted.logouts).toBe(1)
  })

  test('that run out offline let nobody in again by the cookie', async () => {
    const { s } = await backendScene({ session: { limits: limits('aal3') } })
    s.tabs[0].offline()
    await s.advance(minutes(16))
    expect(s.tabs[0].session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    s.tabs[0].crash()
    const tab = s.world.openTab()
    await s.advance(seconds(5))
    expect(tab.session.state.status).toBe('signed-out')
  })
})
