import type { Diagnostic, TokenResponse } from 'latchkey'
import { oauthRefresh } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import { backendScene } from './backend.ts'
import { hours, minutes, pause, scene, scripted, seconds, settled, tokens, watch } from './scene.ts'

const origin = 'https://server.test'

const refresh = oauthRefresh({ tokenEndpoint: `${origin}/as/token`, clientId: 'spa', revocationEndpoint: `${origin}/as/revoke` })

const unavailable = (retryAfter?: number) =>
  new Response('', { status: 503, headers: retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) } })

/** Signed in at a server that answers revocations as `answers` has it, one by one; with nothing left there it revokes. */
async function stage(...answers: (() => Response | Promise<Response>)[]) {
  const s = scene({ tabs: 2, session: { attachTo: [`${origin}/api`], refresh } })
  const asked: { readonly at: number; readonly token: string | null }[] = []
  s.server.onRequest(async (request) => {
    if (!request.url.endsWith('/as/revoke')) return Response.json({ ...tokens(`next-${s.now()}`) })
    asked.push({ at: s.now(), token: new URLSearchParams(await request.text()).get('token') })
    return answers.shift()?.() ?? new Response()
  })
  const diagnostics: Diagnostic[] = []
  s.tabs[0].session.on('diagnostic', (event) => diagnostics.push(event))
  await settled(s, s.tabs[0].session.signIn(tokens('one')))
  return {
    s,
    session: s.tabs[0].session,
    asked,
    told: () => diagnostics.filter(({ type }) => type === 'revocation').map(({ detail }) => detail.confirmed),
    pauses: () => asked.slice(1).map(({ at }, index) => at - asked[index]!.at),
  }
}

/** As often as it takes. */
const always = (answer: () => Response | Promise<Response>) => Array.from({ length: 99 }, () => answer)

describe('REQ-62: a revocation that is answered 503', () => {
  test('has not happened: it is tried again as late as the server asks, and over here all the same', async () => {
    const { s, session, asked, told, pauses } = await stage(() => unavailable(3))
    const signedOut = session.signOut()
    expect(session.state.status).toBe('signed-out')
    await s.advance(seconds(2))
    expect(s.tabs[1].session.state.status).toBe('signed-out')
    expect([asked.length, told()]).toEqual([1, [false]])
    expect((await settled(s, signedOut)).value).toEqual({ revoked: true })
    expect(pauses()).toEqual([expect.toSatisfy((pause: number) => pause >= 3_000)])
    expect(asked.map(({ token }) => token)).toEqual(['refresh-one', 'refresh-one'])
    expect(told()).toEqual([false, true])
  })

  test('for longer than ten seconds: the promise says `revoked: false`, and the page goes on asking', async () => {
    const { s, session, asked, told } = await stage(() => unavailable(60))
    const { value, took } = await settled(s, session.signOut())
    expect(value).toEqual({ revoked: false })
    expect(took).toBeLessThanOrEqual(seconds(10))
    await s.advance(minutes(2))
    expect([asked.length, told()]).toEqual([2, [false, true]])
  })

  test('for good is asked a dozen times, with pauses that grow to ten minutes, and then no more', async () => {
    const { s, session, asked, pauses } = await stage(...always(() => unavailable(0)))
    void session.signOut()
    await s.advance(hours(3))
    expect(asked).toHaveLength(12)
    for (const [index, pause] of pauses().entries()) expect(pause).toBeGreaterThanOrEqual(Math.min(600_000, 1_000 * 2 ** index))
    expect(Math.max(...pauses())).toBeLessThanOrEqual(minutes(10) + seconds(1))
  })

  test('REQ-128: by a server that asks for a year waits ten minutes', async () => {
    const { s, session, pauses } = await stage(() => unavailable(31_536_000))
    void session.signOut()
    await s.advance(hours(3))
    expect(pauses()).toEqual([expect.toSatisfy((pause: number) => pause <= minutes(10) + seconds(1))])
  })

  test.each([429, 500, 502, 504])('and so with %i', async (status) => {
    const { s, session } = await stage(() => new Response('', { status }))
    expect((await settled(s, session.signOut())).value).toEqual({ revoked: true })
  })

  test.each([400, 401, 403, 404])('but %i is the last word: the server will not say otherwise in a minute', async (status) => {
    const { s, session, asked } = await stage(() => Response.json({ error: 'invalid_client' }, { status }))
    const { value, took } = await settled(s, session.signOut())
    expect(value).toEqual({ revoked: false })
    expect(took).toBeLessThan(seconds(1))
    await s.advance(hours(1))
    expect(asked).toHaveLength(1)
  })

  test('is not asked for again once the session object is closed', async () => {
    const { s, session, asked } = await stage(...always(unavailable))
    const signedOut = watch(session.signOut(), s.now)
    await s.advance(100)
    session.close()
    await s.advance(1)
    expect(signedOut.result?.value).toEqual({ revoked: false })
    await s.advance(hours(1))
    expect(asked).toHaveLength(1)
  })

  test('nor when it was closed while the page was on its way out', async () => {
    const { s, session, asked } = await stage(...always(unavailable))
    const signedOut = watch(session.signOut(), s.now)
    await s.advance(100)
    s.insideOf(s.tabs[0]).signal('frozen')
    session.close()
    await s.advance(1)
    expect(signedOut.result?.value).toEqual({ revoked: false })
    expect(asked).toHaveLength(1)
  })

  test('is the same for what comes too late to be kept', async () => {
    const script = scripted()
    const failures = [unavailable(), unavailable()]
    const s = scene({
      session: {
        refresh: {
          ...script.refresher,
          async revoke({ refreshToken }) {
            const failure = refreshToken === 'refresh-late' ? failures.pop() : null
            if (failure) throw failure
            script.revoked.push(refreshToken)
          },
        },
      },
    })
    script.stage = s
    const { session } = s.tabs[0]
    await settled(s, session.signIn(tokens('one')))
    script.answers.push({ after: seconds(1), give: tokens('late') })
    void session.refresh().catch(() => {})
    await s.advance(100)
    await settled(s, session.signOut())
    await s.advance(minutes(1))
    expect([script.revoked, failures]).toEqual([['refresh-one', 'refresh-late'], []])
  })
})

describe('F36, REQ-62: a sign-out without a network', () => {
  test('is made good in the second in which the network is back, however long the pause has grown', async () => {
    const { s, session, asked } = await stage()
    s.tabs[0].offline()
    const { value, took } = await settled(s, session.signOut())
    expect(value).toEqual({ revoked: false })
    expect(took).toBeLessThanOrEqual(seconds(10))
    await s.advance(minutes(15))
    expect(asked).toEqual([])
    s.tabs[0].online()
    await s.advance(seconds(1))
    expect(asked.map(({ token }) => token)).toEqual(['refresh-one'])
    expect(session.state.status).toBe('signed-out')
  })

  test('that comes and goes for ten minutes uses up no tries: it is made good when it stays', async () => {
    const { s, session, asked } = await stage()
    s.tabs[0].offline()
    void session.signOut()
    for (let flaps = 0; flaps < 60; flaps++) {
      await s.advance(seconds(10))
      s.insideOf(s.tabs[0]).signal('online') // says the browser; nothing gets through
    }
    expect(asked).toEqual([])
    await s.advance(seconds(10))
    s.tabs[0].online()
    await s.advance(seconds(1))
    expect(asked.map(({ token }) => token)).toEqual(['refresh-one'])
  })

  test('but a wait that the server has asked for is kept to', async () => {
    const { s, session, asked } = await stage(() => unavailable(120))
    void session.signOut()
    await s.advance(seconds(10))
    s.tabs[0].offline()
    await s.advance(seconds(10))
    s.tabs[0].online()
    await s.advance(seconds(90))
    expect(asked).toHaveLength(1)
    await s.advance(seconds(20))
    expect(asked).toHaveLength(2)
  })

  test('in a page that sleeps meanwhile: once it is awake', async () => {
    const { s, session, asked } = await stage()
    s.tabs[0].offline()
    void session.signOut()
    await s.advance(seconds(20))
    s.tabs[0].freeze()
    await s.advance(hours(5))
    s.tabs[0].thaw()
    s.tabs[0].online()
    await s.advance(seconds(1))
    expect(asked).toHaveLength(1)
  })
})

test('REQ-130: a sign-out whose revocation is never answered is done after ten seconds', async () => {
  const { s, session } = await stage(() => new Promise(() => {}))
  const { value, took } = await settled(s, session.signOut())
  expect(value).toEqual({ revoked: false })
  expect(took).toBeLessThanOrEqual(seconds(10))
})

describe('REQ-62: whoever signs in meanwhile is not disturbed', () => {
  test.each(['this', 'another'])('in %s tab: the old token is revoked, the new one is not', async (where) => {
    const { s, session, asked } = await stage(() => unavailable(30))
    void session.signOut()
    await s.advance(seconds(5))
    const tab = s.tabs[where === 'this' ? 0 : 1]
    await settled(s, tab.session.signIn(tokens('two')))
    await s.advance(minutes(2))
    expect(asked.map(({ token }) => token)).toEqual(['refresh-one', 'refresh-one'])
    for (const { session: each } of s.tabs) expect(each.state.status).toBe('signed-in')
  })

  test.each(['this', 'another'])(
    'in %s tab, and is the same user: what they had is left alone, for all of it may be one (RFC 7009 §2.1)',
    async (where) => {
      const { s, session, asked } = await stage(
        () => new Response(),
        () => unavailable(30),
      )
      await settled(s, session.signIn(tokens('two'), { subject: 'ann' })) // nobody knows whose the first one was
      void session.signOut()
      await s.advance(seconds(5))
      const tab = s.tabs[where === 'this' ? 0 : 1]
      for (const name of ['three', 'four']) await settled(s, tab.session.signIn(tokens(name), { subject: 'ann' }))
      await s.advance(minutes(2))
      await settled(s, tab.session.signIn(tokens('five'), { subject: 'bob' }))
      await s.advance(minutes(2))
      expect(asked.map(({ token }) => token)).toEqual(['refresh-one', 'refresh-two', 'refresh-four'])
    },
  )

  test.each(['this', 'another'])('in %s tab, and is given the same refresh token: it is kept', async (where) => {
    const { s, session, asked } = await stage(() => unavailable(30))
    void session.signOut()
    await s.advance(seconds(5))
    const tab = s.tabs[where === 'this' ? 0 : 1]
    const again: TokenResponse = { ...tokens('two'), refresh_token: 'refresh-one' }
    await settled(s, tab.session.signIn(again))
    await s.advance(minutes(2))
    expect(asked).toHaveLength(1)
    expect(session.state.status).toBe('signed-in')
  })

  test('a cookie that a login has set since is not cleared, though no message told this tab of it', async () => {
    const { s, backend } = await backendScene({ tabs: 2 })
    const tries = s.tabs.map((tab) => tab.session)
    s.tabs[0].offline()
    await settled(s, tries[0]!.signOut())
    expect(backend.counted.logouts).toBe(0)
    s.browser.behaviour.loses = () => true
    await settled(s, tries[1]!.refresh()) // after a login in that tab
    s.tabs[0].online()
    await s.advance(minutes(30))
    expect([backend.user, backend.counted.logouts]).toEqual(['ann', 0])
    expect(tries[1]!.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
  })

  test('the cookie of whoever signed out is cleared when the network is back', async () => {
    const { s, backend } = await backendScene()
    s.tabs[0].offline()
    await settled(s, s.tabs[0].session.signOut())
    s.tabs[0].online()
    await s.advance(seconds(1))
    expect([backend.user, backend.counted.logouts]).toEqual([null, 1])
  })
})

test('REQ-63: a revocation that takes its time holds nothing up: who signs in at once has a session at once', async () => {
  const { s, session, asked } = await stage(() => pause(s, seconds(8)).then(() => new Response()))
  const signedOut = watch(session.signOut(), s.now)
  await s.advance(10)
  await settled(s, session.signIn(tokens('two')))
  expect([session.state.status, signedOut.result]).toEqual(['signed-in', null])
  await s.advance(seconds(10))
  expect(signedOut.result?.value).toEqual({ revoked: true })
  expect(asked.map(({ token }) => token)).toEqual(['refresh-one'])
})
