import { createSession, memoryStore } from 'latchkey'
import { type RefreshEndpointOptions, refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, onTestFinished, test } from 'vitest'
import { recorder } from '../fetch/by-hand.ts'
import { json, listen } from '../fetch/listen.ts'
import { asking, leaving, outcome } from './asking.ts'

const tokens = () => json({ access_token: 'access-2' })
const url = 'https://api.example.com/auth/refresh'

/** A page with these cookies, and at this address, until the test is done. */
function page(cookie: string, baseURI = 'https://app.example.com/inbox/'): void {
  const document = { cookie, baseURI }
  Object.defineProperty(globalThis, 'document', { value: document, configurable: true })
  onTestFinished(() => void Reflect.deleteProperty(globalThis, 'document'))
}

/** How a refresh leaves that is made with `options`. */
async function sent(options?: RefreshEndpointOptions): Promise<Request> {
  const { fetch, calls } = recorder(() => Response.json({ access_token: 'a' }))
  await refreshEndpoint(url, options).refresh(asking({ fetch }))
  return calls[0]?.request as Request
}

describe('a refresh with the token in the body', () => {
  test('arrives as JSON, without cookies of another origin', async () => {
    const { origin, seen } = await listen(tokens)
    expect(await outcome(refreshEndpoint(`${origin}/refresh`))).toHaveProperty('type', 'granted')
    expect(seen.map(({ method, url, body, headers }) => [method, url, body.toString(), headers['content-type']])).toEqual([
      ['POST', '/refresh', '{"refreshToken":"refresh-1"}', 'application/json'],
    ])
    expect(seen[0]?.headers).not.toHaveProperty('x-requested-with')
  })

  test('is built as the app says', async () => {
    const body = (token: string) => ({ query: 'mutation', variables: { token } })
    expect(await (await sent({ body })).json()).toEqual({ query: 'mutation', variables: { token: 'refresh-1' } })
  })

  test('REQ-21, REQ-24, REQ-28: is cached nowhere, followed nowhere, and says nothing of the page', async () => {
    expect(await sent()).toMatchObject({ cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer', credentials: 'same-origin' })
  })

  test('REQ-21: is not followed to another origin', async () => {
    const elsewhere = await listen(tokens)
    const { origin } = await listen(() => ({ status: 307, headers: { Location: `${elsewhere.origin}/` } }))
    expect(await outcome(refreshEndpoint(origin))).toMatchObject({ type: 'unavailable', answered: false })
    expect(elsewhere.seen).toEqual([])
  })

  test('ends with the signal of the session', async () => {
    const { origin } = await listen(tokens)
    const signal = AbortSignal.abort()
    expect(await outcome(refreshEndpoint(origin), asking({ signal }))).toEqual({
      type: 'unavailable',
      answered: false,
      wait: null,
      denied: false,
      cause: signal.reason,
    })
  })
})

describe('a refresh with the token in a cookie', () => {
  test('REQ-78, REQ-81: is a POST, arrives without a body, with cookies, and with a header that no form can send', async () => {
    const { origin, seen } = await listen(tokens)
    await refreshEndpoint(origin, { refreshToken: 'cookie' }).refresh(asking({ refreshToken: null }))
    expect(seen.map(({ method, body, headers }) => [method, body.length, headers['x-requested-with'], headers['content-type']])).toEqual([
      ['POST', 0, 'latchkey', undefined],
    ])
    expect(await sent({ refreshToken: 'cookie' })).toMatchObject({ credentials: 'include', redirect: 'error', cache: 'no-store' })
  })

  test('REQ-78: with a header of the app’s own', async () => {
    const { headers } = await sent({ refreshToken: 'cookie', csrf: { header: 'X-App', value: 'web' } })
    expect([headers.get('X-App'), headers.get('X-Requested-With')]).toEqual(['web', null])
  })

  test.each([
    { name: 'among others', cookie: 'a=1; __Host-csrf=t0k%3Den; b=2', value: 't0k=en' },
    { name: 'alone', cookie: '__Host-csrf=x', value: 'x' },
    { name: 'with a sign in it', cookie: '__Host-csrf=a=b==', value: 'a=b==' },
    { name: 'not there', cookie: 'x__Host-csrf=1; a=__Host-csrf=2', value: '' },
  ])('REQ-79: with a header that repeats a cookie, $name', async ({ cookie, value }) => {
    page(cookie)
    const { headers } = await sent({ refreshToken: 'cookie', csrf: { header: 'X-CSRF', cookie: '__Host-csrf' } })
    expect(headers.get('X-CSRF')).toBe(value)
  })

  test('F48: in a worker, which can read no cookie, it says so', async () => {
    await expect(sent({ refreshToken: 'cookie', csrf: { header: 'X-CSRF', cookie: 'csrf' } })).rejects.toThrow(
      new TypeError('Only a page can read cookies: in a worker `csrf` must have a `value`.'),
    )
  })

  test('REQ-79: which is read when it is sent', async () => {
    const { fetch, calls } = recorder(() => Response.json({ access_token: 'a' }))
    const strategy = refreshEndpoint(url, { refreshToken: 'cookie', csrf: { header: 'X-CSRF', cookie: 'csrf' } })
    for (const cookie of ['csrf=1', 'csrf=2']) {
      page(cookie)
      await strategy.refresh(asking({ fetch }))
    }
    expect(calls.map(({ request }) => request.headers.get('X-CSRF'))).toEqual(['1', '2'])
  })
})

describe('tokens are found', () => {
  test.each([
    { name: 'at the top', answer: { access_token: 'a' } },
    { name: 'in camel case', answer: { accessToken: 'a' } },
    { name: 'in data', answer: { data: { accessToken: 'a' } } },
    { name: 'beside data about something else', answer: { access_token: 'a', data: { user: 'ann' } } },
    { name: 'beside data that is a list', answer: { access_token: 'a', data: [] } },
    { name: 'in tokens, beside data about something else', answer: { data: { user: 'ann' }, tokens: { access_token: 'a' } } },
    { name: 'in tokens', answer: { tokens: { access_token: 'a' }, user: 1 } },
  ])('$name', async ({ answer }) => {
    const { fetch } = recorder(() => Response.json(answer))
    expect(await outcome(refreshEndpoint(url), asking({ fetch }))).toHaveProperty('type', 'granted')
  })

  test('where the app says', async () => {
    const { fetch } = recorder(() => Response.json({ result: ['a', 60] }))
    const parse = (found: unknown) => {
      const [accessToken = '', expiresIn] = (found as { result: [string, number] }).result
      return { accessToken, expiresIn }
    }
    expect(await outcome(refreshEndpoint(url, { parse }), asking({ fetch }))).toMatchObject({ type: 'granted', issued: { lasts: 60_000 } })
  })

  test('and if that fails, the server has answered all the same: the token is not presented at once again', async () => {
    const { fetch } = recorder(() => Response.json({}))
    const parse = (found: unknown) => (found as { data: { tokens: never } }).data.tokens
    const found = await outcome(refreshEndpoint(url, { parse }), asking({ fetch }))
    expect(found).toMatchObject({
      type: 'unavailable',
      answered: true,
      cause: { message: expect.stringContaining('`parse`'), cause: expect.any(TypeError) },
    })
  })

  test.each([{ answer: null }, { answer: [] }, { answer: 'tokens' }, { answer: { data: null } }, { answer: { data: 5 } }])(
    'not in $answer',
    async ({ answer }) => {
      const { fetch } = recorder(() => Response.json(answer))
      expect(await outcome(refreshEndpoint(url), asking({ fetch }))).toMatchObject({ type: 'unavailable', answered: true })
    },
  )
})

describe('F29: a refusal for good', () => {
  const answering = (status: number, body: unknown) => recorder(() => Response.json(body, { status })).fetch

  test.each([
    { name: 'is a 401 that is no web page', status: 401, body: {}, type: 'rejected' },
    { name: 'is invalid_grant', status: 400, body: { error: 'invalid_grant' }, type: 'rejected' },
    { name: 'is not a 403', status: 403, body: {}, type: 'unavailable' },
  ])('$name', async ({ status, body, type }) => {
    expect(await outcome(refreshEndpoint(url), asking({ fetch: answering(status, body) }))).toHaveProperty('type', type)
  })

  test.each([
    { name: 'by the status', status: 403, body: {}, type: 'rejected' },
    { name: 'by what is in it', status: 200, body: { ok: false }, type: 'rejected' },
    { name: 'not by the status that we would have gone by', status: 401, body: { error: 'invalid_grant' }, type: 'unavailable' },
  ])('is what the app says, $name', async ({ status, body, type }) => {
    const isRejected = (found: number, answer: unknown) => found === 403 || (answer as { ok?: boolean }).ok === false
    expect(await outcome(refreshEndpoint(url, { isRejected }), asking({ fetch: answering(status, body) }))).toHaveProperty('type', type)
  })

  test('the app is told that a body is no JSON', async () => {
    const asked: unknown[] = []
    const isRejected = (...answer: unknown[]) => asked.push(answer) < 0
    await outcome(refreshEndpoint(url, { isRejected }), asking({ fetch: recorder(() => new Response('<p>')).fetch }))
    expect(asked).toEqual([[200, undefined]])
  })
})

describe('REQ-61: at sign-out', () => {
  test('nothing is called unless the app says what', () => {
    expect(refreshEndpoint(url)).not.toHaveProperty('revoke')
  })

  test.each([
    { name: 'a path', url: 'https://api.example.com/auth/refresh', logout: '/logout', is: 'https://api.example.com/logout' },
    {
      name: 'beside the refresh endpoint',
      url: 'https://api.example.com/auth/refresh',
      logout: 'logout',
      is: 'https://api.example.com/auth/logout',
    },
    {
      name: 'elsewhere',
      url: 'https://api.example.com/auth/refresh',
      logout: 'https://id.example.com/out',
      is: 'https://id.example.com/out',
    },
    { name: 'a path on the page’s origin', url: '/auth/refresh', logout: '/auth/logout', is: 'https://app.example.com/auth/logout' },
    {
      name: 'beside a refresh endpoint on the page’s origin',
      url: '/auth/refresh',
      logout: 'logout',
      is: 'https://app.example.com/auth/logout',
    },
    {
      name: 'beside a refresh endpoint that is beside the page',
      url: 'auth/refresh',
      logout: 'logout',
      is: 'https://app.example.com/inbox/auth/logout',
    },
  ])('$name is called', async ({ url, logout, is }) => {
    page('')
    const { fetch, calls } = recorder()
    await refreshEndpoint(url, { logout }).revoke?.(leaving({ fetch }))
    expect(calls.map(({ request }) => [request.method, request.url, request.keepalive])).toEqual([['POST', is, true]])
  })

  test('with the token in the body', async () => {
    const { origin, seen } = await listen(() => ({ status: 204 }))
    await refreshEndpoint(`${origin}/refresh`, { logout: '/logout' }).revoke?.(leaving())
    expect(seen.map(({ url, body }) => [url, body.toString()])).toEqual([['/logout', '{"refreshToken":"refresh-1"}']])
  })

  test('REQ-81: by a POST with the cookie, and the header against CSRF', async () => {
    const { fetch, calls } = recorder()
    await refreshEndpoint(url, { refreshToken: 'cookie', logout: '/logout' }).revoke?.(leaving({ fetch }))
    const request = calls[0]?.request as Request
    expect(request.method).toBe('POST')
    expect([request.credentials, request.headers.get('X-Requested-With'), await request.text()]).toEqual(['include', 'latchkey', ''])
  })

  test('REQ-130: of a server that never answers nothing is hoped for after ten seconds, and the request is given up', async () => {
    const asked: AbortSignal[] = []
    const silently: typeof fetch = (_, init) =>
      new Promise((_, reject) => {
        if (init?.signal) asked.push(init.signal)
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    const refresh = refreshEndpoint(url, { logout: '/logout' })
    const session = createSession({ attachTo: [], refresh, store: memoryStore(), fetch: silently, keepFresh: 'on-demand' })
    onTestFinished(session.close)
    await session.signIn({ access_token: 'access-1', refresh_token: 'refresh-1', expires_in: 300 })
    const begun = performance.now()
    expect(await session.signOut()).toEqual({ revoked: false })
    expect(performance.now() - begun).toBeGreaterThan(9_000)
    await expect.poll(() => asked.map(({ aborted }) => aborted)).toContain(true)
  }, 30_000)

  test.each([503, 500, 404])('REQ-62: a %d has confirmed nothing', async (status) => {
    const { origin } = await listen(() => ({ status }))
    await expect(refreshEndpoint(origin, { logout: '/logout' }).revoke?.(leaving())).rejects.toHaveProperty('status', status)
  })
})

test.each([
  { name: 'no address', make: () => refreshEndpoint(''), option: '`url`' },
  { name: 'an address that is no text', make: () => refreshEndpoint(undefined as never), option: '`url`' },
  {
    name: 'a place for the token that there is not',
    make: () => refreshEndpoint(url, { refreshToken: 'header' as never }),
    option: '`refreshToken`',
  },
])('$name is a TypeError that names $option', ({ make, option }) => {
  expect(make).toThrow(TypeError)
  expect(make).toThrow(option)
})

test('a session is known by the address that it refreshes at', () => {
  expect(refreshEndpoint(url)).toMatchObject({ id: url, presents: 'refresh-token' })
  expect(refreshEndpoint(url, { refreshToken: 'cookie' })).toMatchObject({ id: url, presents: 'cookie' })
})
