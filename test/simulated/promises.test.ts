import { inspect } from 'node:util'
import type { RefreshFunction, Session } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { seal } from '../../src/core/secret.ts'
import {
  callFrom,
  hours,
  listenTo,
  minutes,
  pause,
  roughen,
  scene,
  scripted,
  seconds,
  seeds,
  settled,
  storedIn,
  tokens,
  watch,
} from './scene.ts'

// What the public surface promises, method by method, and the rows of its table of situations.

describe('ready', () => {
  test('F40: a store whose first read never comes back: settles within 2 s, sign-in works', async () => {
    const s = scene({ tabs: 0 as 1 })
    let reads = 0
    s.browser.behaviour.storeFault = () => (reads++ === 0 ? 'hangs' : 'none')
    const tab = s.world.openTab()
    const ready = await settled(s, tab.session.ready)
    expect(ready.value).toEqual({ status: 'signed-out', reason: null })
    expect(ready.took).toBeLessThanOrEqual(seconds(2))
    await settled(s, tab.session.signIn(s.server.grant()))
    expect((await settled(s, callFrom(tab))).value).toBe(200)
  })

  test('F40: a session that is read late, with nobody signed in meanwhile, is adopted; an older one over a sign-in is not', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'old' })
    const ways = [1, 3_000]
    s.browser.behaviour.storeDelay = () => ways.shift() ?? 1
    const late = s.world.openTab()
    await s.advance(2_500)
    expect(late.session.state.status).toBe('signed-out')
    await s.advance(seconds(1))
    expect(late.session.state).toMatchObject({ status: 'signed-in', subject: 'old' })

    ways.push(1, 3_000)
    const other = s.world.openTab()
    await s.advance(2_100)
    await settled(s, other.session.signIn(s.server.grant(), { subject: 'new' }))
    await s.advance(seconds(2))
    expect(other.session.state).toMatchObject({ subject: 'new' })
  })

  test.each(['', '{', 'undefined', 'null', '[]', '"x"', '{"v":99}', 'x'.repeat(1_000_000)])(
    'F43: a record that is none (%.12s): signed out, removed, and silent',
    async (text) => {
      const s = scene({ tabs: 0 as 1 })
      s.browser.records.set('latchkey:https://server.test', text)
      const tab = s.world.openTab()
      const ready = await settled(s, tab.session.ready)
      expect(ready.value).toEqual({ status: 'signed-out', reason: null })
      expect(ready.took).toBeLessThanOrEqual(100)
      await s.advance(10)
      expect(s.browser.records.size).toBe(0)
      expect(s.insideOf(tab).reported).toEqual([])
      await tab.session.signIn(s.server.grant())
      expect(storedIn(s)?.status).toBe('active')
    },
  )

  test('a record of a later version is left alone, and nothing is refreshed', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const [key, text] = [...s.browser.records][0]!
    s.browser.records.set(key, text.replace('"version":1', '"version":2'))
    const later = s.browser.records.get(key)
    const tab = s.world.openTab()
    await s.advance(minutes(10))
    expect(s.browser.records.get(key)).toBe(later)
    expect(s.server.presentations).toEqual([])
    expect(tab.session.state.status).toBe('signed-out')
  })

  test('F59: the stored refresh token is dead: created at once, signed out within the deadline, sign-in works at once', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].crash()
    s.server.revoke()
    await s.advance(hours(1))
    const tab = s.world.openTab()
    expect(tab.session.state.status).toBe('loading')
    await s.advance(seconds(1))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'rejected' })
    await tab.session.signIn(s.server.grant())
    expect((await settled(s, callFrom(tab))).value).toBe(200)
  })

  test('F42, REQ-132: a cold start after an eviction: signed out, no reason, no event', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].crash()
    s.browser.records.clear()
    const tab = s.world.openTab()
    const ear = listenTo(tab.session)
    await s.advance(seconds(5))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: null })
    expect(ear.ended).toEqual([])
  })
})

describe('subscribe, on', () => {
  test('the state is the same object until something changes, and frozen', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const { state } = s.tabs[0].session
    await s.advance(minutes(2))
    expect(s.tabs[0].session.state).toBe(state)
    expect(Object.isFrozen(state)).toBe(true)
    expect(JSON.stringify(state)).not.toMatch(/access-|refresh-/)
  })

  test('F58: an end is replayed to a late listener until somebody signs in; a sign-out is none that expired', async () => {
    const s = scene()
    const { session } = s.tabs[0]
    await session.signIn(s.server.grant())
    await settled(s, session.signOut())
    expect(listenTo(session)).toMatchObject({ ended: [{ reason: 'signed-out' }], expired: [] })
    await session.signIn(s.server.grant())
    s.server.revoke()
    await s.advance(minutes(6))
    expect(listenTo(session)).toMatchObject({ ended: [{ reason: 'rejected' }], expired: [{ reason: 'rejected' }] })
    await session.signIn(s.server.grant())
    expect(listenTo(session)).toMatchObject({ ended: [], expired: [] })
  })

  test('F58: a dead refresh token and thirty requests in each of four tabs: one request, one event per tab, 120 typed rejections', async () => {
    const s = scene({ tabs: 4 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.server.revoke()
    s.latency = () => 100
    const calls = s.tabs.flatMap((tab) => Array.from({ length: 30 }, () => watch(callFrom(tab), s.now)))
    await s.advance(seconds(1))
    expect(s.server.presentations).toHaveLength(1)
    expect(calls.map(({ result }) => result?.code)).toEqual(Array(120).fill('session_ended'))
    for (const tab of s.tabs) expect(s.earOf(tab).expired).toHaveLength(1)
    expect(s.server.calls).toEqual([])
  })

  test('F58: signed out with ten requests in flight: signed-out alone, nothing expired', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.latency = () => 500
    const calls = Array.from({ length: 10 }, () => watch(callFrom(s.tabs[0]), s.now))
    await s.advance(600)
    void s.tabs[0].session.signOut()
    await s.advance(seconds(3))
    expect(calls.map(({ result }) => result?.code)).toEqual(Array(10).fill('session_ended'))
    expect(s.earOf(s.tabs[0])).toMatchObject({ ended: [{ reason: 'signed-out' }], expired: [] })
  })
})

describe('signIn', () => {
  test('takes both spellings', async () => {
    const s = scene()
    const { access_token: accessToken, refresh_token: refreshToken = null, expires_in } = s.server.grant()
    await s.tabs[0].session.signIn({ accessToken, refreshToken, expiresIn: Number(expires_in) })
    expect(await s.tabs[0].session.getToken()).toBe(accessToken)
    await settled(s, s.tabs[0].session.refresh())
    expect(s.server.refreshes).toBe(1)
  })

  test.each([
    { name: 'after refreshes', before: 'refreshed', is: { status: 'signed-in', trouble: null } },
    { name: 'after a sign-out', before: 'signed out', is: { status: 'signed-out', reason: 'signed-out' } },
  ])('F72: nor is it once more in another session object, $name', async ({ before, is }) => {
    for (const loading of [true, false]) {
      const s = scene({ tabs: 2 })
      const [tab, other] = s.tabs
      const sealed = seal({}, { ...s.server.grant(), session: 'sealed' }) as Parameters<(typeof tab)['session']['signIn']>[0]
      await settled(s, tab.session.signIn(sealed))
      if (before === 'refreshed') for (let times = 0; times < 2; times++) await settled(s, tab.session.refresh())
      else await settled(s, tab.session.signOut())
      tab.session.close()
      const again = s.secondSession(tab)
      if (!loading) await settled(s, again.ready)
      await settled(s, again.signIn(sealed))
      await s.advance(minutes(10))
      expect(again.state).toMatchObject(is)
      expect(other.session.state).toMatchObject(is)
      expect(s.server.reused).toBe(0)
      expect(s.earOf(other).expired).toEqual([])
    }
  })

  test.each([true, false])('F72: nor while the first one’s refresh is on its way (closed: %s)', async (closes) => {
    const script = scripted()
    const s = scene({
      session: { attachTo: ['https://server.test', { url: 'https://files.test', resource: 'urn:files' }], refresh: script.refresher },
    })
    script.stage = s
    const [tab] = s.tabs
    const sealed = seal({}, { ...tokens('first'), session: 'sealed' }) as Parameters<(typeof tab)['session']['signIn']>[0]
    await settled(s, tab.session.signIn(sealed))
    script.answers.push({ after: 400, give: tokens('second') })
    const call = watch(tab.session.getToken({ resource: 'urn:files' }), s.now)
    await s.advance(100)
    if (closes) tab.session.close()
    const again = s.secondSession(tab)
    await settled(s, again.signIn(sealed))
    const other = watch(again.getToken({ resource: 'urn:files' }), s.now)
    await s.advance(seconds(30))
    expect(script.asked.map(({ token }) => token)).toEqual(['refresh-first'])
    expect([call.result?.value ?? call.result?.code, other.result?.value]).toEqual([closes ? 'closed' : 'access-second', 'access-second'])
  })

  test('the same sealed sign-in twice is once', async () => {
    const s = scene()
    const sealed = seal({}, { ...s.server.grant(), session: 'sealed' }) as Parameters<(typeof s.tabs)[0]['session']['signIn']>[0]
    await Promise.all([s.tabs[0].session.signIn(sealed), s.tabs[0].session.signIn(sealed)])
    await s.tabs[0].session.signIn(sealed)
    expect(s.earOf(s.tabs[0]).signedIn).toHaveLength(1)
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })

  test.each([
    [null, 'not an object'],
    [{}, 'access_token'],
    [{ access_token: 7 }, 'access_token'],
    [{ access_token: 'a', token_type: 'mac' }, 'token_type'],
    [{ access_token: 'a', refresh_token: 'with space' }, 'refresh_token'],
    [{ accessToken: 'a', expiresIn: {} }, 'expiresIn'],
  ])('rejects %j with a TypeError that names the field, and leaves the session as it was', async (input, name) => {
    const s = scene()
    const result = await settled(s, s.tabs[0].session.signIn(input as never))
    expect(result.error).toBeInstanceOf(TypeError)
    expect(String(result.error)).toContain(name)
    expect(String(result.error)).not.toContain('with space')
    expect(s.tabs[0].session.state.status).toBe('signed-out')
  })

  test('serves requests from the tick of the call, and resolves when the others can see it', async () => {
    const s = scene({ tabs: 2 })
    roughen(s, 1, { store: 200 })
    await s.advance(seconds(1))
    const signedIn = s.tabs[0].session.signIn(s.server.grant())
    const call = callFrom(s.tabs[0])
    expect((await settled(s, call, 50, 1)).value).toBe(200)
    await settled(s, signedIn)
    expect(storedIn(s)?.status).toBe('active')
  })

  test('is closed on a closed session', async () => {
    const s = scene()
    s.tabs[0].session.close()
    expect((await settled(s, s.tabs[0].session.signIn(s.server.grant()))).code).toBe('closed')
  })
})

describe('signOut', () => {
  test.each([
    { name: 'that confirms', answer: async () => {}, revoked: true },
    { name: 'that fails', answer: () => Promise.reject(new Error('no')), revoked: false },
    {
      name: 'whose strategy throws',
      answer: () => {
        throw new Error('no')
      },
      revoked: false,
    },
  ])(
    'REQ-11, REQ-63: is over here before it returns, erases the device, tells the waiters and the app, and then a server $name',
    async ({ answer, revoked }) => {
      const order: string[] = []
      const revoke = () => {
        order.push('revoked')
        return answer()
      }
      const script = scripted({ revoke })
      const s = scene({ session: { refresh: script.refresher } })
      script.stage = s
      const { session } = s.tabs[0]
      await session.signIn(tokens('one'))
      script.answers.push({ after: seconds(2), give: tokens('two') })
      session.refresh().catch(() => order.push('waiter'))
      await s.advance(100)
      const isErased = () => storedIn(s)?.status === 'ended' && !/(access|refresh)-one/.test([...s.browser.records.values()].join())
      session.onSessionEnded(() => order.push(isErased() ? 'announced' : 'announced too early'))
      const signedOut = session.signOut()
      expect(session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
      await expect(session.getToken()).rejects.toHaveProperty('code', 'signed_out')
      expect((await settled(s, signedOut)).value).toEqual({ revoked })
      expect(order).toEqual(['waiter', 'announced', 'revoked'])
    },
  )

  test('REQ-73: offline, and twice at the same time: neither throws, and it is told once', async () => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    for (const tab of s.tabs) tab.offline()
    const both = await settled(s, Promise.all(s.tabs.flatMap(({ session }) => [session.signOut(), session.signOut()])))
    expect(both.value).toEqual(Array(4).fill({ revoked: false }))
    await s.advance(minutes(1))
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toMatchObject([{ reason: 'signed-out' }])
  })

  test('REQ-73: twice is once; for nobody it confirms nothing; while loading it waits for who is there', async () => {
    const s = scene({ tabs: 2 })
    expect((await settled(s, s.tabs[0].session.signOut())).value).toEqual({ revoked: false })
    await s.tabs[0].session.signIn(s.server.grant())
    const results = await settled(s, Promise.all([s.tabs[0].session.signOut(), s.tabs[0].session.signOut()]))
    expect(results.value).toEqual([{ revoked: true }, { revoked: true }])
    expect(s.server.revocations).toBe(1)
    await s.tabs[0].session.signIn(s.server.grant())
    expect((await settled(s, s.world.openTab().session.signOut())).value).toEqual({ revoked: true })
    expect(s.tabs[0].session.state.status).toBe('signed-out')
  })

  test.each(['revoked', 'incident'] as const)('REQ-120: with reason %s reaches onSessionExpired too, in every tab', async (reason) => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(10)
    await settled(s, s.tabs[0].session.signOut({ reason }))
    for (const tab of s.tabs) expect(s.earOf(tab).expired).toMatchObject([{ reason }])
  })

  test('F67: five requests wait for a refresh: all are rejected at once, and none reaches the network', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.latency = () => 500
    const calls = Array.from({ length: 5 }, () => watch(callFrom(s.tabs[0]), s.now))
    await s.advance(100)
    void s.tabs[0].session.signOut()
    const token = await settled(s, s.tabs[0].session.getToken(), 50, 1)
    expect(token.code).toBe('signed_out')
    expect(calls.map(({ result }) => result?.code)).toEqual(Array(5).fill('session_ended'))
    await s.advance(seconds(5))
    expect(s.server.calls).toEqual([])
  })

  test.each(['granted', 'refused'])(
    'F66, REQ-55: a refresh in flight, sign-out, and another user, here and then elsewhere: late, it is %s, and changes nothing',
    async (late) => {
      for (const where of [0, 1] as const) {
        const script = scripted()
        const s = scene({ tabs: 2, session: { refresh: script.refresher } })
        script.stage = s
        await s.tabs[0].session.signIn(tokens('one'), { subject: 'one' })
        await s.advance(10)
        const refusal = Object.assign(new Error('no'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })
        script.answers.push({ after: seconds(2), give: late === 'granted' ? tokens('late') : refusal })
        void s.tabs[0].session.refresh().catch(() => {})
        await s.advance(500)
        void s.tabs[0].session.signOut()
        await s.advance(500)
        await s.tabs[where].session.signIn(tokens('two'), { subject: 'two' })
        const stored = storedIn(s)
        await s.advance(seconds(5))
        expect(storedIn(s)).toEqual(stored)
        expect(s.earOf(s.tabs[0]).refreshed).toEqual([])
        expect(script.revoked).toEqual(late === 'granted' ? ['refresh-one', 'refresh-late'] : ['refresh-one'])
      }
    },
  )
})

describe('refresh', () => {
  test('asks once for all callers and tabs, and what follows uses the new token', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(10)
    const before = await s.tabs[0].session.getToken()
    s.latency = () => 100
    await settled(s, Promise.all([s.tabs[0].session.refresh(), s.tabs[0].session.refresh(), s.tabs[1].session.refresh()]))
    expect(s.server.presentations).toHaveLength(1)
    expect(await s.tabs[1].session.getToken()).not.toBe(before)
  })

  test('F55: instead of a token that is no longer the session’s: nothing', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const first = await s.tabs[0].session.getToken()
    await settled(s, s.tabs[0].session.refresh({ insteadOf: first }))
    await settled(s, s.tabs[0].session.refresh({ insteadOf: first }))
    expect(s.server.presentations).toHaveLength(1)
  })

  test('a request that its caller has given up rejects with the reason of the signal, though nobody is signed in', async () => {
    const s = scene()
    const signal = AbortSignal.abort(new Error('enough'))
    const answers = [s.tabs[0].session.fetch('https://server.test/api', { signal })]
    await s.advance(seconds(1))
    answers.push(s.tabs[0].session.fetch('https://server.test/api', { signal }))
    for (const answer of answers) await expect(answer).rejects.toBe(signal.reason)
  })

  test('says why not: nobody there, closed, given up', async () => {
    const s = scene({ tabs: 2 })
    expect((await settled(s, s.tabs[0].session.refresh())).code).toBe('signed_out')
    await s.tabs[0].session.signIn(s.server.grant())
    const signal = AbortSignal.abort(new Error('enough'))
    expect((await settled(s, s.tabs[0].session.refresh({ signal }))).error).toBe(signal.reason)
    s.tabs[0].session.close()
    expect((await settled(s, s.tabs[0].session.refresh())).code).toBe('closed')
  })

  test('F52, REQ-53: a server that omits the refresh token gets the same one again, ten times', async () => {
    const s = scene({ rotation: 'static' })
    await s.tabs[0].session.signIn(s.server.grant())
    for (let times = 0; times < 10; times++) await settled(s, s.tabs[0].session.refresh())
    expect(new Set(s.server.presentations.map(({ token }) => token)).size).toBe(1)
    expect(s.server.refreshes).toBe(10)
    expect(storedIn(s)?.grant?.refreshToken).toBe(s.server.presentations[0]?.token)
  })
})

describe('getToken', () => {
  test('gives one that lasts as long as asked for, and no more than a token can', async () => {
    const s = scene({ session: { keepFresh: 'on-demand' } })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(180))
    expect((await settled(s, s.tabs[0].session.getToken({ minValidity: seconds(60) }))).value).toBeTruthy()
    expect(s.server.presentations).toHaveLength(0)
    await settled(s, s.tabs[0].session.getToken({ minValidity: seconds(140) }))
    expect(s.server.presentations).toHaveLength(1)
    await settled(s, s.tabs[0].session.getToken({ minValidity: hours(10) })) // half a life is what can be had
    expect(s.server.presentations).toHaveLength(1)
  })

  test('refuses a resource that no destination names', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    expect((await settled(s, s.tabs[0].session.getToken({ resource: 'https://other.test' }))).error).toBeInstanceOf(TypeError)
  })
})

describe('close', () => {
  test('F72, REQ-127: whoever waits hears it, the session stays for the others, and twice is once', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.latency = () => 200
    const call = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(10)
    s.tabs[0].session.close()
    s.tabs[0].session.close()
    await s.advance(1)
    expect(call.result?.code).toBe('closed')
    expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
    expect(s.server.presentations).toHaveLength(1)
  })

  test.each(seeds(40))('F70: at any moment of a refresh: the others go on, and nothing is presented twice (seed %i)', async (seed) => {
    const s = scene({ tabs: 2, seed })
    const random = roughen(s, seed, { store: 60 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    s.latency = () => random() * 200
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(random() * 500)
    s.tabs[0].session.close()
    const second = await settled(s, s.tabs[1].session.refresh())
    expect(second.code).toBeNull()
    await s.advance(minutes(10))
    expect(s.server.reused).toBe(0)
    expect(s.earOf(s.tabs[1]).ended).toEqual([])
  })
})

describe('where the server keeps the session in a cookie', () => {
  function cookieScene(tabs: 0 | 1 = 0) {
    const script = scripted({ presents: 'cookie' })
    const s = scene({ tabs: tabs as 1, session: { refresh: script.refresher } })
    script.stage = s
    return { script, s }
  }
  const nobody = () => Object.assign(new Error('nobody'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })
  const bare = (name: string) => tokens(name, { refresh_token: null })

  test('a start without a record asks the server once, for all tabs', async () => {
    const { script, s } = cookieScene()
    script.answers.push({ after: 300, give: bare('one') })
    const opened = [1, 2, 3, 4].map(() => s.world.openTab())
    const calls = opened.map(({ session }) => watch(session.getToken(), s.now))
    await s.advance(seconds(1))
    expect(script.asked).toHaveLength(1)
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(4).fill('access-one'))
    expect((await opened[0]!.session.ready).status).toBe('signed-in')
  })

  test('nobody there: signed out, and the next start finds out anew', async () => {
    const { script, s } = cookieScene()
    script.answers.push({ after: 300, give: nobody() })
    const tab = s.world.openTab()
    expect((await settled(s, tab.session.ready)).value).toEqual({ status: 'signed-out', reason: null })
    expect((await settled(s, tab.session.getToken())).code).toBe('signed_out')
    expect(script.asked).toHaveLength(1)
  })

  test('F27: a server that cannot say who is there is asked again; until it can, nobody is called signed out', async () => {
    const { script, s } = cookieScene()
    script.answers.push(...Array.from({ length: 3 }, () => ({ after: 100, give: new TypeError('Failed to fetch') })))
    const tab = s.world.openTab()
    await s.advance(200)
    expect(tab.session.state).toEqual({ status: 'loading' })
    expect((await settled(s, tab.session.getToken())).code).toBe('refresh_unavailable')
    const ready = await settled(s, tab.session.ready)
    expect(ready.value).toMatchObject({ status: 'signed-in' })
    expect(script.asked).toHaveLength(4)
    expect((await settled(s, tab.session.getToken())).value).toBe('access-given-1')
  })

  test('F30: a server that is down for half an hour is asked with growing pauses, and by nobody who is not looked at', async () => {
    const { script, s } = cookieScene()
    script.answers.push(...Array.from({ length: 500 }, () => ({ after: 100, give: new TypeError('Failed to fetch') })))
    const [shown, hidden] = [s.world.openTab(), s.world.openTab()]
    hidden.hide()
    await s.advance(minutes(30))
    expect(script.asked.length).toBeGreaterThan(25)
    expect(script.asked.length).toBeLessThanOrEqual(45)
    expect([shown, hidden].map(({ session }) => session.state.status)).toEqual(['loading', 'loading'])
    script.answers.length = 0
    shown.online()
    expect((await settled(s, shown.session.getToken())).code).toBeNull()
    await s.advance(seconds(1))
    expect(hidden.session.state.status).toBe('signed-in')
  })

  test('refresh() after a login that only set a cookie signs in, in all tabs', async () => {
    const { script, s } = cookieScene()
    script.answers.push({ after: 0, give: nobody() }, { after: 0, give: nobody() })
    const [a, b] = [s.world.openTab(), s.world.openTab()]
    await s.advance(seconds(1))
    script.answers.push({ after: 100, give: bare('one') })
    expect((await settled(s, a.session.refresh())).code).toBeNull()
    await s.advance(10)
    expect([a, b].map(({ session }) => session.state.status)).toEqual(['signed-in', 'signed-in'])
    await settled(s, a.session.signOut())
    script.answers.push({ after: 100, give: bare('two') })
    expect((await settled(s, b.session.refresh())).code).toBeNull()
    expect(a.session.state.status).toBe('signed-in')
  })

  test('renews with the cookie, without a token to present', async () => {
    const { script, s } = cookieScene()
    script.answers.push({ after: 0, give: bare('one') }, { after: 0, give: bare('two') })
    const tab = s.world.openTab()
    await s.advance(minutes(5))
    expect(script.asked.map(({ token }) => token)).toEqual([null, null])
    expect(await tab.session.getToken()).toBe('access-two')
  })
})

test('a strategy may be an object of a class: what its class does belongs to it', async () => {
  const revoked: (string | null)[] = []
  class Strategy {
    readonly id = 'classy'
    async refresh() {
      return tokens('next')
    }
    async revoke({ refreshToken }: { readonly refreshToken: string | null }) {
      revoked.push(refreshToken)
    }
  }
  const s = scene({ session: { refresh: new Strategy() } })
  await settled(s, s.tabs[0].session.signIn(tokens('first')))
  expect((await settled(s, s.tabs[0].session.signOut())).value).toEqual({ revoked: true })
  expect(revoked).toEqual(['refresh-first'])
})

describe('F56: a refresh function that calls the session it refreshes', () => {
  function nested(ask: (session: Session) => Promise<unknown>) {
    const script = scripted()
    let own: Session | null = null
    const refresh: RefreshFunction = (request) => ask(own as Session).then(() => script.refresher.refresh(request))
    const s = scene({ tabs: 1, session: { refresh } })
    script.stage = s
    own = s.tabs[0].session
    return { script, s, session: own }
  }

  test('its own request goes through, without a credential: no recursion, no deadlock', async () => {
    const { script, s, session } = nested((own) => own.fetch('https://server.test/auth/refresh', { method: 'POST' }))
    await settled(s, session.signIn(tokens('old', { expires_in: 1 })))
    await s.advance(seconds(30))
    s.tabs[0].hide()
    await s.advance(minutes(10))
    const before = script.asked.length
    const got = await settled(s, session.getToken())
    expect(got.code).toBeNull()
    expect(got.took).toBeLessThanOrEqual(seconds(1))
    expect(script.asked).toHaveLength(before + 1)
    expect(s.server.calls.filter(({ credential }) => credential !== 'none')).toEqual([])
  })

  test.each([
    { name: 'getToken', ask: (own: Session) => own.getToken() },
    { name: 'refresh', ask: (own: Session) => own.refresh() },
  ])('a token that it asks for is refused at once, with the reason ($name)', async ({ ask }) => {
    const { s, session } = nested(ask)
    await settled(s, session.signIn(tokens('old', { expires_in: 1 })))
    s.tabs[0].hide()
    await s.advance(minutes(10))
    const got = await settled(s, session.getToken())
    expect(got.error).toMatchObject({ code: 'refresh_unavailable' })
    expect(got.took).toBeLessThanOrEqual(seconds(1))
    expect(String((got.error as Error).cause)).toContain('refresh function')
  })
})

describe('session.fetch, situation by situation', () => {
  test('reading the store: waits; signed out: rejects, and nothing is sent', async () => {
    const s = scene({ tabs: 0 as 1 })
    s.browser.behaviour.storeDelay = () => 500
    const tab = s.world.openTab()
    const call = await settled(s, callFrom(tab))
    expect(call).toMatchObject({ code: 'signed_out' })
    expect(call.took).toBeGreaterThanOrEqual(1_000)
    expect(s.server.calls).toEqual([])
  })

  test("REQ-121: signed out, whenSignedOut 'send': goes without a credential, but never because a refresh failed", async () => {
    const s = scene({ session: { whenSignedOut: 'send' } })
    await s.advance(1)
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(401)
    expect(s.server.calls).toMatchObject([{ credential: 'none' }])
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.server.fail({ status: 503 })
    expect((await settled(s, callFrom(s.tabs[0]))).code).toBe('refresh_unavailable')
    expect(s.server.calls).toHaveLength(1)
  })

  test('token fresh, offline: the TypeError of fetch itself', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].offline()
    const call = await settled(s, callFrom(s.tabs[0]))
    expect(call.error).toBeInstanceOf(TypeError)
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: null })
  })

  test('REQ-121: token expired, server down: refresh_unavailable with retryAt and cause; signed in, in trouble; nothing sent', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.server.fail({ status: 503 }, 100)
    const call = await settled(s, callFrom(s.tabs[0]))
    expect(call.error).toMatchObject({
      code: 'refresh_unavailable',
      retryable: true,
      retryAt: expect.any(Number),
      cause: expect.any(Error),
    })
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: { retryAt: expect.any(Number) } })
    expect(s.server.calls).toEqual([])
  })

  test('REQ-121: what the server says when it fails is in no error: a code, a status, and what to do', async () => {
    const said = 'c4n4ry at /srv/app/refresh.ts:7'
    const s = scene({
      session: { refresh: async () => Response.json({ error: said, error_description: said }, { status: 500, statusText: said }) },
    })
    const { session } = s.tabs[0]
    await session.signIn(tokens('first'))
    s.tabs[0].hide()
    await s.advance(minutes(10))
    const errors = [(await settled(s, callFrom(s.tabs[0]))).error, (await settled(s, session.refresh())).error]
    if (session.state.status === 'signed-in') errors.push(session.state.trouble?.error)
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'refresh_unavailable', cause: { message: expect.stringContaining('status 500') } })
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('c4n4ry')
    }
    expect(errors).toHaveLength(3)
  })

  test('F53, F54, REQ-36: an API that always says 401: a hundred calls, at most two hundred requests, one refresh, the 401 is the caller’s', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.server.onRequest(() => Response.json({ why: 'it says so' }, { status: 401 }))
    const bodies = Promise.all(Array.from({ length: 100 }, () => s.tabs[0].session.fetch(`${s.server.origin}/me`).then((r) => r.json())))
    expect((await settled(s, bodies)).value).toEqual(Array(100).fill({ why: 'it says so' }))
    expect(s.server.calls.length).toBeLessThanOrEqual(200)
    expect(s.server.presentations).toHaveLength(1)
    expect(s.tabs[0].session.state.status).toBe('signed-in')
    for (let call = 0; call < 100; call++) {
      await settled(s, callFrom(s.tabs[0]))
      await s.advance(seconds(3)) // twenty a minute
    }
    expect(s.server.presentations.length).toBeLessThanOrEqual(1 + 10) // one in thirty seconds at most
  })

  test('F55, REQ-36: twenty requests in flight with the same token, their 401s five seconds apart: one refresh, and each is sent once more', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const first = await s.tabs[0].session.getToken()
    let answered = 0
    s.server.onRequest(async (request) => {
      if (request.headers.get('Authorization') !== `Bearer ${first}`) return Response.json({}, { status: 200 })
      await pause(s, answered++ * 250)
      return Response.json({}, { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } })
    })
    const calls = Array.from({ length: 20 }, () => watch(callFrom(s.tabs[0]), s.now))
    await s.advance(seconds(6))
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(20).fill(200))
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.calls).toHaveLength(40)
  })

  test('the session ends while a request runs: session_ended, with the reason', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.latency = () => 500
    const running = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(600)
    void s.tabs[0].session.signOut({ reason: 'incident' })
    await s.advance(seconds(2))
    expect(running.result).toMatchObject({ code: 'session_ended', error: { reason: 'incident' } })
  })
})
