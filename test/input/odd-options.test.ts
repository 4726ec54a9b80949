import type { SessionOptions, TokenResponse } from 'latchkey'
import { type RefreshEndpointOptions, refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import { resolveOptions } from '../../src/options.ts'
import { minutes, scene, seconds, settled, storedIn } from '../simulated/scene.ts'

const refresh = async () => ({ access_token: 'a' })
const thrower = () => {
  throw new Error('odd')
}

test.each([
  { name: 'a symbol for a URL', attachTo: [{ url: Symbol('odd') }] },
  { name: 'a URL that no text can be made of', attachTo: [{ url: { toString: thrower } }] },
  { name: 'a symbol for a resource', attachTo: [{ url: '/api', resource: Symbol('odd') }] },
  { name: 'REQ-25: a resource with a fragment', attachTo: [{ url: '/api', resource: 'https://files.example.com/#all' }] },
  { name: 'a number for a resource', attachTo: [{ url: '/api', resource: 5 }] },
  { name: 'a list for a scope', attachTo: [{ url: '/api', scope: ['a', 'b'] }] },
  { name: 'a list with a hole', attachTo: Object.assign(Array(3), { 0: '/api', 2: '/v1' }) },
])('$name is refused by name', ({ attachTo }) => {
  const make = () => resolveOptions({ attachTo, refresh } as unknown as SessionOptions, 'https://app.example.com/')
  expect(make).toThrow(TypeError)
  expect(make).toThrow(/`(attachTo|resource|scope)`/)
})

describe('what can only fail at the first refresh, and passes for a broken network then, is refused when it is given', () => {
  test.each([
    { name: 'a body that is no function', options: { body: { grant: 'x' } } },
    { name: 'a parser that is no function', options: { parse: 'data' } },
    { name: 'a judge that is no function', options: { isRejected: [401] } },
    { name: 'a header against CSRF that is none', options: { refreshToken: 'cookie', csrf: null } },
    { name: 'a header against CSRF without a name', options: { refreshToken: 'cookie', csrf: { value: 'x' } } },
    { name: 'a logout that is no URL', options: { logout: true } },
  ])('$name', ({ options }) => {
    expect(() => refreshEndpoint('/refresh', options as unknown as RefreshEndpointOptions)).toThrow(TypeError)
    expect(() => refreshEndpoint('/refresh', options as unknown as RefreshEndpointOptions)).toThrow(
      /^`(body|parse|isRejected|csrf|logout)` must /,
    )
  })
})

test('a cookie against CSRF that is no URI component is repeated as it is', async () => {
  const bare = globalThis as { document?: unknown }
  bare.document = { cookie: 'csrf=100%-sure' }
  try {
    const headers: unknown[] = []
    const strategy = refreshEndpoint('https://api.example.com/refresh', {
      refreshToken: 'cookie',
      csrf: { header: 'X-CSRF', cookie: 'csrf' },
    })
    const fetch: typeof globalThis.fetch = async (_, init) => {
      headers.push(init?.headers)
      return Response.json({ access_token: 'a' })
    }
    const signal = new AbortController().signal
    await strategy.refresh({ refreshToken: null, resource: null, scope: null, binding: null, signal, fetch })
    expect(headers).toEqual([{ 'X-CSRF': '100%-sure' }])
  } finally {
    delete bare.document
  }
})

test.each([null, 5, {}, undefined, () => 'x'])(
  'F09: signed out for the reason %o: it is an end for all tabs, and stays one',
  async (reason) => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    await settled(s, s.tabs[0].session.signOut({ reason } as object))
    await s.advance(minutes(2))
    expect(storedIn(s)?.status).toBe('ended')
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-out')
  },
)

test('signOut never rejects, even for null', async () => {
  const s = scene()
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  expect((await settled(s, s.tabs[0].session.signOut(null as never))).error).toBeNull()
})

describe('F29, F37: what a refresh function throws may look like a response and be none', () => {
  test.each([
    { name: 'a response of superagent', thrown: { status: 503, headers: {}, text: 'down' } },
    { name: 'an error whose name is no text', thrown: { name: Symbol('odd') } },
  ])('$name: the session stays, its claim is given back, and the app sees what was thrown', async ({ thrown }) => {
    const s = scene({
      session: {
        refresh: async (): Promise<TokenResponse> => {
          throw thrown
        },
      },
    })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    const { code, error } = await settled(s, s.tabs[0].session.refresh())
    expect(code).toBe('refresh_unavailable')
    expect(storedIn(s)).toMatchObject({ status: 'active', claim: null, retry: { attempt: 1 } })
    expect((error as Error).cause).toBe(thrown)
  })
})
