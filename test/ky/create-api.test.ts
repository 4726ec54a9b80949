import ky, { type KyInstance, type Options, replaceOption } from 'ky'
import { LatchkeyError } from 'latchkey'
import { createApi } from 'latchkey/ky'
import { describe, expect, test } from 'vitest'
import { byHand } from '../fetch/by-hand.ts'
import { type Answer, json, listen } from '../fetch/listen.ts'

/** ky on a session made by hand, on a server that gives these answers, and the last one again and again. */
async function start(answers: readonly Answer[], options?: Parameters<typeof createApi>[1]) {
  const { origin, seen } = await listen((_, count) => answers[Math.min(count, answers.length) - 1] as Answer)
  const session = byHand({ attachTo: [origin], underneath: globalThis.fetch })
  return { origin, seen, refusals: session.refusals, api: createApi(session, { baseUrl: `${origin}/v1/`, ...options }) }
}

const busy: Answer = { status: 503, headers: { 'Retry-After': '0' } }
const refused: Answer = { status: 401, body: 'no' }
const fine = json({ name: 'Ann' })
const tokensSent = (seen: readonly { readonly headers: { readonly authorization?: string | undefined } }[]) =>
  seen.map(({ headers }) => headers.authorization)

test.each([undefined, null, {}, { baseUrl: 'https://api.example.com/' }])('it must be given a session: %o is none', (none) => {
  expect(() => createApi(none as never)).toThrow(new TypeError('`createApi` must be given a session first: createApi(session, options).'))
})

describe('what an app gets from ky is there', () => {
  test('a base URL, JSON, and the session’s token', async () => {
    const { api, seen } = await start([fine])
    expect(await api('me').json()).toEqual({ name: 'Ann' })
    expect(seen.map(({ url, headers }) => [url, headers.authorization])).toEqual([['/v1/me', 'Bearer token-1']])
  })

  test('a prefix', async () => {
    const { origin, seen } = await listen(() => fine)
    await createApi(byHand({ attachTo: [origin], underneath: globalThis.fetch }), { prefix: `${origin}/v2` })('me')
    expect(seen.map(({ url }) => url)).toEqual(['/v2/me'])
  })

  test('JSON to send', async () => {
    const { api, seen } = await start([fine])
    await api.post('me', { json: { name: 'Bob' } })
    expect(seen.map(({ method, body, headers }) => [method, body.toString(), headers['content-type']])).toEqual([
      ['POST', '{"name":"Bob"}', 'application/json'],
    ])
  })

  test('retries of what a server was too busy for, when it says', async () => {
    const { api, seen } = await start([busy, { status: 429, headers: { 'Retry-After': '0' } }, fine])
    expect(await api('me').json()).toEqual({ name: 'Ann' })
    expect(seen.length).toBe(3)
  })

  test('as many as the app says', async () => {
    const { api, seen } = await start([busy], { retry: 1 })
    await expect(api('me')).rejects.toHaveProperty('response.status', 503)
    expect(seen.length).toBe(2)
  })

  test('the app’s own judgment of what is tried again', async () => {
    const teapot: Answer = { status: 418 }
    const { api, seen } = await start([teapot, busy, fine], {
      retry: { delay: () => 0, shouldRetry: ({ error }) => String(error).includes('418') },
    })
    await expect(api('me')).rejects.toHaveProperty('response.status', 503)
    expect(seen.length).toBe(2)
  })

  test('half a minute, in which the wait for a token is counted', async () => {
    const timeouts: unknown[] = []
    const { api } = await start([fine], { hooks: { init: [({ timeout }) => void timeouts.push(timeout)] } })
    await api('me')
    await api('me', { timeout: 5_000 })
    expect(timeouts).toEqual([30_000, 5_000])
  })
})

describe('a 401 is the session’s', () => {
  test('which tries again with another token', async () => {
    const { api, seen } = await start([refused, fine])
    expect(await api('me').json()).toEqual({ name: 'Ann' })
    expect(tokensSent(seen)).toEqual(['Bearer token-1', 'Bearer token-2'])
  })

  test('F53: which does so once, and ky not at all', async () => {
    const { api, seen, refusals } = await start([refused])
    await expect(api('me')).rejects.toMatchObject({ name: 'HTTPError', response: { status: 401 }, data: 'no' })
    expect([seen.length, refusals.length]).toEqual([2, 1])
  })

  test('F77: with the body that was sent first', async () => {
    const { api, seen } = await start([refused, fine])
    await api.post('orders', { json: { of: 'one' } })
    expect(seen.map(({ body }) => body.toString())).toEqual(['{"of":"one"}', '{"of":"one"}'])
  })

  test('and what ky tries again after it begins with the new token: the attempts do not multiply', async () => {
    const { api, seen, refusals } = await start([refused, busy], { retry: 2 })
    await expect(api('me')).rejects.toHaveProperty('response.status', 503)
    expect(tokensSent(seen)).toEqual(['Bearer token-1', 'Bearer token-2', 'Bearer token-2', 'Bearer token-2'])
    expect(refusals.length).toBe(1)
  })
})

test('F85, REQ-60: a POST is not sent again, whatever becomes of it', async () => {
  for (const answer of [busy, { status: 500 }, { status: 429 }]) {
    const { api, seen } = await start([answer])
    await expect(api.post('orders', { json: { of: 'one' } })).rejects.toHaveProperty('response.status', answer.status)
    expect(seen.length).toBe(1)
  }
})

describe('an error of the session passes through, and is not tried again', () => {
  const codes = ['signed_out', 'session_ended', 'refresh_unavailable', 'closed'] as const
  test.each(codes)('%s', async (code) => {
    let calls = 0
    const error = new LatchkeyError(code, 'Not now.')
    const fetch = async () => {
      calls++
      throw error
    }
    for (const retry of [0, 5, { shouldRetry: () => true, delay: () => 0 }, { shouldRetry: () => undefined }]) {
      await expect(createApi({ fetch }, { retry })('https://api.example.com/me')).rejects.toBe(error)
    }
    expect(calls).toBe(4)
  })
})

/** Where an app can say more after `createApi`. */
const later: readonly { readonly way: string; readonly ask: (api: KyInstance, url: string, options: Options) => Promise<Response> }[] = [
  { way: 'a call', ask: (api, url, options) => api(url, options) },
  { way: 'a call by method', ask: (api, url, options) => api.get(url, options) },
  { way: 'extend', ask: (api, url, options) => api.extend(options)(url) },
  { way: 'extend, of all there was', ask: (api, url, options) => api.extend((all) => ({ ...all, ...options })).put(url) },
  { way: 'create', ask: (api, url, options) => api.create(options)(url) },
  { way: 'an init hook', ask: (api, url, options) => api(url, { hooks: { init: [(all) => void Object.assign(all, options)] } }) },
  {
    way: 'a call that takes all hooks away',
    ask: (api, url, options) => api(url, { ...options, hooks: replaceOption({ ...options.hooks }) }),
  },
]

describe.each(later)('what $way says later', ({ ask }) => {
  const soon = { limit: 2, delay: () => 0 }
  const insisting: Options = { retry: { ...soon, shouldRetry: () => true } }

  test('F53: does not have ky try a 401 again', async () => {
    const { api, origin, seen, refusals } = await start([refused])
    await expect(ask(api, `${origin}/me`, insisting)).rejects.toHaveProperty('response.status', 401)
    expect([tokensSent(seen), refusals.length]).toEqual([['Bearer token-1', 'Bearer token-2'], 1])
  })

  test('F53: nor by a hook, which is told so', async () => {
    const { api, origin, seen } = await start([refused])
    const options: Options = {
      retry: soon,
      hooks: { afterResponse: [({ response }) => (response.status === 401 ? api.retry() : response)] },
    }
    const error = await ask(api, `${origin}/me`, options).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toContain('after a 401')
    expect(seen.length).toBe(2)
  })

  test('F53: nor by a hook that changes what is retried', async () => {
    const { api, origin, seen } = await start([refused])
    const change = ({ options: { retry } }: { readonly options: { readonly retry: object } }) =>
      void Object.assign(retry, { shouldRetry: () => true })
    await expect(ask(api, `${origin}/me`, { retry: soon, hooks: { beforeRequest: [change] } })).rejects.toThrow('after a 401')
    expect(seen.length).toBe(2)
  })

  test('does not have ky ask again what the session has refused', async () => {
    let calls = 0
    const error = new LatchkeyError('signed_out', 'Not now.')
    const fetch = async () => {
      calls++
      throw error
    }
    await expect(ask(createApi({ fetch }), 'https://api.example.com/me', insisting)).rejects.toBe(error)
    expect(calls).toBe(1)
  })

  test.each([
    { name: 'a fetch', options: { fetch: globalThis.fetch }, option: '`fetch`' },
    { name: 'a 401 to be tried again', options: { retry: { ...soon, statusCodes: [401] } }, option: '`retry.statusCodes`' },
  ])('is a TypeError before anything is sent, if it is $name', async ({ options, option }) => {
    const { api, origin, seen } = await start([refused])
    const error = await (async () => ask(api, `${origin}/me`, options))().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).toContain(option)
    expect(seen).toEqual([])
  })

  test('holds for all else, with the session’s token', async () => {
    const { api, origin, seen } = await start([{ status: 418 }, busy, fine])
    const response = await ask(api, `${origin}/me`, { ...insisting, headers: { 'X-Way': 'later' }, fetch: undefined } as object)
    expect(await response.json()).toEqual({ name: 'Ann' })
    expect(seen.map(({ headers }) => [headers.authorization, headers['x-way']])).toEqual(Array(3).fill(['Bearer token-1', 'later']))
  })
})

test('all that a ky instance has is there', async () => {
  const { api } = await start([fine])
  expect(Object.keys(api).sort()).toEqual(Object.keys(ky).sort())
  expect([api.stop, api.retry]).toEqual([ky.stop, ky.retry])
})

test('each method is the one that is sent', async () => {
  const { api, seen } = await start([fine])
  for (const method of ['get', 'post', 'put', 'patch', 'delete'] as const) await api[method]('me')
  expect(seen.map(({ method }) => method)).toEqual(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
})

test('F77: a stream that is sent again, by the session or by ky, is sent whole', async () => {
  const { api, seen } = await start([refused, busy, fine])
  await api.put('file', { body: new Blob(['all of it']).stream() })
  expect(seen.map(({ body }) => body.toString())).toEqual(Array(3).fill('all of it'))
})

test.each([
  { name: 'a fetch of its own', options: { fetch: globalThis.fetch }, option: '`fetch`' },
  { name: 'a 401 to be tried again', options: { retry: { statusCodes: [401, 503] } }, option: '`retry.statusCodes`' },
])('$name is a TypeError that names $option', ({ options, option }) => {
  const make = () => createApi({ fetch: globalThis.fetch }, options)
  expect(make).toThrow(TypeError)
  expect(make).toThrow(option)
})
