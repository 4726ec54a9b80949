import { oauthRefresh } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import { recorder } from '../fetch/by-hand.ts'
import { json, listen } from '../fetch/listen.ts'
import { asking, leaving, outcome } from './asking.ts'

const endpoints = {
  tokenEndpoint: 'https://login.example.com/token',
  revocationEndpoint: 'https://login.example.com/revoke',
  clientId: 'spa',
}
const tokens = () => Response.json({ access_token: 'access-2', token_type: 'Bearer' })
const form = 'application/x-www-form-urlencoded;charset=UTF-8'

/** Headers that a browser lets through without asking the server first. */
const safelisted = ['accept', 'accept-language', 'content-language', 'content-type', 'range']

describe('REQ-40: a refresh at an OAuth token endpoint', () => {
  test.each([
    { name: 'the session’s own token', want: {}, body: 'grant_type=refresh_token&refresh_token=refresh-1&client_id=spa' },
    {
      name: 'for a resource',
      want: { resource: 'urn:files' },
      body: 'grant_type=refresh_token&refresh_token=refresh-1&resource=urn%3Afiles&client_id=spa',
    },
    { name: 'for a scope', want: { scope: 'a b' }, body: 'grant_type=refresh_token&refresh_token=refresh-1&scope=a+b&client_id=spa' },
    {
      name: 'with a token that has to be escaped',
      want: { refreshToken: 'a&b=c+/%' },
      body: 'grant_type=refresh_token&refresh_token=a%26b%3Dc%2B%2F%25&client_id=spa',
    },
  ])('says exactly what it must: $name', async ({ want, body }) => {
    const { origin, seen } = await listen(() => json({ access_token: 'access-2' }))
    const strategy = oauthRefresh({ ...endpoints, tokenEndpoint: `${origin}/token` })
    expect(await outcome(strategy, asking(want))).toHaveProperty('type', 'granted')
    expect(seen.map((request) => [request.method, request.url, request.body.toString(), request.headers['content-type']])).toEqual([
      ['POST', '/token', body, form],
    ])
  })

  test('REQ-23, REQ-24, REQ-28: needs no preflight, takes no cookie along, is cached and followed nowhere, and says nothing of the page', async () => {
    const { fetch, calls } = recorder(tokens)
    await oauthRefresh(endpoints).refresh(asking({ fetch }))
    const request = calls[0]?.request as Request
    expect([...request.headers.keys()].filter((name) => !safelisted.includes(name))).toEqual([])
    expect(request).toMatchObject({
      method: 'POST',
      credentials: 'omit',
      redirect: 'error',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      keepalive: false,
    })
  })

  test.each([
    { error: 'invalid_target', want: { resource: 'urn:mail', scope: 'read' }, named: 'urn:mail' },
    { error: 'invalid_scope', want: { scope: 'admin' }, named: 'admin' },
    { error: 'interaction_required', want: { resource: 'urn:mail' }, named: 'urn:mail' }, // Entra ID, where one API wants more than the others
    { error: 'consent_required', want: { scope: 'mail.read' }, named: 'mail.read' }, // OpenID Connect Core §3.1.2.6: the user has not allowed this
  ])('REQ-25, REQ-42: $error is about $named alone, and ends nothing', async ({ error, want, named }) => {
    const fetch = async () => Response.json({ error, error_description: 'c4n4ry' }, { status: 400 })
    const found = await outcome(oauthRefresh(endpoints), asking({ ...want, fetch }))
    expect(found).toMatchObject({ type: 'unavailable', answered: true, denied: true, cause: { code: 'refresh_unavailable' } })
    const { message } = (found as { cause: Error }).cause
    expect(message).toContain(`${named} (${error})`)
    expect(message).not.toContain('c4n4ry')
  })

  test.each([
    {
      name: 'a Retry-After',
      answer: Response.json({ error: 'invalid_target' }, { status: 400, headers: { 'Retry-After': '7' } }),
      wait: 7_000,
    },
    { name: 'another error', answer: Response.json({ error: 'invalid_request' }, { status: 400 }), wait: null },
    { name: 'access_denied', answer: Response.json({ error: 'access_denied' }, { status: 403 }), wait: null }, // of the user, or of the app
    {
      name: 'nothing asked for but the session’s own',
      want: {},
      answer: Response.json({ error: 'invalid_scope' }, { status: 400 }),
      wait: null,
    },
    ...[302, 500, 503].map((status) => ({
      want: undefined,
      name: `status ${status}`,
      answer: Response.json({ error: 'invalid_target' }, { status }),
      wait: null,
    })),
    { name: 'no JSON', answer: new Response('invalid_target', { status: 400 }), wait: null },
  ])('REQ-42: with $name it is about everybody', async ({ want = { resource: 'urn:mail' }, answer, wait }) => {
    const found = await outcome(oauthRefresh(endpoints), asking({ ...want, fetch: async () => answer }))
    expect(found).toMatchObject({ type: 'unavailable', answered: true, wait })
    expect(found).not.toHaveProperty('denied', true)
  })

  test('REQ-21: takes the token nowhere else', async () => {
    const elsewhere = await listen(() => json({ access_token: 'stolen' }))
    const { origin } = await listen(() => ({ status: 307, headers: { Location: `${elsewhere.origin}/token` } }))
    expect(await outcome(oauthRefresh({ ...endpoints, tokenEndpoint: origin }))).toHaveProperty('type', 'unavailable')
    expect(elsewhere.seen).toEqual([])
  })

  test.each([
    { name: 'F29: invalid_grant ends the session', status: 400, body: { error: 'invalid_grant' }, type: 'rejected' },
    { name: 'F29: a 401 alone does not', status: 401, body: { error: 'invalid_client' }, type: 'unavailable' },
    { name: 'F29: nor does invalid_scope', status: 400, body: { error: 'invalid_scope' }, type: 'unavailable' },
  ])('$name', async ({ status, body, type }) => {
    const { origin } = await listen(() => json(body, status))
    expect(await outcome(oauthRefresh({ ...endpoints, tokenEndpoint: origin }))).toHaveProperty('type', type)
  })

  test('F31: Retry-After is heard', async () => {
    const { origin } = await listen(() => json({}, 429, { 'Retry-After': '120' }))
    expect(await outcome(oauthRefresh({ ...endpoints, tokenEndpoint: origin }))).toMatchObject({ answered: true, wait: 120_000 })
  })

  test('a server that is not there has not answered', async () => {
    const { origin } = await listen(() => null)
    expect(await outcome(oauthRefresh({ ...endpoints, tokenEndpoint: origin }))).toMatchObject({ type: 'unavailable', answered: false })
  })
})

describe('REQ-61: at sign-out', () => {
  const revocation = (token: string, kind: string) => ['POST', '/revoke', `token=${token}&token_type_hint=${kind}&client_id=spa`, form]
  const [refresh, access, files] = [
    revocation('refresh-1', 'refresh_token'),
    revocation('access-1', 'access_token'),
    revocation('access-files', 'access_token'),
  ]
  test.each([
    { name: 'the refresh token is revoked, and the access token', of: {}, asked: [refresh, access] },
    { name: 'and that of each API', of: { accessTokens: ['access-1', 'access-files'] }, asked: [refresh, access, files] },
    { name: 'without a refresh token, the access token', of: { refreshToken: null }, asked: [access] },
  ])('$name', async ({ of, asked }) => {
    const { origin, seen } = await listen(() => ({}))
    await oauthRefresh({ ...endpoints, revocationEndpoint: `${origin}/revoke` }).revoke?.(leaving(of))
    const came = seen.map((request) => [request.method, request.url, request.body.toString(), request.headers['content-type']])
    expect(came).toHaveLength(asked.length)
    expect(came).toEqual(expect.arrayContaining(asked)) // each on a connection of its own: which is heard first is chance
  })

  test('the refresh token is sent first, for it is worth the most; and none waits for an answer, which a page that is left does not hear', async () => {
    const { fetch, calls } = recorder(() => new Promise<never>(() => {}))
    void oauthRefresh(endpoints).revoke?.(leaving({ fetch, accessTokens: ['access-1', 'access-files'] }))
    const sent = calls.map(({ request }) => request.text())
    expect((await Promise.all(sent)).map((text) => new URLSearchParams(text).get('token'))).toEqual([
      'refresh-1',
      'access-1',
      'access-files',
    ])
  })

  test.each([
    { name: 'an access token that cannot be revoked is no hindrance', of: 'access-1', error: 'unsupported_token_type', came: true },
    { name: 'nor is one that is dead already', of: 'access-1', error: 'invalid_token', came: true },
    { name: 'a refresh token that is not revoked is not', of: 'refresh-1', error: 'unsupported_token_type', came: false },
  ])('REQ-62: $name', async ({ of, error, came }) => {
    const { origin } = await listen(({ body }) => (body.toString().includes(of) ? json({ error }, 400) : {}))
    const revoked = oauthRefresh({ ...endpoints, revocationEndpoint: origin })
      .revoke?.(leaving())
      .then(
        () => true,
        () => false,
      )
    expect(await revoked).toBe(came)
  })

  test('REQ-64: in a way that outlives the page', async () => {
    const { fetch, calls } = recorder()
    await oauthRefresh(endpoints).revoke?.(leaving({ fetch }))
    const request = calls[0]?.request as Request
    expect(request).toMatchObject({
      keepalive: true,
      credentials: 'omit',
      redirect: 'error',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
    })
    expect([...request.headers.keys()].filter((name) => !safelisted.includes(name))).toEqual([])
  })

  test('REQ-64: tokens of which no more would outlive the page are revoked all the same', async () => {
    const revoked: string[] = []
    let onTheirWay = 0
    /** As browsers do it (Fetch, §4.6): no more than 64 KiB with `keepalive` at once. */
    const rationed: typeof fetch = async (_, init) => {
      const form = String(init?.body)
      if (init?.keepalive) onTheirWay += form.length
      if (init?.keepalive && onTheirWay > 65_536) throw new TypeError('Failed to fetch')
      revoked.push(new URLSearchParams(form).get('token')?.slice(0, 9) ?? '')
      return new Response()
    }
    const accessTokens = ['access-1', 'access-2', 'access-3'].map((name) => name.padEnd(30_000, '.'))
    await oauthRefresh(endpoints).revoke?.(leaving({ fetch: rationed, accessTokens }))
    expect(revoked.sort()).toEqual(['access-1.', 'access-2.', 'access-3.', 'refresh-1'])
  })

  test('REQ-62: a 503 means that the token is still alive', async () => {
    const { origin } = await listen(() => ({ status: 503 }))
    await expect(oauthRefresh({ ...endpoints, revocationEndpoint: origin }).revoke?.(leaving())).rejects.toHaveProperty('status', 503)
  })

  test('nothing is revoked where there is nothing to revoke it at', () => {
    const { tokenEndpoint, clientId } = endpoints
    expect(oauthRefresh({ tokenEndpoint, clientId })).not.toHaveProperty('revoke')
  })
})

test.each([
  { name: 'no token endpoint', options: { clientId: 'spa' }, option: '`tokenEndpoint`' },
  { name: 'an empty token endpoint', options: { tokenEndpoint: '', clientId: 'spa' }, option: '`tokenEndpoint`' },
  { name: 'no client', options: { tokenEndpoint: endpoints.tokenEndpoint }, option: '`clientId`' },
  { name: 'a client that is a number', options: { tokenEndpoint: endpoints.tokenEndpoint, clientId: 5 }, option: '`clientId`' },
])('$name is a TypeError that names $option', ({ options, option }) => {
  const make = () => oauthRefresh(options as never)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(option)
})

test('REQ-58: a session is known by its server and its client', () => {
  const ids = [endpoints, { ...endpoints, clientId: 'other' }, { ...endpoints, tokenEndpoint: 'https://other.example.com/token' }].map(
    (options) => oauthRefresh(options).id,
  )
  expect(new Set(ids).size).toBe(3)
})
