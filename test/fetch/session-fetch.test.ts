import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { LatchkeyError } from '../../src/errors.ts'
import type { Grips } from '../../src/fetch/session-fetch.ts'
import { unhandledIn } from '../simulated/failures/by-hand.ts'
import { api, authorizations, byHand, type Call, recorder, refusal } from './by-hand.ts'
import { type Answer, listen, type Seen } from './listen.ts'

type Fetch = typeof globalThis.fetch
type Arguments = Parameters<Fetch>

const later = <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(resolve, value))
/** A token that comes late. */
const held = (): Partial<Grips> => ({
  take: () => later({ token: 'late', binding: null, generation: 1, session: 's', signal: new AbortController().signal }),
})
const unsettled = () => new Promise<never>(() => {})

/** A Response as a network gives it: with a URL, and perhaps from somewhere else. */
const answered = (response: Response, url: string, redirected = false): Response =>
  Object.defineProperties(response, { url: { value: url }, redirected: { value: redirected } })

const sessionEnded = new LatchkeyError('session_ended', 'It is over.', { reason: 'signed-out' })

describe('F78, REQ-18: what the server sees is what native fetch sends, and one header', () => {
  const post = { method: 'POST', body: 'body' }
  class Carrier {
    method = 'PUT'
    get headers() {
      return { 'X-Own': '1' }
    }
  }
  const shapes: readonly { name: string; make: (url: string) => Arguments; own?: string }[] = [
    { name: 'a string', make: (url) => [url] },
    { name: 'a URL', make: (url) => [new URL(url)] },
    { name: 'a Request', make: (url) => [new Request(url)] },
    { name: 'a string and an empty init', make: (url) => [url, {}] },
    { name: 'headers as an object', make: (url) => [url, { headers: { 'X-Own': '1', 'Content-Type': 'text/x' } }] },
    { name: 'headers as Headers', make: (url) => [url, { headers: new Headers({ 'X-Own': '1' }) }] },
    {
      name: 'headers as tuples, one of them twice',
      make: (url) => [
        url,
        {
          headers: [
            ['X-Own', '1'],
            ['X-Own', '2'],
          ],
        },
      ],
    },
    { name: 'headers that can be read once', make: (url) => [url, { headers: new Map([['X-Own', '1']]).entries() as never }] },
    {
      name: 'the caller’s own Authorization in headers that can be read once',
      make: (url) => [url, { headers: new Headers({ Authorization: 'Basic x', 'X-Own': '1' }).entries() as never }],
      own: 'Basic x',
    },
    { name: 'a Request with headers', make: (url) => [new Request(url, { headers: { 'X-Own': '1' } })] },
    {
      name: 'a Request with headers, and an init with others',
      make: (url) => [new Request(url, { headers: { 'X-Own': '1' } }), { headers: { 'X-Other': '2' } }],
    },
    {
      name: 'a Request with headers, and an init without',
      make: (url) => [new Request(url, { headers: { 'X-Own': '1' } }), { method: 'DELETE' }],
    },
    { name: 'a method and a body in the init', make: (url) => [url, post] },
    { name: 'a method and a body in the Request', make: (url) => [new Request(url, post)] },
    { name: 'a Request with a body, and an init with another', make: (url) => [new Request(url, post), { body: 'other' }] },
    { name: 'keepalive', make: (url) => [url, { ...post, keepalive: true }] },
    { name: 'a mode and credentials', make: (url) => [url, { mode: 'cors', credentials: 'include', cache: 'no-store' }] },
    {
      name: 'a Request with a mode and credentials',
      make: (url) => [new Request(url, { mode: 'same-origin', credentials: 'omit', redirect: 'manual' })],
    },
    {
      name: 'a Request that says nothing of its referrer',
      make: (url) => [new Request(url, { referrer: '', referrerPolicy: 'no-referrer' })],
    },
    {
      name: 'a Request that says nothing of its referrer, and an init with which it forgets that',
      make: (url) => [new Request(url, { referrer: '', referrerPolicy: 'no-referrer' }), { credentials: 'include' }],
    },
    {
      name: 'a Request that says nothing of its referrer, and an empty init',
      make: (url) => [new Request(url, { referrer: '', referrerPolicy: 'no-referrer' }), {}],
    },
    {
      name: 'a Request, and an init with a referrer policy',
      make: (url) => [new Request(url, { referrer: '', referrerPolicy: 'no-referrer' }), { referrerPolicy: 'origin' }],
    },
    { name: 'a signal', make: (url) => [url, { signal: new AbortController().signal }] },
    { name: 'a Request as init', make: (url) => [url, new Request(url, post)] },
    { name: 'an init that carries its members elsewhere', make: (url) => [url, new Carrier()] },
    { name: 'an init that inherits its members', make: (url) => [url, Object.create(post)] },
    { name: 'an init without a prototype', make: (url) => [url, Object.assign(Object.create(null), post)] },
    { name: 'the caller’s own Authorization in the init', make: (url) => [url, { headers: { authorization: 'Basic x' } }], own: 'Basic x' },
    {
      name: 'the caller’s own Authorization in the Request',
      make: (url) => [new Request(url, { headers: { Authorization: 'Basic x' } })],
      own: 'Basic x',
    },
    {
      name: 'the caller’s own Authorization in an init that is a Request',
      make: (url) => [url, new Request(url, { headers: [['AUTHORIZATION', 'Basic x']] })],
      own: 'Basic x',
    },
  ]
  const secondTry = (_: Seen, count: number): Answer =>
    count === 2 ? { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } } : {}
  const withoutCredential = ({ headers: { authorization, ...headers }, method, body, url }: Seen) => ({
    method,
    url,
    headers,
    body: body.toString(),
  })

  test.each(shapes)('$name', async ({ make, own }) => {
    const { origin, seen } = await listen(secondTry)
    const { fetch } = byHand({ attachTo: [origin], underneath: globalThis.fetch })
    await globalThis.fetch(...make(`${origin}/x?y=1`))
    await fetch(...make(`${origin}/x?y=1`))
    const [native, ...ours] = seen
    expect(ours.map(withoutCredential)).toEqual(ours.map(() => withoutCredential(native as Seen)))
    expect(ours.map(({ rawHeaders }) => rawHeaders.filter((name) => /^authorization$/i.test(name)).length)).toEqual(ours.map(() => 1))
    expect(ours.map(({ headers }) => headers.authorization)).toEqual(own ? [own] : ['Bearer token-1', 'Bearer token-2'])
  })

  const members = ['method', 'mode', 'credentials', 'cache', 'redirect', 'referrer', 'referrerPolicy', 'integrity', 'keepalive'] as const
  const seenBy = ({ request }: Call) => Object.fromEntries(members.map((member) => [member, request[member]]))

  test.each(shapes)('$name: the fetch underneath, too', async ({ make }) => {
    const [native, ours] = [recorder(), recorder()]
    await native.fetch(...make(api))
    await byHand({ underneath: ours.fetch }).fetch(...make(api))
    expect(ours.calls.map(seenBy)).toEqual(native.calls.map(seenBy))
  })

  test('options that only a framework knows go through', async () => {
    const { fetch, calls } = recorder()
    const framework = { next: { revalidate: 60 } } as RequestInit
    await byHand({ underneath: fetch }).fetch(api, framework)
    expect(calls[0]?.init).toMatchObject(framework)
  })

  const refused = [null, 0, '', false].map((headers) => ({ headers }))
  test.each(refused)('what is no headers is refused as by fetch, and nothing is sent: $headers', async ({ headers }) => {
    const native: unknown = await globalThis.fetch('data:,', { headers } as never).catch((error: unknown) => error)
    expect(native).toBeInstanceOf(TypeError)
    for (const [input, grips] of [
      [api, {}],
      [new Request(api), {}],
      [api, held()],
    ] as const) {
      const { fetch, calls } = recorder()
      await expect(byHand({ underneath: fetch, grips }).fetch(input, { headers } as never)).rejects.toThrow((native as TypeError).message)
      expect(calls).toEqual([])
    }
  })

  test('no init at all is one that says nothing, be it `null`', async () => {
    const { fetch, calls } = recorder()
    for (const init of [null, undefined]) await byHand({ underneath: fetch }).fetch(api, init as never)
    expect(authorizations(calls)).toEqual(['Bearer token-1', 'Bearer token-1'])
  })

  test('what the caller gave is not changed', async () => {
    const init = Object.freeze({ headers: Object.freeze({ 'X-Own': '1' }) })
    await byHand({ underneath: recorder().fetch }).fetch(api, init)
    expect(init).toEqual({ headers: { 'X-Own': '1' } })
  })
})

describe('REQ-16: the URL of a Request is the platform’s', () => {
  class Disguised extends Request {
    override get url() {
      return `${api}/`
    }
  }
  test('whatever a subclass says', async () => {
    const { origin, seen } = await listen(() => ({}))
    await byHand({ underneath: globalThis.fetch }).fetch(new Disguised(`${origin}/`))
    await byHand({ attachTo: [origin], underneath: globalThis.fetch }).fetch(new Disguised(`${origin}/`))
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([undefined, 'Bearer token-1'])
  })

  test('and what only looks like one is the text that fetch makes of it', async () => {
    const { origin, seen } = await listen(() => ({}))
    const looksLike = {
      [Symbol.toStringTag]: 'Request',
      url: `${api}/`,
      headers: new Headers(),
      method: 'GET',
      toString: () => `${origin}/`,
    }
    await byHand({ underneath: globalThis.fetch }).fetch(looksLike as never)
    expect(seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })
})

describe('with a token at hand', () => {
  test('the request leaves in the caller’s tick', () => {
    const { fetch, calls } = recorder()
    void byHand({ underneath: fetch }).fetch(`${api}/me`)
    expect(authorizations(calls)).toEqual(['Bearer token-1'])
  })

  test('a string stays a string: no Request is made for it', async () => {
    const { fetch, calls } = recorder()
    await byHand({ underneath: fetch }).fetch(`${api}/me`, { method: 'PUT' })
    expect(calls[0]?.input).toBe(`${api}/me`)
  })

  test('the response is the server’s own', async () => {
    const response = new Response('body', { status: 403 })
    expect(await byHand({ underneath: async () => response }).fetch(api)).toBe(response)
  })
})

describe('REQ-16: what is not listed goes through untouched', () => {
  test.each([
    { name: 'another origin', make: (): Arguments => ['https://evil.test/', { headers: { 'X-Own': '1' } }] },
    { name: 'a Request for another origin', make: (): Arguments => [new Request('https://evil.test/')] },
    { name: 'a mode that could carry no credential', make: (): Arguments => ['https://evil.test/', { mode: 'no-cors' }] },
    { name: 'data', make: (): Arguments => ['data:,x'] },
    { name: 'the caller’s own credential, REQ-19', make: (): Arguments => [api, { headers: { Authorization: '' } }] },
  ])('$name', async ({ make }) => {
    const given = make()
    const { fetch, calls } = recorder(() => refusal())
    const hand = byHand({ underneath: fetch })
    const { status } = await hand.fetch(...given)
    expect(calls.map(({ input, init }) => [input, init])).toEqual([[given[0], given[1]]])
    expect(calls[0]?.init).toBe(given[1])
    expect([status, hand.refusals]).toEqual([401, []])
  })

  test('and so does what shall go without a credential', async () => {
    const { fetch, calls } = recorder(() => refusal())
    const hand = byHand({ underneath: fetch, grips: { take: () => null } })
    await hand.fetch(api)
    expect([authorizations(calls), hand.refusals]).toEqual([[null], []])
  })
})

describe('a request that has to wait for its token', () => {
  test('leaves with it', async () => {
    const { fetch, calls } = recorder()
    await byHand({ underneath: fetch, grips: held() }).fetch(api, { method: 'POST', body: 'x' })
    expect(authorizations(calls)).toEqual(['Bearer late'])
    expect(await calls[0]?.request.text()).toBe('x')
  })

  test('as well where something else is in the place of Promise: zone.js leaves async functions what they have', async () => {
    const { fetch, calls } = recorder()
    const take = runInNewContext('async () => grip', { grip: held().take?.(null as never, null) })
    await byHand({ underneath: fetch, grips: { take } }).fetch(api)
    expect(authorizations(calls)).toEqual(['Bearer late'])
  })

  test.each([
    {
      name: 'at once',
      take: () => {
        throw sessionEnded
      },
    },
    { name: 'later', take: () => Promise.reject(sessionEnded) },
    {
      name: 'later, where zone.js is',
      take: () => runInNewContext('(async () => { throw given })()', { given: sessionEnded }) as Promise<never>,
    },
  ])('rejects if there is none, $name, and nothing is sent', async ({ take }) => {
    const { fetch, calls } = recorder()
    await expect(byHand({ underneath: fetch, grips: { take } }).fetch(api)).rejects.toBe(sessionEnded)
    expect(calls).toEqual([])
  })
})

describe('F78: what the caller changes after the call is sent neither late nor again', () => {
  const changing: readonly {
    name: string
    make: (input: URL, init: RequestInit) => Arguments
    change: (input: URL, init: RequestInit) => void
  }[] = [
    { name: 'a URL', make: (input, init) => [input, init], change: (input) => (input.pathname = '/other') },
    {
      name: 'a URL, to a stranger’s',
      make: (input, init) => [input, init],
      change: (input) => (input.href = 'https://evil.test/'),
    },
    {
      name: 'a method and a body',
      make: (input, init) => [input, init],
      change: (_, init) => Object.assign(init, { method: 'PUT', body: 'other' }),
    },
    {
      name: 'headers as an object',
      make: (input, init) => [input, Object.assign(init, { headers: { 'X-Own': '1' } })],
      change: (_, init) => Object.assign(init.headers ?? {}, { 'X-Own': '2' }),
    },
    {
      name: 'Headers',
      make: (input, init) => [input, Object.assign(init, { headers: new Headers({ 'X-Own': '1' }) })],
      change: (_, init) => (init.headers as Headers).set('X-Own', '2'),
    },
    {
      name: 'URLSearchParams',
      make: (input, init) => [input, Object.assign(init, { body: new URLSearchParams({ a: '1' }) })],
      change: (_, init) => (init.body as URLSearchParams).set('a', '2'),
    },
    {
      name: 'bytes',
      make: (input, init) => [input, Object.assign(init, { body: new Uint8Array([1, 2, 3]) })],
      change: (_, init) => (init.body as Uint8Array).fill(0),
    },
  ]
  const sent = async ({ request }: Call) => [
    request.url,
    request.method,
    request.headers.get('X-Own'),
    Buffer.from(await request.arrayBuffer()),
  ]

  test.each(changing)('$name, while it waits for a token', async ({ make, change }) => {
    const [native, ours] = [recorder(), recorder()]
    const fresh = () => [new URL(`${api}/items`), { method: 'POST', body: 'body' }] as const
    void native.fetch(...make(...fresh()))
    const [input, init] = fresh()
    const answer = byHand({ underneath: ours.fetch, grips: held() }).fetch(...make(input, init))
    change(input, init)
    await answer
    expect(await Promise.all(ours.calls.map(sent))).toEqual(await Promise.all(native.calls.map(sent)))
  })

  test.each(changing)('$name, before it is sent again', async ({ make, change }) => {
    const { fetch, calls } = recorder((_, count) => later(count === 1 ? refusal() : new Response()))
    const [input, init] = [new URL(`${api}/items`), { method: 'POST', body: 'body' }]
    const answer = byHand({ underneath: fetch }).fetch(...make(input, init))
    change(input, init)
    expect(await answer).toHaveProperty('status', 200)
    const [first, second] = await Promise.all(calls.map(sent))
    expect(second).toEqual(first)
  })

  test('a Request, whose body is used up at once as by fetch', async () => {
    const { fetch, calls } = recorder()
    const request = new Request(api, { method: 'POST', body: 'body', headers: { 'X-Own': '1' } })
    const answer = byHand({ underneath: fetch, grips: held() }).fetch(request)
    expect(request.bodyUsed).toBe(true)
    request.headers.set('X-Own', '2')
    await answer
    expect(await Promise.all(calls.map(sent))).toEqual([[`${api}/`, 'POST', '1', Buffer.from('body')]])
  })

  test('and options that only a framework knows go through late, too', async () => {
    const { fetch, calls } = recorder()
    const framework = { next: { revalidate: 60 } } as RequestInit
    await byHand({ underneath: fetch, grips: held() }).fetch(api, framework)
    expect(calls[0]?.init).toMatchObject(framework)
  })
})

test.each([undefined, held()])('F78: `signal: null` takes the signal of the Request off', async (grips) => {
  const caller = new AbortController()
  const { fetch, calls } = recorder(() => later(new Response()))
  const answer = byHand({ underneath: fetch, ...(grips && { grips }) }).fetch(new Request(api, { signal: caller.signal }), { signal: null })
  caller.abort()
  expect(await answer).toHaveProperty('status', 200)
  expect(calls[0]?.init?.signal?.aborted).toBe(false)
})

test.each([
  { name: 'in the init', make: (): Arguments => [api, { mode: 'no-cors' }] },
  { name: 'in the Request', make: (): Arguments => [new Request(api, { mode: 'no-cors' })] },
])('REQ-22: no-cors $name is a TypeError, and nothing is sent', async ({ make }) => {
  const { fetch, calls } = recorder()
  await expect(byHand({ underneath: fetch }).fetch(...make())).rejects.toThrow(/^A request in mode 'no-cors' cannot carry a credential/)
  expect(calls).toEqual([])
})

describe('what fetch would refuse', () => {
  test('is refused as fetch does, with a rejection', async () => {
    const { fetch } = byHand({ underneath: globalThis.fetch })
    await expect(fetch(api, { headers: { 'no name': '1' } })).rejects.toBeInstanceOf(TypeError)
  })

  test.each([
    { name: 'a GET with a body', init: { body: 'x' } },
    { name: 'a header that is none', init: { headers: { 'no name': 'x' } } },
    { name: 'a method that is none', init: { method: 'TRACE' } },
  ])('F37: such as $name, is all that its caller hears, though no token is to be had, either', async ({ init }) => {
    const { fetch } = byHand({ underneath: globalThis.fetch, grips: { take: () => Promise.reject(sessionEnded) } })
    const unhandled = await unhandledIn(() => expect(fetch(api, init)).rejects.toBeInstanceOf(TypeError))
    expect(unhandled).toEqual([])
  })
})

test('F37: a failure that its caller does not look at is reported, as by fetch', async () => {
  const module = JSON.stringify(new URL('../../src/fetch/session-fetch.ts', import.meta.url).href)
  const program = `
    const { sessionFetch } = await import(${module})
    process.on('unhandledRejection', ({ message }) => process.stdout.write(message + ' '))
    const grip = { token: 't', signal: new AbortController().signal }
    const match = (href) => ({ target: {}, href })
    const fetch = (name, take) => sessionFetch(match, { take }, async () => { throw new TypeError(name) }, undefined)
    fetch('text', () => grip)('https://api.test/')
    fetch('request', () => grip)(new Request('https://api.test/'))
    fetch('form', () => grip)('https://api.test/', { method: 'POST', body: new FormData() })
    fetch('late', async () => grip)('https://api.test/')`
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program])
  expect(stdout.trim().split(' ').sort()).toEqual(['form', 'late', 'request', 'text'])
}, 30_000)

describe('a body that is not sent, or not sent again, is let go', () => {
  const scene = () => {
    const cancelled: unknown[] = []
    const body = new ReadableStream({ cancel: () => void cancelled.push('let go') })
    return { cancelled, init: { method: 'POST', body, duplex: 'half' } as RequestInit }
  }
  const noToken = { take: () => Promise.reject(sessionEnded) }

  test.each([
    { name: 'a stream, where no token is to be had', make: (init: RequestInit): Arguments => [api, init] },
    { name: 'a Request with a stream, where no token is to be had', make: (init: RequestInit): Arguments => [new Request(api, init)] },
  ])('$name', async ({ make }) => {
    const { cancelled, init } = scene()
    await expect(byHand({ underneath: globalThis.fetch, grips: noToken }).fetch(...make(init))).rejects.toBe(sessionEnded)
    await expect.poll(() => cancelled).toEqual(['let go'])
  })

  test.each([
    { name: 'after an answer', underneath: async () => new Response() },
    { name: 'after an error', underneath: () => Promise.reject(new TypeError('Failed to fetch')) },
  ])('the copy of a Request, $name', async ({ underneath }) => {
    const { cancelled, init } = scene()
    const asBrowsersDo: Fetch = async (input) => {
      if (input instanceof Request) void input.body?.cancel() // waits for the copy
      return underneath()
    }
    await byHand({ underneath: asBrowsersDo })
      .fetch(new Request(api, init))
      .catch(() => {})
    await expect.poll(() => cancelled).toEqual(['let go'])
  })

  test.each([
    { name: 'late', grips: held(), body: 'x' },
    { name: 'at once', grips: {}, body: new URLSearchParams('x') },
  ])('but not what has been sent, $name: whoever stands in for the network may keep it', async ({ grips, body }) => {
    const kept: unknown[] = []
    const underneath: Fetch = async (input) => {
      kept.push(input)
      return new Response()
    }
    await byHand({ underneath, grips }).fetch(api, { method: 'POST', body })
    expect(await (kept[0] as Request).text()).toMatch(/^x/)
  })

  test('but not that of the caller’s own Request, which another body has replaced', async () => {
    const request = new Request(api, { method: 'POST', body: 'old' })
    await byHand({ underneath: recorder().fetch }).fetch(request, { body: 'new' })
    expect(await request.text()).toBe('old')
  })
})

describe('F77, REQ-37: after a 401, a body arrives twice, byte for byte', () => {
  const bytes = new Uint8Array([0, 255, 13, 10, 0])
  const form = () => {
    const data = new FormData()
    data.set('field', 'välue')
    data.set('file', new File([bytes], 'a.bin', { type: 'application/x' }))
    return data
  }
  const init = (body: NonNullable<RequestInit['body']>): RequestInit => ({ method: 'POST', body })
  /** The boundary of a form is drawn anew each time it is sent. */
  const content = ({ body, headers }: Seen) => {
    const boundary = /boundary=(.*)/.exec(headers['content-type'] ?? '')?.[1]
    return boundary ? body.toString('latin1').replaceAll(boundary, '') : body.toString('latin1')
  }
  const twice = (_: Seen, count: number): Answer => (count === 1 ? { status: 401 } : {})

  test.each([
    { name: 'a string', make: (url: string): Arguments => [url, init('välue')] },
    { name: 'URLSearchParams', make: (url: string): Arguments => [url, init(new URLSearchParams({ a: 'b c' }))] },
    { name: 'a form with a file', make: (url: string): Arguments => [url, init(form())] },
    { name: 'a Blob', make: (url: string): Arguments => [url, init(new Blob([bytes]))] },
    { name: 'an ArrayBuffer', make: (url: string): Arguments => [url, init(bytes.buffer)] },
    { name: 'a typed array', make: (url: string): Arguments => [url, init(bytes.subarray(1, 4))] },
    { name: 'a Request with a body', make: (url: string): Arguments => [new Request(url, init(bytes))] },
    {
      name: 'a Request with a body, and an init',
      make: (url: string): Arguments => [new Request(url, init(bytes)), { headers: { 'X-Own': '1' } }],
    },
    { name: 'a Request with a form', make: (url: string): Arguments => [new Request(url, init(form()))] },
    { name: 'a Request as init', make: (url: string): Arguments => [url, new Request(url, init(bytes))] },
    {
      name: 'a Request with a stream, of which the platform keeps a copy: nobody can tell it from another body',
      make: (url: string): Arguments => [new Request(url, { ...init(new Blob([bytes]).stream()), duplex: 'half' } as RequestInit)],
    },
    {
      name: 'a body in the init, which replaces that of a Request that is used up',
      make: (url: string): Arguments => {
        const used = new Request(url, init('old'))
        void used.text()
        return [used, { body: 'new' }]
      },
    },
    {
      name: 'a body in the init, which replaces that of a Request that somebody reads',
      make: (url: string): Arguments => {
        const locked = new Request(url, init('old'))
        locked.body?.getReader()
        return [locked, { body: 'new' }]
      },
    },
  ])('$name', async ({ make }) => {
    const { origin, seen } = await listen(twice)
    const { status } = await byHand({ attachTo: [origin], underneath: globalThis.fetch }).fetch(...make(`${origin}/`))
    expect([status, seen.length]).toEqual([200, 2])
    const [first, second] = seen.map(content)
    expect(first).not.toBe('')
    expect(second).toBe(first)
  })

  const stream = () => new Blob([bytes]).stream()
  async function* parts() {
    yield bytes
  }

  test.each([
    { name: 'a stream', body: stream },
    { name: 'an iterable', body: parts },
  ])('but not $name, which flows once: the caller gets the 401, and the next request another token', async ({ body }) => {
    const { origin, seen } = await listen(() => ({ status: 401, body: 'no' }))
    const hand = byHand({ attachTo: [origin], underneath: globalThis.fetch })
    const response = await hand.fetch(`${origin}/`, { ...init(body() as ReadableStream), duplex: 'half' } as RequestInit)
    expect([response.status, await response.text(), seen.map(content)]).toEqual([401, 'no', [Buffer.from(bytes).toString('latin1')]])
    expect(hand.refusals).toEqual([{ refused: 'token-1', invalid: false }])
  })

  test('nor a Request that was sent before: that is the caller’s mistake', async () => {
    const { fetch } = byHand({ underneath: globalThis.fetch })
    const used = new Request(api, init('x'))
    await used.text()
    await expect(fetch(used)).rejects.toBeInstanceOf(TypeError)
  })

  test('a stream that gets its 401 leaves no rejection unhandled where no token is to be had', async () => {
    const { fetch } = byHand({ underneath: async () => refusal(), grips: { instead: () => Promise.reject(sessionEnded) } })
    expect(await fetch(api, { ...init(stream()), duplex: 'half' } as RequestInit)).toHaveProperty('status', 401)
  })
})

describe('after a 401', () => {
  test('F55, REQ-36: the refused token is named, and its successor sent', async () => {
    const { fetch, calls } = recorder((_, count) => (count === 1 ? refusal() : new Response('yes')))
    const hand = byHand({ underneath: fetch })
    expect(await (await hand.fetch(api)).text()).toBe('yes')
    expect(hand.refusals).toEqual([{ refused: 'token-1', invalid: true }])
    expect(authorizations(calls)).toEqual(['Bearer token-1', 'Bearer token-2'])
  })

  test('F55: twenty in flight with one token, refused at any time, are each sent once more, with the second', async () => {
    const { fetch, calls } = recorder(async ({ request }) =>
      later(request.headers.get('Authorization') === 'Bearer token-1' ? refusal() : new Response()),
    )
    const hand = byHand({ underneath: fetch })
    const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await hand.fetch(api)).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(authorizations(calls).sort()).toEqual([...Array(20).fill('Bearer token-1'), ...Array(20).fill('Bearer token-2')])
  })

  test('F53, REQ-36: a second 401 is the caller’s, untouched, with its body', async () => {
    const { fetch, calls } = recorder((_, count) => new Response(`no ${count}`, { status: 401 }))
    const hand = byHand({ underneath: fetch })
    const responses = await Promise.all(Array.from({ length: 100 }, () => hand.fetch(api)))
    expect(calls.length).toBe(200)
    expect(await Promise.all(responses.map((response) => response.text()))).toEqual(responses.map((_, index) => `no ${index + 101}`))
    expect(responses.every(({ bodyUsed }) => bodyUsed)).toBe(true)
  })

  test('F53: the first 401 is the caller’s, untouched, where no other token is to be had', async () => {
    const { fetch, calls } = recorder(() => refusal())
    const response = await byHand({ underneath: fetch, grips: { instead: async () => null } }).fetch(api, { method: 'POST', body: 'x' })
    expect([response.status, await response.text(), calls.length]).toEqual([401, 'refused', 1])
  })

  test('the first answer’s body is let go when there is a second', async () => {
    const cancelled: unknown[] = []
    const body = new ReadableStream({ cancel: (reason) => void cancelled.push(reason) })
    const { fetch } = recorder((_, count) => (count === 1 ? new Response(body, { status: 401 }) : new Response()))
    await byHand({ underneath: fetch }).fetch(api)
    expect(cancelled.length).toBe(1)
  })

  test.each([
    { name: 'F54, REQ-38: about a permission', challenge: 'Bearer error="insufficient_scope"' },
    { name: 'REQ-38: about a permission, with a 403', challenge: 'Bearer error="insufficient_scope"', status: 403 },
    { name: 'F54: about a stronger sign-in', challenge: 'Bearer error="insufficient_user_authentication"' },
    { name: 'F54: about a credential of somebody else', challenge: 'Basic realm="downstream"' },
  ])('$name, nothing is asked for and nothing sent again', async ({ challenge, status }) => {
    const response = refusal(challenge, status)
    const { fetch, calls } = recorder(() => response)
    const hand = byHand({ underneath: fetch })
    expect(await hand.fetch(api)).toBe(response)
    expect([calls.length, hand.refusals, await response.text()]).toEqual([1, [], 'refused'])
  })

  test.each([
    { name: 'that says invalid', challenge: 'Bearer error="invalid_token"', invalid: true },
    { name: 'that says nothing', challenge: 'Bearer', invalid: false },
    { name: 'REQ-32: whose reason CORS hides', challenge: null, invalid: false },
  ])('$name, that is passed on', async ({ challenge, invalid }) => {
    const { fetch } = recorder((_, count) => (count === 1 ? refusal(challenge) : new Response()))
    const hand = byHand({ underneath: fetch })
    await hand.fetch(api)
    expect(hand.refusals).toEqual([{ refused: 'token-1', invalid }])
  })

  test.each([
    { name: 'F63: from a destination off the list', url: 'https://files.test/', again: 1 },
    { name: 'F63: from the same API', url: `${api}/v2`, again: 2 },
    { name: 'F63: from another listed API, which was shown no token', url: 'https://other.example.com/', again: 1 },
    { name: 'REQ-17: from one on the same origin, whose token is another', url: `${api}/files/`, again: 1 },
    { name: 'F85: to a POST, which the server that redirected may have done', url: `${api}/v2`, method: 'POST', again: 1 },
    { name: 'to a HEAD', url: `${api}/v2`, method: 'head', again: 2 },
  ])('$name, after a redirect, it is sent $again times', async ({ url, method = 'GET', again }) => {
    const { fetch, calls } = recorder(() => answered(refusal(), url, true))
    const attachTo = [api, 'https://other.example.com', { url: `${api}/files`, resource: 'urn:files' }]
    const hand = byHand({ attachTo, underneath: fetch })
    await hand.fetch(api, { method })
    await hand.fetch(new Request(api, { method }))
    expect([calls.length, hand.refusals.length]).toEqual([2 * again, 2 * (again - 1)])
  })

  test('F63, F85: a POST that is really redirected to another listed API is made once, and its 401 costs no refresh', async () => {
    const other = await listen(() => ({ status: 401, headers: { 'WWW-Authenticate': 'Bearer' } }))
    const { origin, seen } = await listen(() => ({ status: 303, headers: { Location: `${other.origin}/` } }))
    const hand = byHand({ attachTo: [origin, other.origin], underneath: globalThis.fetch })
    expect(await hand.fetch(`${origin}/orders`, { method: 'POST', body: 'one' })).toHaveProperty('status', 401)
    expect([seen.length, hand.refusals]).toEqual([1, []])
  })

  test('F63: a real redirect to another origin takes no credential along, and its 401 asks for none', async () => {
    const elsewhere = await listen(() => ({ status: 401 }))
    const { origin, seen } = await listen(() => ({ status: 302, headers: { Location: `${elsewhere.origin}/` } }))
    const hand = byHand({ attachTo: [origin], underneath: globalThis.fetch })
    expect(await hand.fetch(`${origin}/`)).toHaveProperty('status', 401)
    expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined])
    expect([seen.length, hand.refusals]).toEqual([1, []])
  })

  test.each(['error', 'manual'] as const)('F63: redirect: %s is passed on', async (redirect) => {
    const { fetch, calls } = recorder()
    await byHand({ underneath: fetch }).fetch(api, { redirect })
    expect(calls[0]?.request.redirect).toBe(redirect)
  })
})

test.each([400, 403, 404, 407, 429, 500, 503])('a %d is the caller’s, untouched', async (status) => {
  const response = new Response('body', { status })
  const { fetch, calls } = recorder(() => response)
  const hand = byHand({ underneath: fetch })
  expect(await hand.fetch(api)).toBe(response)
  expect([calls.length, hand.refusals, await response.text()]).toEqual([1, [], 'body'])
})

describe('F85, REQ-60: a network error is the caller’s, and nothing is sent again', () => {
  test('when the connection drops after the server has read a POST', async () => {
    const { origin, seen } = await listen(() => null)
    const { fetch } = byHand({ attachTo: [origin], underneath: globalThis.fetch })
    await expect(fetch(`${origin}/orders`, { method: 'POST', body: 'one' })).rejects.toBeInstanceOf(TypeError)
    expect(seen.length).toBe(1)
  })

  test('when it drops at the second attempt', async () => {
    const error = new TypeError('Failed to fetch')
    const { fetch, calls } = recorder((_, count) => (count === 1 ? refusal() : Promise.reject(error)))
    await expect(byHand({ underneath: fetch }).fetch(api)).rejects.toBe(error)
    expect(calls.length).toBe(2)
  })
})

describe('a caller who gives up gets the reason of the signal', () => {
  const reason = new Error('I have changed my mind')
  test.each([
    { name: 'before the call', make: (signal: AbortSignal): Arguments => [api, { signal }], before: true },
    { name: 'while the request is running', make: (signal: AbortSignal): Arguments => [api, { signal }], before: false },
    { name: 'with the signal in the Request', make: (signal: AbortSignal): Arguments => [new Request(api, { signal })], before: false },
  ])('$name', async ({ make, before }) => {
    const caller = new AbortController()
    const underneath: Fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        if (init?.signal?.aborted) reject(init.signal.reason)
        init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))
      })
    if (before) caller.abort(reason)
    const answer = byHand({ underneath }).fetch(...make(caller.signal))
    caller.abort(reason)
    await expect(answer).rejects.toBe(reason)
  })

  test('F35, REQ-130: while another token is awaited; whoever provides it is told that nobody waits', async () => {
    const caller = new AbortController()
    const signals: (AbortSignal | null)[] = []
    const { fetch } = byHand({
      underneath: recorder(() => refusal()).fetch,
      grips: {
        instead: (_target, _refused, _invalid, signal) => {
          signals.push(signal)
          return Promise.reject(reason)
        },
      },
    })
    await expect(fetch(api, { signal: caller.signal })).rejects.toBe(reason)
    expect(signals).toEqual([caller.signal])
  })

  test('even if the session ends in the same moment', async () => {
    const caller = new AbortController()
    const hand = byHand({
      underneath: (_, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))),
    })
    const answer = hand.fetch(api, { signal: caller.signal })
    caller.abort(reason)
    hand.end(sessionEnded)
    await expect(answer).rejects.toBe(reason)
  })
})

describe('F10, F67: when the session ends', () => {
  test('a running request is aborted with the error that says so', async () => {
    const { origin } = await listen(() => ({}))
    const hand = byHand({ attachTo: [origin], underneath: globalThis.fetch })
    const answer = hand.fetch(`${origin}/`)
    hand.end(sessionEnded)
    await expect(answer).rejects.toBe(sessionEnded)
  })

  test('a body that is being read fails in the same way', async () => {
    const hand = byHand({
      underneath: async (_, init) =>
        new Response(
          new ReadableStream({
            start: (controller) => init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason)),
          }),
        ),
    })
    const response = await hand.fetch(api)
    const text = response.text()
    hand.end(sessionEnded)
    await expect(text).rejects.toBe(sessionEnded)
  })

  test('an answer that has come all the same belongs to nobody', async () => {
    const hand = byHand({ underneath: () => later(new Response('secret')) })
    const answer = hand.fetch(api)
    hand.end(sessionEnded)
    await expect(answer).rejects.toBe(sessionEnded)
  })

  test('and its body is let go', async () => {
    const cancelled: unknown[] = []
    const body = new ReadableStream({ cancel: () => void cancelled.push('let go') })
    const hand = byHand({ underneath: () => later(new Response(body)) })
    const answer = hand.fetch(api)
    hand.end(sessionEnded)
    await expect(answer).rejects.toBe(sessionEnded)
    expect(cancelled).toEqual(['let go'])
  })

  test('a fetch underneath that rejects with something else of its own is corrected', async () => {
    const hand = byHand({ underneath: () => later(null).then(() => Promise.reject(new DOMException('Aborted', 'AbortError'))) })
    const answer = hand.fetch(api)
    hand.end(sessionEnded)
    await expect(answer).rejects.toBe(sessionEnded)
  })

  test('a second attempt is not made', async () => {
    const { fetch, calls } = recorder(() => refusal())
    const hand = byHand({ underneath: fetch, grips: { instead: () => Promise.reject(sessionEnded) } })
    await expect(hand.fetch(api)).rejects.toBe(sessionEnded)
    expect(calls.length).toBe(1)
  })

  test.each([
    { name: 'a refresh', header: 'Bearer error="invalid_token"' },
    { name: 'a stronger sign-in', header: 'Bearer error="insufficient_user_authentication"' },
  ])('nor is the body of the refusal kept open that waits for $name', async ({ header }) => {
    const cancelled: unknown[] = []
    const body = new ReadableStream({ cancel: () => void cancelled.push('let go') })
    const { fetch } = recorder(() => new Response(body, { status: 401, headers: { 'WWW-Authenticate': header } }))
    const over = () => later(null).then(() => Promise.reject(sessionEnded))
    const hand = byHand({ underneath: fetch, grips: { instead: over, stepUp: over } })
    await expect(hand.fetch(api)).rejects.toBe(sessionEnded)
    expect(cancelled).toEqual(['let go'])
  })

  test('a request without a credential is none of its business', async () => {
    const hand = byHand({ underneath: () => later(new Response('public')) })
    const answer = hand.fetch('https://cdn.test/')
    hand.end(sessionEnded)
    expect(await (await answer).text()).toBe('public')
  })
})

describe('a strategy that sends requests itself', () => {
  const sends: { url: string; body: string; token: string | null; authorization: string | null }[] = []
  test('is given the whole Request, and the token beside it; after a 401 once more', async () => {
    const { fetch } = byHand({
      underneath: unsettled,
      async send(request, { accessToken }) {
        sends.push({
          url: request.url,
          body: await request.text(),
          token: accessToken,
          authorization: request.headers.get('Authorization'),
        })
        return sends.length === 1 ? refusal() : new Response()
      },
    })
    expect(await fetch(`${api}/x`, { method: 'POST', body: 'y' })).toHaveProperty('status', 200)
    expect(sends).toEqual(['token-1', 'token-2'].map((token) => ({ url: `${api}/x`, body: 'y', token, authorization: null })))
  })

  test('has the session’s fetch at hand, and the end of the session in its signal', async () => {
    const hand = byHand({
      underneath: (_, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason))),
      send: (request, { fetch }) => fetch(request.url, { signal: request.signal }),
    })
    const answer = hand.fetch(api)
    hand.end(sessionEnded)
    await expect(answer).rejects.toBe(sessionEnded)
  })
})
