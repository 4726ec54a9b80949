import { createSession, memoryStore, type Session, type SessionEnd } from 'latchkey'
import { type OAuthOptions, type OAuthProvider, oauth } from 'latchkey/oauth'
import { describe, expect, onTestFinished, test } from 'vitest'
import { json, listen } from '../fetch/listen.ts'
import { asking, leaving, outcome } from '../refresh/asking.ts'
import { idToken, type ScriptedProvider, scriptedProvider, wellKnown } from './scripted-provider.ts'

const clientId = 'spa'

/** With the metadata at hand: on a machine that halts, a first refresh may find it too late. */
async function found(options: OAuthOptions): Promise<OAuthProvider> {
  const provider = oauth(options)
  await provider.revoke?.(leaving())
  return provider
}

const isGranted = (provider: OAuthProvider) => expect.poll(async () => (await outcome(provider)).type, { timeout: 20_000 }).toBe('granted')

const discoveries = ({ seen }: ScriptedProvider) => seen.filter(({ method }) => method === 'GET').map(({ url }) => url)

describe('a refresh at a provider', () => {
  test('REQ-40: is discovered first, and then says exactly what it must, without a preflight', async () => {
    const script = await scriptedProvider()
    const requests: Request[] = []
    const watched: typeof fetch = (input, init) => {
      requests.push(new Request(input, init))
      return fetch(input, init)
    }
    expect(await outcome(await found({ issuer: script.issuer, clientId }), asking({ fetch: watched }))).toHaveProperty('type', 'granted')
    expect(discoveries(script)).toEqual(['/.well-known/openid-configuration'])
    expect(script.forms('/token')).toEqual([{ grant_type: 'refresh_token', refresh_token: 'refresh-1', client_id: clientId }])
    // Headers and a type that a browser lets through without asking the server first.
    expect(
      requests.map(({ method, headers }) => [method, [...headers.keys()].filter((name) => !/^(accept|content-type)$/.test(name))]),
    ).toEqual([['POST', []]])
    expect(requests[0]?.headers.get('Content-Type')).toMatch(/^application\/x-www-form-urlencoded(;charset=UTF-8)?$/)
  })

  test('REQ-25: asks for the resource and the scope of the request (RFC 8707)', async () => {
    const script = await scriptedProvider()
    await outcome(await found({ issuer: script.issuer, clientId }), asking({ resource: 'urn:files', scope: 'files:read' }))
    expect(script.forms('/token')[0]).toMatchObject({ resource: 'urn:files', scope: 'files:read' })
  })

  test.each([
    { name: 'invalid_grant ends the session', status: 400, body: { error: 'invalid_grant' }, type: 'rejected' },
    { name: 'interaction_required ends it, too', status: 400, body: { error: 'interaction_required' }, type: 'rejected' },
    { name: 'invalid_client does not', status: 401, body: { error: 'invalid_client' }, type: 'unavailable' },
    { name: 'nor does invalid_scope', status: 400, body: { error: 'invalid_scope' }, type: 'unavailable' },
    { name: 'nor does a 503', status: 503, body: {}, type: 'unavailable' },
    { name: 'nor does an answer without a token (REQ-41)', status: 200, body: { token_type: 'Bearer' }, type: 'unavailable' },
    {
      name: 'nor does a token of a kind that nobody knows (REQ-26)',
      status: 200,
      body: { access_token: 'a', token_type: 'mac' },
      type: 'unavailable',
    },
  ])('REQ-42, F29: $name', async ({ status, body, type }) => {
    const script = await scriptedProvider()
    script.says.token = () => json(body, status)
    expect(await outcome(await found({ issuer: script.issuer, clientId }))).toHaveProperty('type', type)
  })

  test('F29: ends the session on what `isRejected` says, and on nothing else', async () => {
    const script = await scriptedProvider()
    const provider = await found({ issuer: script.issuer, clientId, isRejected: (status, told) => status === 400 && told === undefined })
    script.says.token = () => ({ status: 400 })
    expect(await outcome(provider)).toHaveProperty('type', 'rejected')
    script.says.token = () => json({ error: 'invalid_grant' }, 400)
    expect(await outcome(provider)).toHaveProperty('type', 'unavailable')
  })

  test('REQ-21: a token endpoint that sends us elsewhere is not followed there with the token', async () => {
    const elsewhere = await listen(() => json({ access_token: 'stolen' }))
    const script = await scriptedProvider()
    script.says.token = () => ({ status: 307, headers: { Location: `${elsewhere.origin}/token` } })
    expect(await outcome(await found({ issuer: script.issuer, clientId }))).toHaveProperty('type', 'unavailable')
    expect(elsewhere.seen).toEqual([])
  })
})

describe('the metadata', () => {
  test('REQ-48: is asked for once by those who come together, and not again by those who come later', async () => {
    const script = await scriptedProvider()
    const provider = oauth({ issuer: script.issuer, clientId })
    await Promise.all([outcome(provider), outcome(provider), outcome(provider)])
    await isGranted(provider)
    expect(discoveries(script)).toHaveLength(1)
  })

  test('REQ-64: is asked for as soon as somebody is signed in, so that a sign-out has only to revoke; and of nobody else', async () => {
    const script = await scriptedProvider()
    const refresh = oauth({ issuer: script.issuer, clientId })
    const session = createSession({ attachTo: [], refresh, store: memoryStore(), keepFresh: 'on-demand' })
    onTestFinished(session.close)
    expect(await session.ready).toHaveProperty('status', 'signed-out')
    expect(script.seen).toEqual([])
    await session.signIn({ access_token: 'access-0', refresh_token: 'refresh-1', expires_in: 300 })
    await expect.poll(() => discoveries(script)).toEqual(['/.well-known/openid-configuration'])
    expect(await session.signOut()).toEqual({ revoked: true })
    expect(discoveries(script)).toHaveLength(1)
  })

  test('REQ-48: is not asked for where the app gives it', async () => {
    const script = await scriptedProvider()
    const provider = oauth({ issuer: script.issuer, clientId, metadata: { token_endpoint: `${script.issuer}/token` } })
    expect(await outcome(provider)).toHaveProperty('type', 'granted')
    expect(discoveries(script)).toEqual([])
  })

  const openid = '/.well-known/openid-configuration'
  const plain = '/.well-known/oauth-authorization-server'
  test.each([
    { scope: 'openid', tenant: '', paths: [openid, plain] },
    { scope: 'files', tenant: '', paths: [plain, openid] },
    { scope: 'openid', tenant: '/of/acme', paths: [`/of/acme${openid}`, `${plain}/of/acme`] },
    { scope: 'files', tenant: '/of/acme/', paths: [`${plain}/of/acme`, `/of/acme${openid}`] },
  ])('is looked for at both well-known places: scope $scope of $tenant/', async ({ scope, tenant, paths }) => {
    const script = await scriptedProvider()
    const issuer = script.issuer + tenant
    let asked = 0
    script.says.metadata = () => (++asked === 1 ? { status: 404 } : json({ ...wellKnown(script.issuer), issuer }))
    await isGranted(oauth({ issuer, clientId, scope }))
    expect(discoveries(script)).toEqual(paths)
  })

  test.each([
    { name: 'and found there', second: (issuer: string) => Response.json(wellKnown(issuer)), like: { type: 'granted' } },
    {
      name: 'and is not there: nobody knows of the first, and it may have been a blip (F28)',
      second: () => new Response(null, { status: 404 }),
      like: { type: 'unavailable', answered: false },
    },
  ])('is looked for at the second place where the first cannot be read, $name', async ({ second, like }) => {
    const script = await scriptedProvider()
    const { issuer } = script
    const asked: string[] = []
    const refused: typeof fetch = async (input, init) => {
      const url = String(input)
      if (!url.includes('/.well-known/')) return fetch(input, init)
      asked.push(url)
      if (url === issuer + openid) throw new TypeError('Failed to fetch') // as a browser calls a 404 without CORS headers
      return second(issuer)
    }
    expect(await outcome(oauth({ issuer, clientId }), asking({ fetch: refused }))).toMatchObject(like)
    expect(asked).toEqual([issuer + openid, issuer + openid, issuer + plain])
  })

  test('REQ-48, F28: of the second place does not stand in for that of the first all day, because a blip has kept that one away', async () => {
    const script = await scriptedProvider()
    const { issuer } = script
    let asked = 0
    const blip: typeof fetch = async (input, init) => {
      if (String(input) === issuer + openid && ++asked === 1) throw new TypeError('Failed to fetch')
      return String(input) === issuer + plain ? Response.json({ issuer, token_endpoint: `${issuer}/token` }) : fetch(input, init)
    }
    const provider = oauth({ issuer, clientId })
    await outcome(provider, asking({ fetch: blip }))
    await provider.revoke?.(leaving())
    expect(script.forms('/revoke')).toHaveLength(2)
  })

  test.each([
    { name: 'of another issuer', wrong: { issuer: 'https://evil.example.com' } },
    { name: 'of an issuer with one slash more', wrong: (issuer: string) => ({ issuer: `${issuer}/` }) },
    { name: 'without an issuer', wrong: { issuer: undefined } },
    { name: 'with a token endpoint that is not https', wrong: { token_endpoint: 'http://login.example.com/token' } },
    { name: 'with a token endpoint that is no URL', wrong: { token_endpoint: '/token' } },
    { name: 'without a token endpoint', wrong: { token_endpoint: undefined } },
  ])('REQ-48: $name: nothing is presented, and the session stays', async ({ wrong }) => {
    const script = await scriptedProvider()
    script.says.metadata = () => json({ ...wellKnown(script.issuer), ...(typeof wrong === 'function' ? wrong(script.issuer) : wrong) })
    expect(await outcome(oauth({ issuer: script.issuer, clientId }))).toMatchObject({ type: 'unavailable', answered: true })
    expect(script.forms('/token')).toEqual([])
  })

  test.each([
    {
      name: 'a 503 that says when to come back (F31)',
      answer: () => json({}, 503, { 'Retry-After': '120' }),
      like: { answered: true, wait: 120_000 },
    },
    {
      name: 'a page of a captive portal',
      answer: () => ({ headers: { 'Content-Type': 'text/html' }, body: '<html>' }),
      like: { answered: true },
    },
    { name: 'a connection that breaks (F28)', answer: () => null, like: { answered: false } },
  ])('cannot be had, $name: for now; nothing is presented, and the next refresh asks again', async ({ answer, like }) => {
    const script = await scriptedProvider()
    const provider = oauth({ issuer: script.issuer, clientId })
    const { metadata } = script.says
    script.says.metadata = answer
    expect(await outcome(provider)).toMatchObject({ type: 'unavailable', ...like })
    expect(script.forms('/token')).toEqual([])
    script.says.metadata = metadata
    await isGranted(provider)
  })

  test('that never comes is waited for ten seconds, and asked for again', async () => {
    const script = await scriptedProvider()
    const provider = oauth({ issuer: script.issuer, clientId })
    const silently: typeof fetch = (_, init) =>
      new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)))
    expect(await outcome(provider, asking({ fetch: silently }))).toMatchObject({ type: 'unavailable', answered: false })
    await isGranted(provider)
  })

  test('that comes late presents nothing: by then another tab may have taken over (protocol, rule 4)', async () => {
    const script = await scriptedProvider()
    const provider = oauth({ issuer: script.issuer, clientId })
    let isSlow = true
    const slowly: typeof fetch = async (input, init) => {
      if (isSlow) await new Promise((resolve) => setTimeout(resolve, 1_500))
      return fetch(input, init)
    }
    expect(await outcome(provider, asking({ fetch: slowly }))).toMatchObject({ type: 'unavailable', answered: false })
    expect(script.forms('/token')).toEqual([])
    isSlow = false
    expect(await outcome(provider, asking({ fetch: slowly }))).toHaveProperty('type', 'granted')
    expect(discoveries(script)).toHaveLength(1)
  })
})

describe('REQ-61, REQ-62: revocation', () => {
  const revoked = async (answer: (form: URLSearchParams) => ReturnType<typeof json>) => {
    const script = await scriptedProvider()
    script.says.revoke = answer
    const { revoke } = oauth({ issuer: script.issuer, clientId })
    const came = revoke?.(leaving({ refreshToken: 'refresh-1', accessTokens: ['access-1', 'access-2'] })).then(
      () => true,
      () => false,
    )
    return { came: await came, forms: script.forms('/revoke') }
  }

  test('is of the refresh token and of every access token', async () => {
    const { came, forms } = await revoked(() => json({}))
    expect(came).toBe(true)
    expect(forms).toHaveLength(3)
    expect(forms).toEqual(
      expect.arrayContaining([
        { token: 'refresh-1', token_type_hint: 'refresh_token', client_id: clientId },
        { token: 'access-1', token_type_hint: 'access_token', client_id: clientId },
        { token: 'access-2', token_type_hint: 'access_token', client_id: clientId },
      ]),
    )
  })

  test.each([
    { name: '503: the token lives on', status: 503, of: 'refresh_token', error: 'unavailable', came: false },
    { name: '503 for an access token', status: 503, of: 'access_token', error: 'unavailable', came: false },
    { name: 'a refresh token of an unsupported type', status: 400, of: 'refresh_token', error: 'unsupported_token_type', came: false },
    {
      name: 'an access token of an unsupported type: it cannot be revoked',
      status: 400,
      of: 'access_token',
      error: 'unsupported_token_type',
      came: true,
    },
    {
      name: 'an access token that is called invalid: it is dead already',
      status: 400,
      of: 'access_token',
      error: 'invalid_token',
      came: true,
    },
  ])('$name → $came', async ({ status, of, error, came: wanted }) => {
    const { came } = await revoked((form) => (form.get('token_type_hint') === of ? json({ error }, status) : json({})))
    expect(came).toBe(wanted)
  })

  /** A session that is signed out at a provider which says this first, and what it is asked until it has confirmed. */
  async function signedOut(script: ScriptedProvider, put: (isDown: boolean) => void): Promise<readonly string[]> {
    put(true)
    const refresh = oauth({ issuer: script.issuer, clientId })
    const session = createSession({ attachTo: [], refresh, store: memoryStore(), keepFresh: 'on-demand' })
    onTestFinished(session.close)
    await session.signIn({ access_token: 'access-1', refresh_token: 'refresh-1', expires_in: 300 })
    const confirmed = new Promise<void>((resolve) =>
      session.on('diagnostic', ({ type, detail }) => type === 'revocation' && detail.confirmed && resolve()),
    )
    const first = new Promise<void>((resolve) => session.on('diagnostic', ({ type }) => type === 'revocation' && resolve()))
    void session.signOut()
    await first
    put(false)
    await confirmed
    return script.forms('/revoke').flatMap(({ token }) => token ?? [])
  }

  test('REQ-62: a 503 for the refresh token is tried again, whatever has been said of an access token before', async () => {
    const script = await scriptedProvider()
    let isDown = true
    script.says.revoke = (form) =>
      form.get('token_type_hint') === 'access_token'
        ? json({ error: isDown ? 'invalid_request' : 'invalid_token' }, 400)
        : isDown
          ? { status: 503 }
          : json({})
    const asked = await signedOut(script, (down) => {
      isDown = down
    })
    expect(asked.filter((token) => token === 'refresh-1')).toHaveLength(2)
  })

  test('F28, REQ-62: is tried again where a captive portal has answered in the place of the metadata', async () => {
    const script = await scriptedProvider()
    const { metadata } = script.says
    const asked = await signedOut(script, (isDown) => {
      script.says.metadata = isDown ? () => ({ headers: { 'Content-Type': 'text/html' }, body: '<html>' }) : metadata
    })
    expect(asked).toContain('refresh-1')
  })

  test('REQ-48: is not sent to an endpoint that is no https URL', async () => {
    const script = await scriptedProvider()
    script.says.metadata = () => json({ ...wellKnown(script.issuer), revocation_endpoint: 'http://login.example.com/revoke' })
    const sent: string[] = []
    const watched: typeof fetch = (input, init) => {
      sent.push(String(input))
      return fetch(input, init)
    }
    await expect(oauth({ issuer: script.issuer, clientId }).revoke?.(leaving({ fetch: watched }))).rejects.toThrow(TypeError)
    expect(sent.filter((url) => !url.includes('/.well-known/'))).toEqual([])
  })

  test('at a provider without an endpoint for it has not happened', async () => {
    const script = await scriptedProvider()
    script.says.metadata = () => json({ ...wellKnown(script.issuer), revocation_endpoint: undefined })
    await expect(oauth({ issuer: script.issuer, clientId }).revoke?.(leaving())).rejects.toThrow('No revocation endpoint')
  })
})

describe('REQ-49: an ID token that a refresh brings', () => {
  /** Signed in as Ann with what the provider has given, and told to refresh. */
  async function refreshed(claims: Readonly<Record<string, unknown>> | string | null, signedInAs: string | null = 'ann') {
    const script = await scriptedProvider()
    const { issuer } = script
    const { token } = script.says
    const store = memoryStore()
    const written: string[] = []
    const session: Session = createSession({
      attachTo: [issuer],
      refresh: oauth({ issuer, clientId }),
      store: {
        ...store,
        replace: async (key, expected, next) => {
          const done = await store.replace(key, expected, next)
          if (done && next !== null) written.push(next)
          return done
        },
      },
    })
    onTestFinished(session.close)
    const ends: SessionEnd[] = []
    session.onSessionExpired((end) => ends.push(end))
    await session.signIn(
      {
        access_token: 'access-0',
        refresh_token: 'refresh-1',
        expires_in: 300,
        id_token: signedInAs && idToken({ iss: issuer, aud: clientId, sub: signedInAs }),
      },
      signedInAs ? { subject: 'the app’s own name for her' } : {}, // the ID token’s is what a refresh will be compared with
    )
    script.says.token = (form, count) => {
      const answer = JSON.parse(token(form, count)?.body ?? '{}')
      const said = typeof claims === 'string' ? claims : claims && idToken({ iss: issuer, aud: clientId, sub: 'ann', ...claims })
      return json({ ...answer, id_token: said })
    }
    const error: unknown = await session.refresh().then(
      () => null,
      (reason: unknown) => reason,
    )
    return { script, session, written, ends, error }
  }

  test.each([
    { name: 'of the same user', claims: {} },
    { name: 'with an audience of several, and us as the authorized party', claims: { aud: [clientId, 'api'], azp: clientId } },
    { name: 'that by our clock ran out long ago: no clock but the provider’s is asked (F21)', claims: { iat: 1_000, exp: 1_300 } },
    { name: 'for us alone, at the request of another: a sign-in takes it, too', claims: { azp: 'another' } },
    { name: 'that is not there', claims: null },
    { name: 'that nobody here can read, encrypted as it may be: it says nothing of anybody else', claims: 'ey.key.iv.text.tag' },
  ])('keeps the session: $name', async ({ claims }) => {
    const { session, ends, error } = await refreshed(claims)
    expect([error, ends, session.state.status]).toEqual([null, [], 'signed-in'])
    expect(await session.getToken()).toBe('access-1')
  })

  test('keeps a session of which nobody knows whose it is', async () => {
    const { script, session, ends } = await refreshed({ sub: 'bob' }, null)
    expect([ends, session.state]).toMatchObject([[], { status: 'signed-in', subject: 'bob' }])

    // From now on somebody does.
    const { token } = script.says
    script.says.token = (form, count) => {
      const answer = JSON.parse(token(form, count)?.body ?? '{}')
      return json({ ...answer, id_token: idToken({ iss: script.issuer, aud: clientId, sub: 'carol' }) })
    }
    await expect(session.refresh()).rejects.toMatchObject({ code: 'session_ended', reason: 'user-changed' })
    expect(ends.map(({ reason, subject }) => [reason, subject])).toEqual([['user-changed', 'bob']])
  })

  test.each([
    { name: 'of another subject', claims: { sub: 'bob' } },
    { name: 'of no subject', claims: { sub: undefined } },
    { name: 'of another issuer', claims: { iss: 'https://evil.example.com' } },
    { name: 'for another client', claims: { aud: 'another' } },
    { name: 'for several, of whom none is the authorized party', claims: { aud: [clientId, 'another'] } },
    { name: 'with another authorized party', claims: { aud: [clientId, 'another'], azp: 'another' } },
  ])('ends it, user-changed: $name. The rotated refresh token was stored first, and is revoked', async ({ claims }) => {
    const { script, session, written, ends, error } = await refreshed(claims)
    expect(error).toMatchObject({ code: 'session_ended', reason: 'user-changed' })
    expect(ends.map(({ reason, subject }) => [reason, subject])).toEqual([['user-changed', 'ann']])
    expect(session.state).toEqual({ status: 'signed-out', reason: 'user-changed' })

    // No check can lose it: until the end is written, the record holds it; and at no time the token of somebody else.
    expect(written.at(-2)).toContain('"refresh-2"')
    expect(written.at(-1)).not.toContain('refresh-')
    expect(written.join()).not.toContain('"access-1"')
    await expect
      .poll(() =>
        script
          .forms('/revoke')
          .map(({ token }) => token)
          .sort(),
      )
      .toEqual(['access-1', 'refresh-2'])
    await expect(session.fetch(`${script.issuer}/me`)).rejects.toHaveProperty('code', 'signed_out')
  })
})

test.each([
  { name: 'another issuer', of: (another: string) => ({ issuer: another, clientId }) },
  { name: 'another client of the same issuer', of: (_: string, issuer: string) => ({ issuer, clientId: 'another' }) },
])(
  'REQ-58: what one provider gave is never sent to $name that a session of the same name has: it signs nobody in there',
  async ({ of }) => {
    const [script, another] = [await scriptedProvider(), await scriptedProvider()]
    const store = memoryStore()
    const begin = (options: OAuthOptions) => {
      const session = createSession({ attachTo: [], refresh: oauth(options), name: 'app', store })
      onTestFinished(session.close)
      return session
    }
    const before = begin({ issuer: script.issuer, clientId })
    await before.signIn({ access_token: 'access-of-one', refresh_token: 'refresh-of-one', expires_in: 300 })
    before.close()

    const session = begin(of(another.issuer, script.issuer))
    expect((await session.ready).status).toBe('signed-out')
    await expect(session.refresh()).rejects.toHaveProperty('code', 'signed_out')
    await session.signIn({ access_token: 'access-of-another', refresh_token: 'refresh-of-another', expires_in: 300 })
    await session.refresh()
    await session.signOut()
    const bodies = [...script.seen, ...another.seen].map(({ body }) => body.toString()).join()
    expect(bodies).toContain('refresh-of-another')
    expect(bodies).not.toContain('of-one')
  },
)

test('REQ-50: an ID token goes to no API and into no store: the access token alone does', async () => {
  const script = await scriptedProvider()
  const api = await listen(() => json({}))
  const { token } = script.says
  const said = idToken({ iss: script.issuer, aud: clientId, sub: 'ann' })
  script.says.token = (form, count) => json({ ...JSON.parse(token(form, count)?.body ?? '{}'), id_token: said })
  const store = memoryStore()
  const session = createSession({ attachTo: [api.origin], refresh: oauth({ issuer: script.issuer, clientId }), name: 'app', store })
  onTestFinished(session.close)
  await session.signIn({ access_token: 'access-0', refresh_token: 'refresh-1', expires_in: 300, id_token: said })
  await session.fetch(`${api.origin}/me`)
  await session.refresh() // which brings another
  await session.fetch(`${api.origin}/me`, { method: 'POST', body: 'mine' })
  expect(api.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer access-0', 'Bearer access-1'])
  expect(JSON.stringify(api.seen.map(({ url, rawHeaders, body }) => [url, rawHeaders, body.toString()]))).not.toContain(said)
  expect(await store.read('latchkey:app')).not.toContain(said)
})

test('REQ-49: a check of one’s own that fails loses no token: what was granted is kept, and nothing is presented twice', async () => {
  const presented: (string | null)[] = []
  const session = createSession({
    attachTo: ['https://api.example.com'],
    store: memoryStore(),
    refresh: {
      id: 'own',
      async refresh({ refreshToken }) {
        presented.push(refreshToken)
        return { access_token: 'access-1', refresh_token: 'refresh-2', expires_in: 300 }
      },
      isSameUser() {
        throw new TypeError('There is no ID token.')
      },
    },
  })
  onTestFinished(session.close)
  await session.signIn({ access_token: 'access-0', refresh_token: 'refresh-1', expires_in: 300 }, { subject: 'ann' })
  await session.refresh()
  await session.refresh()
  expect(presented).toEqual(['refresh-1', 'refresh-2'])
})

describe('an unusable option is named at once', () => {
  const usable = { issuer: 'https://login.example.com', clientId }
  test.each([
    { option: 'issuer', wrong: { issuer: 'http://login.example.com' } },
    { option: 'issuer', wrong: { issuer: 'login.example.com' } },
    { option: 'issuer', wrong: { issuer: 'https://login.example.com/?tenant=1' } },
    { option: 'issuer', wrong: { issuer: 'https://user:pass@login.example.com' } },
    { option: 'issuer', wrong: { issuer: undefined as unknown as string } },
    { option: 'clientId', wrong: { clientId: '' } },
    { option: 'scope', wrong: { scope: '' } },
    { option: 'redirectUri', wrong: { redirectUri: 1 as unknown as string } },
    { option: 'metadata', wrong: { metadata: { issuer: 'https://other.example.com' } } },
    { option: 'metadata', wrong: { metadata: null as never } },
    { option: 'isRejected', wrong: { isRejected: null as never } },
    { option: 'audience', wrong: { parameters: { audience: 1 as unknown as string } } },
    { option: 'resource', wrong: { parameters: { resource: ['urn:files', ''] } } },
    { option: 'clientId', wrong: { clientId: ['spa'] as unknown as string } },
  ])('$option: $wrong', ({ option, wrong }) => {
    expect(() => oauth({ ...usable, ...wrong })).toThrow(new RegExp(`^\`${option}\``))
  })

  test('REQ-58: and what is usable names the session after issuer and client', () => {
    const provider = oauth(usable)
    expect([provider.id, provider.issuer, provider.clientId]).toEqual([`${usable.issuer} spa`, usable.issuer, 'spa'])
  })
})
