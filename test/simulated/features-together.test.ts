import type { SessionOptions, SignInInput, StepUpChallenge } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { backendScene } from './backend.ts'
import { minutes, pause, type Scene, scene, scripted, seconds, settled, storedIn, tokens, watch } from './scene.ts'

// Where step-up, several APIs, held requests and retried revocations meet one another, and other tabs.

const shop = 'https://server.test'
const demand = 'Bearer error="insufficient_user_authentication"'

/** As a provider that nobody asks for its signature. */
const idToken = (sub: string) => `e30.${btoa(JSON.stringify({ sub }))}.x`

/** Ann is signed in, in all tabs, at an API that wants a stronger sign-in; `answer` is what each app brings. */
async function demanding<const Tabs extends number>(
  tabs: Tabs,
  answer: (asked: StepUpChallenge) => Promise<SignInInput | null>,
  session: Partial<SessionOptions> = {},
) {
  const strong = new Set<string>()
  const received: string[] = []
  const s: Scene<Tabs> = scene({ tabs, session: { attachTo: [shop], onStepUp: answer, ...session } })
  s.server.onRequest(async ({ headers }) => {
    const token = headers.get('Authorization') ?? ''
    received.push(token)
    return strong.has(token) ? new Response('welcome') : new Response(null, { status: 401, headers: { 'WWW-Authenticate': demand } })
  })
  const signInOf = (sub: string) => ({ ...s.server.grant(), id_token: idToken(sub) })
  const stronger = (sub = 'ann') => {
    const grant = signInOf(sub)
    strong.add(`Bearer ${grant.access_token}`)
    return grant
  }
  await settled(s, (s.tabs as readonly Scene<1>['tabs'][0][])[0]!.session.signIn(signInOf('ann')))
  await s.advance(seconds(1))
  return { s, received, stronger, signInOf }
}

const unanswered = () => new Promise<never>(() => {})

describe('F10: somebody else was here, and this tab has not heard of it', () => {
  test('what waits for an answer of the former user is not held for that other one', async () => {
    const { s, received, stronger } = await demanding(2, unanswered, { whenSignedOut: 'hold' })
    const [here, there] = s.tabs.map(({ session }) => session) as [Scene<2>['tabs'][0]['session'], Scene<2>['tabs'][0]['session']]
    const waiting = watch(here.fetch(shop, { method: 'POST', body: "Ann's letter" }), s.now)
    await s.advance(seconds(1))
    s.browser.behaviour.loses = () => true
    await settled(s, there.signIn(stronger('bob')))
    await settled(s, there.signOut({ reason: 'revoked' }))
    s.browser.behaviour.loses = () => false
    await s.advance(minutes(1))
    expect(here.state).toEqual({ status: 'signed-out', reason: 'revoked' })
    expect(waiting.result).toMatchObject({ code: 'session_ended', error: { reason: 'user-changed' } })
    await settled(s, there.signIn(stronger('bob')))
    await s.advance(seconds(5))
    expect(received).toHaveLength(1)
  })

  test('nor is what waits for a refresh', async () => {
    const s = scene({ tabs: 2, session: { whenSignedOut: 'hold', keepFresh: 'on-demand' } })
    const received: string[] = []
    s.server.onRequest(async (request) => {
      received.push(await request.text())
      return new Response()
    })
    const [here, there] = s.tabs
    await settled(s, here.session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(seconds(1))
    here.freeze()
    await settled(s, there.session.signIn(s.server.grant(), { subject: 'bob' }))
    await settled(s, there.session.signOut({ reason: 'revoked' }))
    const letter = watch(here.session.fetch(shop, { method: 'POST', body: "Ann's letter" }), s.now) // its page has not been told yet
    here.thaw()
    await s.advance(seconds(5))
    expect(letter.result).toMatchObject({ code: 'session_ended' })
    await settled(s, there.session.signIn(s.server.grant(), { subject: 'bob' }))
    await s.advance(seconds(5))
    expect(received).toEqual([])
  })
})

describe('protocol, rule 10: what the app brings for a step-up is judged by what there is, not by what this tab has heard', () => {
  test.each(['no message has come', 'the tab has slept'])(
    'the user has signed out elsewhere, and %s: nobody is signed in by it',
    async (how) => {
      let bring = (_: SignInInput) => {}
      const { s, stronger } = await demanding(2, () => new Promise<SignInInput>((resolve) => (bring = resolve)))
      const [here, there] = s.tabs
      const waiting = watch(here.session.fetch(shop), s.now)
      await s.advance(seconds(1))
      if (how === 'the tab has slept') here.freeze()
      else s.browser.behaviour.loses = () => true
      await settled(s, there.session.signOut())
      if (how === 'the tab has slept') {
        s.insideOf(here).deliver(() => bring(stronger()))
        await s.advance(minutes(5))
        here.thaw()
      } else bring(stronger())
      await s.advance(seconds(5))
      expect(storedIn(s)?.status).toBe('ended')
      expect(waiting.result).toMatchObject({ code: 'session_ended', error: { reason: 'signed-out' } })
      for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    },
  )

  test('somebody else has signed in elsewhere: they stay', async () => {
    let bring = (_: SignInInput) => {}
    const { s, stronger, signInOf } = await demanding(2, () => new Promise<SignInInput>((resolve) => (bring = resolve)))
    const [here, there] = s.tabs
    const waiting = watch(here.session.fetch(shop), s.now)
    await s.advance(seconds(1))
    s.browser.behaviour.loses = () => true
    await settled(s, there.session.signIn(signInOf('bob')))
    bring(stronger())
    await s.advance(seconds(5))
    expect(waiting.result).toMatchObject({ code: 'session_ended', error: { reason: 'user-changed' } })
    for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
  })
})

test('F55: generations of two sessions are not compared: a late 401 is answered with the token of the same user’s new sign-in', async () => {
  const { s, stronger } = await demanding(2, unanswered)
  const [behind, ahead] = s.tabs
  s.browser.behaviour.loses = () => true
  for (let count = 0; count < 3; count++) await settled(s, ahead.session.refresh())
  s.latency = () => seconds(5)
  const late = watch(
    ahead.session.fetch(shop).then(({ status }) => status),
    s.now,
  )
  await s.advance(1)
  s.latency = () => 0
  s.browser.behaviour.loses = () => false
  await settled(s, behind.session.signIn(stronger()))
  await s.advance(seconds(10))
  expect([late.result?.value, s.server.refreshes]).toEqual([200, 3])
})

describe('REQ-25: a denial', () => {
  const attachTo = [shop, { url: 'https://mail.test', resource: 'urn:mail' }]
  const mail = { resource: 'urn:mail' }

  test('of the session before is no word about this one', async () => {
    const script = scripted()
    const s = scene({ session: { attachTo, refresh: script.refresher } })
    script.stage = s
    const { session } = s.tabs[0]
    await settled(s, session.signIn(tokens('one'), { subject: 'ann' }))
    const { LatchkeyError } = await import('latchkey')
    script.answers.push({ after: seconds(1), give: new LatchkeyError('refresh_unavailable', 'consent_required') })
    const before = watch(session.getToken(mail), s.now)
    await s.advance(500)
    await settled(s, session.signIn(tokens('two'), { subject: 'ann' })) // and has consented
    await s.advance(seconds(1))
    expect(before.result?.code).toBeNull() // it is the same user's
    expect((await settled(s, session.getToken(mail))).code).toBeNull()
  })

  test('F54: of an API that goes on refusing its token keeps no other API from a new one', async () => {
    const revoked = new Set<string | null>()
    const { LatchkeyError } = await import('latchkey')
    let isDenied = false
    let count = 0
    const s = scene({
      session: {
        attachTo,
        refresh: {
          id: 'provider',
          async refresh({ resource }) {
            if (resource && isDenied) throw new LatchkeyError('refresh_unavailable', 'invalid_target')
            return { access_token: `access-${++count}`, refresh_token: `refresh-${count}`, expires_in: 3_600 }
          },
        },
      },
    })
    const invalid = () => new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } })
    s.server.onRequest(({ headers, url }) =>
      url.includes('mail') || revoked.has(headers.get('Authorization')) ? invalid() : new Response(),
    )
    const { session } = s.tabs[0]
    await settled(s, session.signIn({ access_token: 'first', refresh_token: 'refresh-0', expires_in: 3_600 }))
    await settled(s, session.fetch('https://mail.test'))
    isDenied = true
    revoked.add('Bearer first')
    const statuses: number[] = []
    for (let calls = 0; calls < 20; calls++) {
      await settled(s, session.fetch('https://mail.test'))
      statuses.push(((await settled(s, session.fetch(shop))).value as Response).status)
      await s.advance(seconds(3))
    }
    expect(statuses).toEqual(Array(20).fill(200))
  })
})

test('REQ-102: the same user’s step-up in another tab, of which this one has not heard, cuts nothing off: what the replaced token is refused for goes out with the new one', async () => {
  const { s, stronger } = await demanding(2, unanswered)
  const [here, there] = s.tabs
  s.server.onRequest(({ headers }) =>
    headers.get('Authorization')?.slice(7) === fresh.access_token
      ? new Response('welcome')
      : new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } }),
  )
  s.browser.behaviour.loses = () => true
  const fresh = stronger()
  await settled(s, there.session.signIn(fresh))
  const call = await settled(
    s,
    here.session.fetch(shop).then(({ status }) => status),
  )
  expect([call.value, call.code, s.server.refreshes]).toEqual([200, null, 0])
  expect(s.earOf(here).ended).toEqual([])
})

describe('REQ-62: a cookie is cleared only by who knows that nobody has signed in since', () => {
  test.each(['somebody', 'nobody'])('%s has, and the store cannot be read when the network is back', async (who) => {
    const { s, backend } = await backendScene({ tabs: 2 })
    const [here, there] = s.tabs
    here.offline()
    await settled(s, here.session.signOut())
    s.browser.behaviour.loses = () => true
    if (who === 'somebody') await settled(s, there.session.refresh()) // after a login in that tab
    s.browser.behaviour.storeFault = () => 'fails'
    here.online()
    await s.advance(seconds(1))
    expect([backend.user, backend.counted.logouts]).toEqual(['ann', 0])
    s.browser.behaviour.storeFault = () => 'none'
    await s.advance(minutes(30))
    expect([backend.user, backend.counted.logouts]).toEqual(who === 'somebody' ? ['ann', 0] : [null, 1])
  })

  test('the server is being asked who is signed in now', async () => {
    const cookie = { of: 'ann' as string | null }
    const logouts: number[] = []
    const { s } = await backendScene()
    const { session } = s.tabs[0]
    s.server.onRequest(async ({ url }) => {
      if (url.endsWith('/logout')) {
        if (logouts.push(s.now()) === 1) return new Response(null, { status: 503, headers: { 'Retry-After': '5' } })
        cookie.of = null
        return new Response(null, { status: 204 })
      }
      const { of } = cookie
      await pause(s, seconds(3))
      return of ? Response.json({ expires_in: 300, sub: of }) : new Response(null, { status: 401 })
    })
    void session.signOut()
    await s.advance(seconds(4))
    cookie.of = 'bob' // whose login only set that cookie
    await settled(s, session.refresh())
    await s.advance(minutes(30))
    expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect([cookie.of, logouts.length]).toEqual(['bob', 1])
  })
})
