import { isLatchkeyError, LatchkeyError, type Session, type SessionOptions, type SignInInput, type StepUpChallenge } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { hours, minutes, pause, type Scene, scene, seconds, settled, storedIn, until, watch } from './scene.ts'

// An API demands a stronger or fresher sign-in (RFC 9470), and the app asks the user for it.

const demand = 'Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age="300", scope="payments"'
const shop = 'https://server.test'
const bank = 'https://bank.test'

/** As a provider that nobody asks for its signature. */
const idToken = (sub: string) => `e30.${btoa(JSON.stringify({ sub }))}.x`

interface Staged extends Scene<number> {
  /** What the app was asked. */
  readonly asked: StepUpChallenge[]
  /** Tokens of a stronger sign-in, with which the APIs are content. */
  readonly stronger: (sub?: string) => SignInInput
  /** What came to the APIs, and whether they were content. */
  readonly received: { readonly url: string; readonly body: string; readonly isContent: boolean }[]
  readonly session: Session
}

interface Options {
  readonly answer: (s: Staged, challenge: StepUpChallenge) => Promise<SignInInput | null>
  readonly tabs?: number
  readonly challenge?: (url: string) => string
  readonly session?: Partial<SessionOptions>
  /** An API that is content with nothing. */
  readonly insatiable?: string
}

/** Ann is signed in, at two APIs that want more. */
async function stage({ answer, tabs = 1, challenge = () => demand, session = {}, insatiable = 'none' }: Options): Promise<Staged> {
  const strong = new Set<string>()
  const asked: StepUpChallenge[] = []
  const received: Staged['received'] = []
  const s: Scene<number> = scene<number>({
    tabs,
    session: {
      attachTo: [shop, bank],
      onStepUp(demanded) {
        asked.push(demanded)
        return answer(staged, demanded)
      },
      ...session,
    },
  })
  s.server.onRequest(async (request) => {
    const isContent = strong.has(request.headers.get('Authorization') ?? '') && !request.url.startsWith(insatiable)
    received.push({ url: request.url, body: await request.text(), isContent })
    return isContent
      ? new Response('welcome')
      : new Response('not like this', { status: 401, headers: { 'WWW-Authenticate': challenge(request.url) } })
  })
  const staged: Staged = Object.assign(s, {
    asked,
    received,
    session: s.tabs[0]!.session,
    stronger(sub = 'ann') {
      const grant = s.server.grant()
      strong.add(`Bearer ${grant.access_token}`)
      return { ...grant, id_token: idToken(sub) }
    },
  })
  await settled(s, staged.session.signIn({ ...s.server.grant(), id_token: idToken('ann') }))
  await s.advance(seconds(1))
  return staged
}

const call = ({ session }: { readonly session: Session }, path = '/me', init?: RequestInit, origin = shop) =>
  session.fetch(origin + path, init).then(async (response) => `${response.status} ${await response.text()}`)

const sessionIdOf = ({ state }: Session) => (state.status === 'signed-in' ? state.sessionId : null)

describe('REQ-100: the app is asked, and the request goes out once more', () => {
  test('with what the API has said, in ms; nothing is refreshed, and the session is the same user’s', async () => {
    const s = await stage({ answer: async ({ stronger }) => stronger() })
    const before = sessionIdOf(s.session)
    expect((await settled(s, call(s, '/pay', { method: 'POST', body: 'ten' }))).value).toBe('200 welcome')
    expect(s.asked).toEqual([{ origin: shop, acrValues: ['gold', 'silver'], maxAge: 300_000, scope: 'payments' }])
    expect(s.received.map(({ body, isContent }) => `${body} ${isContent}`)).toEqual(['ten false', 'ten true'])
    expect(s.server.presentations).toEqual([])
    expect(s.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    expect(sessionIdOf(s.session)).not.toBe(before) // another sign-in
    expect(s.earOf(s.tabs[0]!).ended).toEqual([])
    expect((await settled(s, call(s))).value).toBe('200 welcome')
    expect(s.asked).toHaveLength(1)
  })

  test('REQ-102: the tokens are those of all tabs; the replaced ones are left to the server, which may revoke all that the user has', async () => {
    const s = await stage({ tabs: 3, answer: async ({ stronger }) => stronger() })
    await settled(s, call(s))
    await s.advance(seconds(1))
    for (const tab of s.tabs) expect((await settled(s, call(tab))).value).toBe('200 welcome')
    expect(s.asked).toHaveLength(1)
    expect(s.tabs.map(({ session }) => sessionIdOf(session))).toEqual(Array(3).fill(sessionIdOf(s.session)))
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toEqual([])
    expect([s.server.revocations, s.server.live.length]).toEqual([0, 2])
  })

  test('a request without one is not asked about, and a demand under DPoP is one as well', async () => {
    const s = await stage({ challenge: () => demand.replace('Bearer', 'DPoP algs="ES256",'), answer: async ({ stronger }) => stronger() })
    expect((await settled(s, call(s))).value).toBe('200 welcome')
  })

  test('what can be sent once only is the caller’s 401, and the user is asked all the same: the next one goes through', async () => {
    const s = await stage({ answer: async ({ stronger }) => stronger() })
    const body = new Blob(['once']).stream()
    const stream = { method: 'POST', body, duplex: 'half' } as RequestInit
    expect((await settled(s, call(s, '/pay', stream))).value).toBe('401 not like this')
    expect((await settled(s, call(s))).value).toBe('200 welcome')
    expect(s.received.map(({ body: came }) => came)).toEqual(['once', ''])
    expect(s.asked).toHaveLength(1)
  })

  test('the app may sign in itself, and say who it is; or have its server raise the session, and refresh', async () => {
    const own = await stage({
      async answer(s) {
        await s.session.signIn(withoutSubject(s.stronger()), { subject: 'ann' })
        return null
      },
    })
    expect((await settled(own, call(own))).value).toBe('200 welcome')
    expect(own.earOf(own.tabs[0]!).ended).toEqual([])

    let raised = false
    const s = scene({
      session: {
        async onStepUp() {
          await s.tabs[0].session.refresh()
          raised = true
          return null
        },
      },
    })
    s.server.onRequest(() => (raised ? new Response() : new Response(null, { status: 401, headers: { 'WWW-Authenticate': demand } })))
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    expect((await settled(s, s.tabs[0].session.fetch(shop))).value).toMatchObject({ status: 200 })
    expect(s.server.refreshes).toBe(1)
  })
})

const withoutSubject = (input: SignInInput) => ({ ...input, id_token: null }) as SignInInput

describe('REQ-101, REQ-103: a server that is never content', () => {
  const never = async ({ server }: Staged) => ({ ...server.grant(), id_token: idToken('ann') })

  test('one question, no refresh, one retry, and the caller has the last 401', async () => {
    const s = await stage({ answer: never })
    expect((await settled(s, call(s))).value).toBe('401 not like this')
    expect([s.asked.length, s.received.length, s.server.presentations.length]).toEqual([1, 2, 0])
  })

  test('whatever is called in the next minute: no further question; then one', async () => {
    const s = await stage({ answer: never })
    for (let count = 0; count < 55; count++) {
      expect((await settled(s, call(s))).value).toBe('401 not like this')
      await s.advance(seconds(1))
    }
    expect([s.asked.length, s.received.length]).toEqual([1, 56])
    await s.advance(seconds(10))
    await settled(s, call(s))
    expect(s.asked).toHaveLength(2)
    expect(s.server.presentations).toEqual([])
  })

  test('ten minutes of calls without end: once a minute, counted from the answer', async () => {
    const s = await stage({ answer: (staged) => pause(staged, seconds(20)).then(() => null) })
    const begun = s.now()
    while (s.now() - begun < minutes(10)) {
      void call(s).catch(() => {})
      await s.advance(seconds(5))
    }
    expect(s.asked.length).toBeGreaterThan(5)
    expect(s.asked.length).toBeLessThanOrEqual(8)
  })

  test('the user says no: the callers have the API’s own answer, untouched', async () => {
    const s = await stage({ answer: async () => null })
    const response = (await settled(s, s.session.fetch(shop))).value as Response
    expect([response.status, response.bodyUsed, response.headers.get('WWW-Authenticate')]).toEqual([401, false, demand])
    expect(s.received).toHaveLength(1)
    expect(s.session.state.status).toBe('signed-in')
  })
})

describe('REQ-103: many at once', () => {
  test('fifty requests of one API, whatever each demands: one question, and each goes out once more', async () => {
    const s = await stage({
      challenge: (url) => `Bearer error="insufficient_user_authentication", max_age=${Number(url.slice(-1)) + 10}`,
      answer: (staged) => pause(staged, seconds(30)).then(() => staged.stronger()),
    })
    const calls = Array.from({ length: 50 }, (_, index) => watch(call(s, `/of/${index}`), s.now))
    await s.advance(minutes(1))
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(50).fill('200 welcome'))
    expect([s.asked.length, s.received.length, s.server.presentations.length]).toEqual([1, 100, 0])
  })

  test('F55: refusals that arrive when the user has signed in already ask nobody, and what is on its way is not cut off', async () => {
    const s = await stage({ answer: async ({ stronger }) => stronger() })
    let count = 0
    s.latency = () => 10 + 100 * count++
    const calls = Array.from({ length: 20 }, () => watch(call(s), s.now))
    await s.advance(minutes(2))
    expect(calls.map(({ result }) => result?.value ?? result?.error)).toEqual(Array(20).fill('200 welcome'))
    expect([s.asked.length, s.server.presentations.length]).toEqual([1, 0])
  })

  test('two APIs: one question at a time; and none if the first answer will do for both', async () => {
    const open: string[] = []
    let most = 0
    const s = await stage({
      async answer(staged, { origin }) {
        open.push(origin)
        most = Math.max(most, open.length)
        await pause(staged, seconds(10))
        open.pop()
        return null
      },
    })
    const calls = [shop, bank].map((origin) => watch(call(s, '/', {}, origin), s.now))
    await s.advance(minutes(1))
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(2).fill('401 not like this'))
    expect([s.asked.map(({ origin }) => origin), most]).toEqual([[shop, bank], 1])

    const enough = await stage({ answer: (staged) => pause(staged, seconds(10)).then(() => staged.stronger()) })
    const both = [shop, bank].map((origin) => watch(call(enough, '/', {}, origin), enough.now))
    await enough.advance(minutes(1))
    expect(both.map(({ result }) => result?.value)).toEqual(Array(2).fill('200 welcome'))
    expect(enough.asked).toHaveLength(1)
  })

  test('F55: nor do they wait for a question that is open on behalf of another API', async () => {
    const s = await stage({
      insatiable: bank,
      answer: async (staged, { origin }) => (origin === bank ? new Promise<never>(() => {}) : staged.stronger()),
    })
    let latency = seconds(70) // longer than the pause between two questions
    s.latency = () => latency
    const slow = watch(call(s, '/slow'), s.now)
    await s.advance(1)
    latency = 0
    await settled(s, call(s))
    const unanswered = watch(call(s, '/', {}, bank), s.now)
    await s.advance(minutes(5))
    expect(s.asked.map(({ origin }) => origin)).toEqual([shop, bank])
    expect([slow.result?.value, unanswered.result]).toEqual(['200 welcome', null])
  })

  test('in another tab the user has signed in meanwhile: nobody waits for the question in this one', async () => {
    let tabsAsked = 0
    const s = await stage({
      tabs: 2,
      answer: async (staged) => (++tabsAsked === 1 ? new Promise<never>(() => {}) : staged.stronger()),
    })
    const here = watch(call(s), s.now)
    await s.advance(seconds(5))
    const there = watch(call(s.tabs[1]!), s.now)
    await s.advance(seconds(5))
    expect([here.result?.value, there.result?.value]).toEqual(['200 welcome', '200 welcome'])
  })
})

describe('somebody else, or nobody, comes back', () => {
  test.each([
    { name: 'another user', sub: 'bob' },
    { name: 'one of whom nobody knows who it is', sub: null },
  ])('F10: $name: the session ends, user-changed, and the request is not sent as theirs', async ({ sub }) => {
    const s = await stage({ answer: async ({ stronger }) => (sub ? stronger(sub) : withoutSubject(stronger())) })
    const { error } = await settled(s, call(s))
    expect(error).toMatchObject({ code: 'session_ended', reason: 'user-changed' })
    expect(s.received).toHaveLength(1)
    expect(s.earOf(s.tabs[0]!).ended).toMatchObject([{ reason: 'user-changed', subject: 'ann' }])
    expect(s.session.state).toMatchObject({ status: 'signed-in', subject: sub })
  })

  test('the session ends meanwhile: the callers are told, at once; and what the app brings after that signs nobody in', async () => {
    const s = await stage({ tabs: 2, answer: (staged) => pause(staged, minutes(2)).then(() => staged.stronger()) })
    const waiting = watch(call(s), s.now)
    await s.advance(seconds(10))
    await settled(s, s.tabs[1]!.session.signOut())
    await s.advance(seconds(1))
    expect(waiting.result).toMatchObject({ code: 'session_ended', error: { reason: 'signed-out' } })
    await s.advance(minutes(3))
    for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    expect(storedIn(s)?.status).toBe('ended')
    expect(s.received).toHaveLength(1)
  })

  test('nor does it end the session of somebody who has signed in since', async () => {
    const s = await stage({ answer: (staged) => pause(staged, minutes(2)).then(() => staged.stronger()) })
    const waiting = watch(call(s), s.now)
    await s.advance(seconds(10))
    await settled(s, s.session.signIn({ ...s.server.grant(), id_token: idToken('bob') }))
    await s.advance(minutes(3))
    expect(waiting.result).toMatchObject({ code: 'session_ended', error: { reason: 'user-changed' } })
    expect(s.session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
  })

  test('who has signed in since is asked at once: the question that was cut short was put to somebody else', async () => {
    const s = await stage({ answer: (staged) => pause(staged, minutes(2)).then(() => staged.stronger('bob')) })
    void call(s).catch(() => {})
    await s.advance(seconds(10))
    await settled(s, s.session.signIn({ ...s.server.grant(), id_token: idToken('bob') }))
    const asked = watch(call(s), s.now)
    await s.advance(seconds(1))
    expect(s.asked).toHaveLength(2)
    await s.advance(minutes(3))
    expect(asked.result?.value).toBe('200 welcome')
  })

  test('an app that never answers: hours later the request still waits, and the end of the session settles it and the next question', async () => {
    const s = await stage({ answer: () => new Promise(() => {}), session: { keepFresh: 'always' } })
    const waiting = watch(call(s), s.now)
    await s.advance(hours(3))
    expect([waiting.result, s.session.state.status]).toEqual([null, 'signed-in'])
    await settled(s, s.session.signOut())
    await s.advance(seconds(1))
    expect(waiting.result?.code).toBe('session_ended')
    await settled(s, s.session.signIn({ ...s.server.grant(), id_token: idToken('ann') }))
    await s.advance(minutes(2))
    void call(s, '/', {}, bank).catch(() => {})
    await s.advance(seconds(1))
    expect(s.asked.map(({ origin }) => origin)).toEqual([shop, bank])
  })

  test.each([
    {
      name: 'that throws',
      answer: () => {
        throw new Error('no dialog')
      },
    },
    {
      name: 'that rejects',
      answer: async () => {
        throw new LatchkeyError('popup_blocked', 'Not from a click.')
      },
    },
    { name: 'that brings nonsense', answer: async () => ({ token: 'x' }) as unknown as SignInInput },
  ])('REQ-122: an app $name: it hears of it as of a listener’s exception, and the caller has the 401', async ({ answer }) => {
    const s = await stage({ answer })
    expect((await settled(s, call(s))).value).toBe('401 not like this')
    expect(s.insideOf(s.tabs[0]!).reported).toHaveLength(1)
    expect(s.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
  })

  test('the caller gives up, and the question goes on for the others', async () => {
    const s = await stage({ answer: (staged) => pause(staged, seconds(30)).then(() => staged.stronger()) })
    const patience = new AbortController()
    const [impatient, patient] = [watch(call(s, '/', { signal: patience.signal }), s.now), watch(call(s), s.now)]
    await s.advance(seconds(5))
    patience.abort(new Error('enough'))
    await s.advance(1)
    expect(impatient.result?.error).toMatchObject({ message: 'enough' })
    await s.advance(minutes(1))
    expect(patient.result?.value).toBe('200 welcome')
    expect(s.received).toHaveLength(3)
  })

  test('the page closes its session: whoever waits is told, and what comes later is not taken', async () => {
    const s = await stage({ answer: (staged) => pause(staged, seconds(30)).then(() => staged.stronger()) })
    const waiting = [shop, bank].map((origin) => watch(call(s, '/', {}, origin), s.now))
    await s.advance(seconds(5))
    const stored = storedIn(s)
    s.session.close()
    await s.advance(1)
    expect(waiting.map(({ result }) => result?.code)).toEqual(['closed', 'closed'])
    await s.advance(minutes(1))
    expect(storedIn(s)).toEqual(stored)
    expect(s.asked).toHaveLength(1)
    expect(s.insideOf(s.tabs[0]!).reported).toEqual([])
  })

  test('F84: after an end that the user did not ask for, what waited for the answer is held', async () => {
    const s = await stage({ answer: () => new Promise(() => {}), session: { whenSignedOut: 'hold' } })
    const waiting = watch(call(s), s.now)
    await s.advance(seconds(5))
    await settled(s, s.session.signOut({ reason: 'revoked' }))
    await s.advance(seconds(5))
    expect(waiting.result).toBeNull()
    await settled(s, s.session.signIn(s.stronger()))
    await s.advance(seconds(1))
    expect(waiting.result?.value).toBe('200 welcome')
  })

  test('in a frozen tab nothing is sent before it has looked', async () => {
    const s = await stage({ tabs: 2, answer: (staged) => pause(staged, minutes(5)).then(() => staged.stronger()) })
    const waiting = watch(call(s), s.now)
    await s.advance(seconds(5))
    s.tabs[0]!.freeze()
    await settled(s, s.tabs[1]!.session.signOut())
    await s.advance(minutes(2))
    s.tabs[0]!.thaw()
    await until(s, () => waiting.result)
    expect(isLatchkeyError(waiting.result?.error, 'session_ended')).toBe(true)
    expect(s.received).toHaveLength(1)
    expect(s.session.state.status).toBe('signed-out')
  })
})

describe('F54: nobody is asked', () => {
  test.each([
    { name: 'REQ-38: 403, a scope is missing', status: 403, challenge: 'Bearer error="insufficient_scope", scope="admin"' },
    { name: '403 in the words of a 401', status: 403, challenge: demand },
    { name: '401, a scope is missing', status: 401, challenge: 'Bearer error="insufficient_scope"' },
    { name: '401, of somebody else’s scheme', status: 401, challenge: 'Custom error="insufficient_user_authentication"' },
  ])('$name: no refresh, no retry, and the answer is the caller’s', async ({ status, challenge }) => {
    const s = await stage({ answer: async ({ stronger }) => stronger() })
    s.server.onRequest(() => new Response('no', { status, headers: { 'WWW-Authenticate': challenge } }))
    for (let count = 0; count < 20; count++) expect((await settled(s, call(s))).value).toBe(`${status} no`)
    expect([s.asked.length, s.server.calls.length, s.server.presentations.length]).toEqual([0, 20, 0])
  })

  test('by an app without `onStepUp`: the 401 is the caller’s, and nothing is refreshed', async () => {
    const s = await stage({ answer: async () => null, session: { onStepUp: undefined } })
    expect((await settled(s, call(s))).value).toBe('401 not like this')
    expect([s.received.length, s.server.presentations.length]).toEqual([1, 0])
  })

  test('F62: for a place that is not listed, or by a request with a credential of its own', async () => {
    const s = await stage({ answer: async ({ stronger }) => stronger() })
    expect((await settled(s, call(s, '/', {}, 'https://elsewhere.test'))).value).toBe('401 not like this')
    expect((await settled(s, call(s, '/', { headers: { Authorization: 'Bearer mine' } }))).value).toBe('401 not like this')
    expect(s.asked).toEqual([])
  })
})
