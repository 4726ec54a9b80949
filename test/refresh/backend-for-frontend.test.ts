import { createSession, memoryStore, type Refresher } from 'latchkey'
import { type BackendForFrontendOptions, backendForFrontend } from 'latchkey/refresh'
import { describe, expect, onTestFinished, test } from 'vitest'
import { reveal } from '../../src/core/secret.ts'
import { recorder } from '../fetch/by-hand.ts'
import { json, listen } from '../fetch/listen.ts'
import { isSecret } from '../sightings.ts'
import { asking, leaving, outcome } from './asking.ts'

const backend = 'https://app.example.com'
const api = `${backend}/api/me`
const at = { session: `${backend}/bff/session`, logout: '/bff/logout' }

/** A page with these cookies until the test is done. */
function page(cookie: string): void {
  Object.defineProperty(globalThis, 'document', { value: { cookie, baseURI: `${backend}/` }, configurable: true })
  onTestFinished(() => void Reflect.deleteProperty(globalThis, 'document'))
}

/** How a call leaves, made with `init` by a session that is attached to the backend's API. */
async function sent(input: Parameters<typeof fetch>[0] = api, init?: RequestInit, options: Partial<BackendForFrontendOptions> = {}) {
  const { fetch, calls } = recorder(({ request }) => Response.json(request.url === at.session ? { expires_in: 300, sub: 'ann' } : {}))
  const session = createSession({
    attachTo: [`${backend}/api`],
    refresh: backendForFrontend({ ...at, ...options }),
    store: memoryStore(),
    fetch,
  })
  onTestFinished(session.close)
  await session.ready
  await session.fetch(input, init)
  return calls.at(-1)?.request as Request
}

describe('a listed request', () => {
  test('REQ-78: carries the cookie, a header that no form can send, and no token', async () => {
    const request = await sent()
    expect(request).toMatchObject({ credentials: 'include', mode: 'cors', method: 'GET' })
    expect([request.headers.get('X-Requested-With'), request.headers.get('Authorization')]).toEqual(['latchkey', null])
  })

  test('REQ-78: with a header of the app’s own', async () => {
    const { headers } = await sent(api, undefined, { csrf: { header: 'X-App', value: 'web' } })
    expect([headers.get('X-App'), headers.get('X-Requested-With')]).toEqual(['web', null])
  })

  test('is what the caller made of it', async () => {
    const { signal } = new AbortController()
    const headers = { Accept: 'text/plain', 'X-Requested-With': 'somebody' }
    const request = await sent(api, {
      method: 'PUT',
      body: 'a letter',
      mode: 'same-origin',
      cache: 'reload',
      keepalive: true,
      headers,
      signal,
    })
    expect(request).toMatchObject({ method: 'PUT', mode: 'same-origin', cache: 'reload', keepalive: true })
    expect([request.headers.get('Accept'), request.headers.get('X-Requested-With'), await request.text()]).toEqual([
      'text/plain',
      'latchkey',
      'a letter',
    ])
  })

  test('is what the caller made of it, as a Request, which says of the page what it said', async () => {
    const given = new Request(api, { method: 'POST', body: 'a letter', referrer: '', referrerPolicy: 'no-referrer', cache: 'no-cache' })
    const request = await sent(given)
    expect(request).toMatchObject({
      method: 'POST',
      referrer: '',
      referrerPolicy: 'no-referrer',
      cache: 'no-cache',
      credentials: 'include',
    })
    expect(await request.text()).toBe('a letter')
  })

  test('is what the caller made of it, with a body that flows', async () => {
    const body = new Blob(['a long letter']).stream()
    const request = await sent(api, { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect([await request.text(), request.headers.get('X-Requested-With')]).toEqual(['a long letter', 'latchkey'])
  })

  test('goes without the cookie where the caller says so', async () => {
    expect(await sent(api, { credentials: 'omit' })).toHaveProperty('credentials', 'omit')
  })

  test.each([
    { redirect: undefined, is: 'error' },
    { redirect: 'follow', is: 'error' },
    { redirect: 'manual', is: 'manual' },
  ] as const)('REQ-80: told to $redirect redirects, is sent with $is', async ({ redirect, is }) => {
    expect(await sent(api, redirect && { redirect })).toHaveProperty('redirect', is)
  })

  test('REQ-80: is not followed to another origin', async () => {
    const elsewhere = await listen(() => json({}))
    const { origin } = await listen(({ url }) =>
      url === '/session' ? json({ expires_in: 300 }) : { status: 307, headers: { Location: elsewhere.origin } },
    )
    const refresh = backendForFrontend({ session: `${origin}/session`, logout: '/logout' })
    const session = createSession({ attachTo: [`${origin}/api`], refresh, store: memoryStore() })
    onTestFinished(session.close)
    await session.ready
    await expect(session.fetch(`${origin}/api/me`)).rejects.toThrow(TypeError)
    expect(elsewhere.seen).toEqual([])
  })

  test('the caller’s signal ends it', async () => {
    const { fetch } = recorder(({ request }) =>
      request.url === at.session
        ? Response.json({ expires_in: 300 })
        : new Promise((_, reject) => request.signal.addEventListener('abort', () => reject(request.signal.reason))),
    )
    const session = createSession({ attachTo: [`${backend}/api`], refresh: backendForFrontend(at), store: memoryStore(), fetch })
    onTestFinished(session.close)
    await session.ready
    const caller = new AbortController()
    const call = session.fetch(api, { signal: caller.signal })
    caller.abort(new Error('enough'))
    await expect(call).rejects.toThrow('enough')
  })
})

test.each([
  `${backend}/apis`,
  `${backend}/`,
  'https://evil.example/api',
  `${backend}:8443/api`,
  'https://app.example.com.evil.example/api',
])('F62, REQ-80: %s is not listed: no cookie is asked for, and no header is added', async (url) => {
  const request = await sent(url)
  expect([request.credentials, request.redirect, [...request.headers]]).toEqual(['same-origin', 'follow', []])
})

test('REQ-79: a header repeats a cookie that is read when it is sent, everywhere', async () => {
  const { fetch, calls } = recorder(() => Response.json({ expires_in: 300 }))
  const strategy = backendForFrontend({ ...at, csrf: { header: 'X-CSRF', cookie: '__Host-csrf' } })
  page('__Host-csrf=1')
  await strategy.refresh(asking({ fetch, refreshToken: null }))
  page('a=b; __Host-csrf=2')
  await strategy.send?.(new Request(api), { accessToken: null, binding: null, isRepeatable: true, refused: null, fetch })
  page('__Host-csrf=3')
  await strategy.revoke?.(leaving({ fetch, refreshToken: null }))
  expect(calls.map(({ request }) => request.headers.get('X-CSRF'))).toEqual(['1', '2', '3'])
})

test('REQ-76: a strategy of one’s own that presents a cookie and sends requests itself is given no token', async () => {
  const given: unknown[] = []
  const { fetch } = recorder()
  const refresh: Refresher = {
    id: 'own',
    presents: 'cookie',
    refresh: async () => Response.json({ expires_in: 300, access_token: isSecret('given-away') }),
    send: async (_, { accessToken }) => Response.json(given.push(accessToken)),
  }
  const session = createSession({ attachTo: [`${backend}/api`], refresh, store: memoryStore(), fetch })
  onTestFinished(session.close)
  await session.ready
  await session.fetch(api)
  expect(given).toEqual([null])
})

describe('keeping the session alive', () => {
  test('REQ-81: is a POST with the cookie and the header, without a body, which nobody caches or follows', async () => {
    const { fetch, calls } = recorder(() => Response.json({ expires_in: 300 }))
    await backendForFrontend(at).refresh(asking({ fetch, refreshToken: null }))
    const { request } = calls[0]!
    expect(request).toMatchObject({
      method: 'POST',
      url: at.session,
      credentials: 'include',
      cache: 'no-store',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    })
    expect([request.headers.get('X-Requested-With'), await request.text()]).toEqual(['latchkey', ''])
  })

  test.each([
    { name: 'how long, and who', answer: { expires_in: 300, sub: 'ann' }, lasts: 300_000, subject: 'ann' },
    { name: 'how long', answer: { expires_in: 300 }, lasts: 300_000, subject: null },
    { name: 'how long, as a text', answer: { expires_in: '300', sub: null }, lasts: 300_000, subject: null },
    { name: 'who', answer: { sub: 'ann' }, lasts: null, subject: 'ann' },
    { name: 'nothing', answer: {}, lasts: null, subject: null },
  ])('says $name', async ({ answer, lasts, subject }) => {
    const { fetch } = recorder(() => Response.json(answer))
    expect(await outcome(backendForFrontend(at), asking({ fetch }))).toMatchObject({ type: 'granted', issued: { lasts, subject } })
  })

  test('REQ-76: of a backend that gives tokens away all the same, none is kept', async () => {
    const token = isSecret('given-away')
    const { fetch } = recorder(() =>
      Response.json({ access_token: token, refresh_token: token, id_token: token, expires_in: 60, sub: 'ann' }),
    )
    const found = await outcome(backendForFrontend(at), asking({ fetch }))
    if (found.type !== 'granted') throw new Error(found.type)
    expect(reveal(found.issued.accessToken)).toBe('')
    expect(found.issued).toMatchObject({ refreshToken: null, lasts: 60_000, subject: 'ann' })
  })

  test.each([
    { name: 'a 401: there is no session', status: 401, body: '{}', type: 'rejected' },
    { name: 'a 401 with nothing in it', status: 401, body: '', type: 'rejected' },
    { name: 'F29: a 401 of a gateway', status: 401, body: '<html>', type: 'unavailable' },
    { name: 'F30: a 403, of a check against CSRF', status: 403, body: '{}', type: 'unavailable' },
    { name: 'F30: a 503', status: 503, body: '{}', type: 'unavailable' },
    { name: 'F29: a login page', status: 200, body: '<html>', type: 'unavailable' },
    { name: 'a number for a subject', status: 200, body: '{"expires_in":300,"sub":5}', type: 'unavailable' },
    { name: 'a number', status: 200, body: '5', type: 'unavailable' },
  ])('$name is $type', async ({ status, body, type }) => {
    const { fetch } = recorder(() => new Response(body, { status }))
    expect(await outcome(backendForFrontend(at), asking({ fetch }))).toHaveProperty('type', type)
  })

  test('that says otherwise than with a 401 that there is no session is understood with `isRejected`', async () => {
    const isRejected = (status: number, answer: unknown) => status === 419 || (answer as { ok?: boolean } | undefined)?.ok === false
    const found = async (answer: Response) =>
      (await outcome(backendForFrontend({ ...at, isRejected }), asking({ fetch: recorder(() => answer).fetch }))).type
    expect(await found(new Response('', { status: 419 }))).toBe('rejected')
    expect(await found(Response.json({ ok: false }))).toBe('rejected')
    expect(await found(Response.json({ expires_in: 300 }))).toBe('granted')
    expect(await found(new Response('', { status: 401 }))).toBe('unavailable')
    expect(() => backendForFrontend({ ...at, isRejected: true as never })).toThrow(TypeError)
  })
})

describe('REQ-61: at sign-out', () => {
  test('REQ-81: the backend is told so, by a POST with the cookie and the header that outlives the page', async () => {
    const { fetch, calls } = recorder()
    await backendForFrontend(at).revoke?.(leaving({ fetch, refreshToken: null }))
    const { request } = calls[0]!
    expect(request).toMatchObject({ method: 'POST', url: `${backend}/bff/logout`, credentials: 'include', keepalive: true })
    expect([request.headers.get('X-Requested-With'), await request.text()]).toEqual(['latchkey', ''])
  })

  test.each([503, 403, 404])('a %d has confirmed nothing', async (status) => {
    const { fetch } = recorder(() => new Response(null, { status }))
    await expect(backendForFrontend(at).revoke?.(leaving({ fetch }))).rejects.toHaveProperty('status', status)
  })
})

test('is known by the address of its session, and presents a cookie', () => {
  expect(backendForFrontend(at)).toMatchObject({ id: at.session, presents: 'cookie' })
})

test.each([
  { name: 'no address of the session', options: { logout: '/out' }, option: '`session`' },
  { name: 'an empty one', options: { session: '', logout: '/out' }, option: '`session`' },
  { name: 'no address to sign out at', options: { session: '/session' }, option: '`logout`' },
  { name: 'one that is no text', options: { session: '/session', logout: true }, option: '`logout`' },
  { name: 'no header against CSRF', options: { ...at, csrf: null }, option: '`csrf`' },
  { name: 'a header against CSRF without a name', options: { ...at, csrf: { value: 'x' } }, option: '`csrf`' },
  { name: 'a header against CSRF that says nothing', options: { ...at, csrf: { header: 'X' } }, option: '`csrf`' },
])('$name is a TypeError that names $option', ({ options, option }) => {
  const make = () => backendForFrontend(options as unknown as BackendForFrontendOptions)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(option)
})
