import type { RefreshRequest } from 'latchkey'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { bodies, shapes } from './page/shapes.ts'
import { calm, expired, signIn, stage } from './scene.ts'
import { type Call, type ScriptedServer, startScriptedServer } from './scripted-server.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

async function signedIn(): Promise<{ readonly page: Page; readonly server: ScriptedServer; readonly uncaught: readonly string[] }> {
  const { open, server, uncaught } = await stage(browser)
  const page = await open()
  await signIn(page, server)
  return { page, server, uncaught }
}

/** One page that all tests of a group share: each of them asks only what its own calls have come to. */
function sceneForAll(): () => { readonly page: Page; readonly server: ScriptedServer } {
  let found: { readonly page: Page; readonly server: ScriptedServer }
  beforeAll(async () => {
    const server = await startScriptedServer()
    const page = await browser.newPage()
    await page.goto(server.origin)
    await signIn(page, server)
    found = { page, server }
  })
  afterAll(async () => {
    await found.page.context().close()
    await found.server.close()
  })
  return () => found
}

/** What the server saw, without what differs from one sending to the next though nobody wants it to. */
function viewOf({ method, headers, body }: Call): {
  readonly method: string
  readonly headers: Record<string, unknown>
  readonly body: string
} {
  const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1] ?? 'no boundary'
  const { authorization: _, ...rest } = headers
  return JSON.parse(JSON.stringify({ method, headers: rest, body: body.toString('latin1') }).replaceAll(boundary, 'BOUNDARY'))
}

describe('session.fetch sends what fetch sends, at once or late, and one Authorization (F78, REQ-18)', () => {
  const scene = sceneForAll()
  test.each(Object.keys(shapes))('%s', async (name) => {
    const { page, server } = scene()
    const before = server.calls.length
    const came = await page.evaluate(async (shape) => {
      const args = (): Parameters<typeof fetch> => window.app.shapes[shape]!(`${location.origin}/api/shape`)
      await fetch(...args())
      const late = window.app.open() // it has no token at hand yet
      const came: (string | number)[] = []
      for (const session of [window.app.session, late])
        came.push(await session.fetch(...args()).then(({ status }) => status, window.app.nameOf))
      late.close()
      return came
    }, name)
    const [native, ...ours] = server.calls.slice(before)
    expect(ours.map(viewOf)).toEqual([viewOf(native!), viewOf(native!)])
    // The caller's own credential goes out as it is.
    const credential = native!.headers.authorization ?? `Bearer ${server.tokens[0]}`
    expect(ours.map(({ headers }) => headers.authorization)).toEqual([credential, credential])
    expect(came).toEqual(Array(2).fill(native!.headers.authorization ? 401 : 200))
  })
})

describe('after a 401 a body goes out once more, byte for byte (F77, REQ-37)', () => {
  const scene = sceneForAll()
  const cases = Object.keys(bodies).flatMap((name) => [[name, 'in the init'] as const, [name, 'in a Request'] as const])
  test.each(cases)('%s %s', async (name, place) => {
    const { page, server } = scene()
    const before = server.calls.length
    const tokens = server.grant()
    server.invalidate()
    const came = await page.evaluate(
      async ([body, where, granted]) => {
        const session = window.app.open({ name: `${body} ${where}` })
        await session.signIn(granted)
        const init = { method: 'POST', ...window.app.bodies[body]!() }
        const url = `${location.origin}/api/body`
        const answer = where === 'in the init' ? session.fetch(url, init) : session.fetch(new Request(url, init))
        return answer.then(({ status }) => status, window.app.nameOf)
      },
      [name, place, tokens] as const,
    )
    expect(came).toBe(200)
    const [first, second, ...more] = server.calls.slice(before)
    expect([first!.status, second!.status, ...more]).toEqual([401, 200])
    expect(first!.body.length).toBeGreaterThan(0)
    expect(viewOf(second!)).toEqual(viewOf(first!))
    expect(server.refreshes.at(-1)).toBe('granted')
  })

  test('but not a stream, which flows once: the caller gets the 401, and the next call has a new token', async () => {
    const { page, server } = await signedIn()
    server.invalidate()
    // Chromium streams over HTTP/2 only, so a fetch underneath takes the stream in and sends what it held.
    const { came, sent } = await page.evaluate(async () => {
      const seen: string[] = []
      const tokens = await window.app.session.getToken()
      const session = window.app.open({
        name: 'streams',
        fetch: async (input, init) => {
          if (!String(input).includes('/api/')) return fetch(input, init)
          const body = await new Response(init?.body as ReadableStream).text() // the only body that this test sends
          seen.push(body)
          return fetch(input, { ...init, body })
        },
      })
      await session.signIn({ access_token: tokens, expires_in: 300, refresh_token: 'none' })
      const body = new Blob(['a stream']).stream()
      const init = { method: 'POST', body, duplex: 'half' }
      const { status } = await session.fetch(`${location.origin}/api/stream`, init)
      return { came: status, sent: seen }
    })
    expect(came).toBe(401)
    expect(sent).toEqual(['a stream'])
    expect(server.calls).toHaveLength(1)
    await expect.poll(() => server.refreshes.length).toBe(1) // and the refresh goes on beside it
  })

  test('and a Request whose body is a stream is refused over HTTP/1 as fetch refuses it', async () => {
    const { page, server } = await signedIn()
    const came = await page.evaluate(() => {
      const body = new Blob(['a stream']).stream()
      const request = new Request(`${location.origin}/api/stream`, { method: 'POST', body, duplex: 'half' } as RequestInit) // the type knows no `duplex`
      return window.app.session.fetch(request).then(({ status }) => status, window.app.nameOf)
    })
    expect(came).toBe('TypeError') // as fetch itself: a stream needs HTTP/2
    expect(server.calls).toEqual([])
    expect(await page.evaluate(() => window.app.ends)).toEqual([])
  })
})

describe('F62, F78: a call that waits for a token goes where it was sent to,', () => {
  const waiting = async () => {
    const { open, server } = await stage(browser)
    const page = await open('/', { keepFresh: 'on-demand' })
    server.rules.lifetime = 1
    await signIn(page, server)
    await expired(page)
    return { page, server }
  }
  const seen = (server: ScriptedServer) => server.calls.map(({ path, headers }) => [path, Boolean(headers.authorization)]).sort()

  test('though the URL is changed since', async () => {
    const { page, server } = await waiting()
    await page.evaluate(async () => {
      const url = new URL('/api/me', location.origin)
      const first = window.app.session.fetch(url)
      url.pathname = '/elsewhere'
      await Promise.all([first, fetch(url)])
    })
    expect(seen(server)).toEqual([
      ['/api/me', true],
      ['/elsewhere', false],
    ])
  })

  test('though the page has moved on', async () => {
    const { page, server } = await waiting()
    await page.evaluate(async () => {
      history.replaceState(null, '', '/api/projects/1/')
      const first = window.app.session.fetch('tasks')
      history.replaceState(null, '', '/elsewhere/2/') // as a router does
      await first
    })
    expect(seen(server)).toEqual([['/api/projects/1/tasks', true]])
  })
})

describe('when the session ends', () => {
  test('a call under way rejects with session_ended (F10, F67)', async () => {
    const { page, server, uncaught } = await signedIn()
    const coming = page.evaluate(() => window.app.call('/api/held'))
    await expect.poll(() => server.calls.length).toBe(1)
    await page.evaluate(() => window.app.session.signOut())
    expect(await coming).toBe('session_ended signed-out')
    expect(uncaught).toEqual([])
  })

  test.each(['text', 'arrayBuffer', 'blob', 'body'] as const)(
    'reading the %s of an answer rejects with session_ended (F10, F67)',
    async (how) => {
      const { page, server, uncaught } = await signedIn()
      const coming = page.evaluate(async (reading) => {
        const response = await window.app.session.fetch(`${location.origin}/api/trickle`)
        window.app.note('answered')
        const read = async () => {
          if (reading !== 'body') return response[reading]()
          const reader = response.body!.getReader()
          for (let done = false; !done; ) done = (await reader.read()).done
          return undefined
        }
        return read().then(() => 'read', window.app.nameOf)
      }, how)
      await expect.poll(() => page.evaluate(() => window.app.notes.some(({ what }) => what === 'answered'))).toBe(true)
      await calm(50) // into the middle of the body
      await page.evaluate(() => window.app.session.signOut())
      expect(await coming).toBe('session_ended signed-out')
      server.release()
      expect(uncaught).toEqual([])
    },
  )

  test('calls of another tab, waiting for a token or under way, end with the user that they began under (F10)', async () => {
    const { open, server, uncaught } = await stage(browser)
    const [here, there] = [await open(), await open()]
    server.rules.lifetime = 1
    await signIn(here, server, 'ada')
    const running = here.evaluate(() => window.app.call('/api/held'))
    await expect.poll(() => server.calls.length).toBe(1)
    await expect
      .poll(() => here.evaluate(() => Date.now() > Number((window.app.session.state as { expiresAt: number }).expiresAt)))
      .toBe(true)

    server.rules.slowness = 2_000
    server.rules.lifetime = 300
    const waiting = here.evaluate(() => Promise.all([window.app.call('/api/one'), window.app.call('/api/two')]))
    await expect.poll(() => server.refreshes.length).toBe(1)
    await signIn(there, server, 'grace')
    const switched = Date.now()
    expect(await running).toBe('session_ended user-changed')
    expect(await waiting).toEqual(['session_ended user-changed', 'session_ended user-changed'])
    const ends = await here.evaluate(() => window.app.notes.filter(({ what }) => what === 'ended'))
    expect(ends.map(({ detail }) => detail)).toEqual(['user-changed'])
    expect(ends[0]!.at - switched, 'ms').toBeLessThanOrEqual(500)

    expect(await here.evaluate(() => window.app.call('/api/three'))).toBe(200)
    expect(server.calls.map(({ path }) => path)).toEqual(['/api/held', '/api/three'])
    // What the slow refresh brought belongs to nobody: it is revoked.
    await expect.poll(() => server.revocations.length, { timeout: 5_000 }).toBeGreaterThanOrEqual(1)
    expect(await there.evaluate(() => window.app.call())).toBe(200)
    expect(uncaught).toEqual([])
  })
})

test('a call made in the tick that makes the session carries the stored token (promise 3)', async () => {
  const { page, server } = await signedIn()
  await page.goto(`${server.origin}/?call`)
  await expect.poll(() => page.evaluate(() => window.app.notes.map(({ detail }) => detail))).toEqual(['200'])
  expect(server.calls.map(({ credential, path }) => `${path} ${credential}`)).toEqual(['/api/first valid'])
})

test('a token goes nowhere but where the app said (F62)', async () => {
  const { page, server } = await signedIn()
  await page.evaluate(async () => {
    await window.app.session.fetch('/elsewhere')
    await window.app.session.fetch('/apiary')
    await window.app.session.fetch('/api/../elsewhere')
  })
  expect(server.calls.map(({ path, headers }) => [path, headers.authorization])).toEqual([
    ['/elsewhere', undefined],
    ['/apiary', undefined],
    ['/elsewhere', undefined],
  ])
})

test('no host, port or base but the listed one sees a token, and a 401 of the others costs no refresh and no second request (F62)', async () => {
  const { page, server } = await signedIn()
  const elsewhere = await startScriptedServer()
  onTestFinished(() => elsewhere.close())
  const { host, port } = new URL(server.origin)
  const listed = `${server.origin}/api`
  const foreign = [
    `http://localhost:${port}/api/me`,
    `http://127.0.0.1.localhost:${port}/api/me`, // begins like the listed one
    `//localhost:${port}/api/me`,
    `http://localhost:${port}/api/me?u=${listed}`,
    `http://localhost:${port}/api/${listed}`,
    `${elsewhere.origin}/api/me`, // the same host, another port
    `${elsewhere.origin}/api/me#${listed}`,
  ]
  const unsent = [`http://${host}@localhost:${port}/api/me`, `http://127.0.0.1:${port}@localhost/api/me`, `http://user@${host}/api/me`]
  const found = await page.evaluate(
    async ([away, never, granted]) => {
      const prefixed = window.app.session
      const whole = window.app.open({ name: 'whole origin', attachTo: [location.origin] })
      await whole.signIn(granted)
      const came: string[] = []
      for (const { fetch } of [prefixed, whole]) {
        const call = async (input: string | URL | Request) =>
          came.push(await fetch(input).then(({ status }) => String(status), window.app.nameOf))
        for (const url of away) for (const input of [url, new URL(url, location.href), new Request(url)]) await call(input)
        for (const url of never) for (const input of [url, new URL(url)]) await call(input)
        await call(URL.createObjectURL(new Blob(['a blob'])))
        await call(`data:text/plain,${location.origin}/api/me`)
        const base = Object.assign(document.createElement('base'), { href: away[0] })
        document.head.append(base)
        await call('/api/relative')
        base.remove()
        await call(`${location.origin}/api/listed`)
      }
      return came
    },
    [foreign, unsent, server.grant()] as const,
  )
  const each = [
    ...foreign.flatMap(() => ['401', '401', '401']),
    ...unsent.flatMap(() => ['TypeError', 'TypeError']),
    '200',
    '200',
    '401',
    '200',
  ]
  expect(found).toEqual([...each, ...each])
  const calls = [...server.calls, ...elsewhere.calls]
  expect(calls).toHaveLength(2 * (3 * foreign.length + 2))
  const withToken = calls.filter(({ headers }) => headers.authorization !== undefined)
  expect(withToken.map(({ path, headers }) => [path, headers.host])).toEqual(Array.from({ length: 2 }, () => ['/api/listed', host]))
  await calm(200)
  expect([server.refreshes, elsewhere.refreshes]).toEqual([[], []])
})

test('the platform’s own fetch may be given as the one underneath, however a refresh calls it', async () => {
  const { open, server, uncaught } = await stage(browser)
  const page = await open()
  const came = await page.evaluate(async (tokens) => {
    const refresher = {
      id: 'own',
      refresh: (request: RefreshRequest) => request.fetch(`${location.origin}/token`, { method: 'POST', body: request.refreshToken }),
    }
    const session = window.app.open({ name: 'own', fetch: window.fetch, refresh: refresher })
    await session.signIn(tokens)
    await session.refresh()
    return (await session.fetch('/api/me')).status
  }, server.grant())
  expect(came).toBe(200)
  expect(server.refreshes).toEqual(['granted'])
  expect(uncaught).toEqual([])
})

test('the platform is left as it was found (F79)', async () => {
  const { open, server, context } = await stage(browser)
  await context.addInitScript(() => {
    const things: Record<string, object> = { window }
    for (const name of [
      'XMLHttpRequest',
      'EventSource',
      'WebSocket',
      'Headers',
      'Request',
      'Response',
      'EventTarget',
      'Promise',
      'Storage',
      'IDBFactory',
      'IDBDatabase',
      'IDBObjectStore',
      'BroadcastChannel',
      'LockManager',
      'History',
      'Navigator',
      'Document',
      'AbortSignal',
      'AbortController',
    ]) {
      const found = (window as unknown as Record<string, { prototype: object }>)[name] // as named in the platform
      if (found) Object.assign(things, { [name]: found, [`${name}.prototype`]: found.prototype })
    }
    Object.assign(things, { crypto, navigator, document, history, 'navigator.locks': navigator.locks, 'crypto.subtle': crypto.subtle })
    const read = () =>
      new Map(
        Object.entries(things).flatMap(([name, thing]) =>
          Reflect.ownKeys(thing).map((key) => {
            const { value, get, set } = Object.getOwnPropertyDescriptor(thing, key) ?? {}
            return [`${name}.${String(key)}`, typeof value === 'function' ? value : (get ?? set ?? 'data')] as const
          }),
        ),
      )
    const before = read()
    Object.assign(window, {
      changed: () => [...read()].filter(([name, value]) => before.get(name) !== value).map(([name]) => name),
      compared: before.size,
    })
  })
  const page = await open()
  await signIn(page, server)
  await page.evaluate(() => window.app.session.refresh())
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  const found = await page.evaluate(() => {
    const { changed, compared } = window as unknown as { changed: () => string[]; compared: number } // set above
    return { changed: changed(), compared }
  })
  expect(found.compared).toBeGreaterThan(1_000)
  // What the test itself has put there.
  expect(found.changed.filter((name) => !/^window\.(app|changed|compared|__playwright|__pw)/.test(name))).toEqual([])
})

test('REQ-83: what an address, a message or a stored value asks for is never sent', async () => {
  const { open, server, context } = await stage(browser)
  const page = await open('/')
  await signIn(page, server)
  const sent: string[] = []
  context.on('request', (request) => sent.push(`${request.method()} ${new URL(request.url()).pathname}`))
  await page.evaluate(async () => {
    const order = { url: '/api/transfer', path: '/api/transfer', method: 'POST', tokenEndpoint: '/api/transfer', session: '/api/transfer' }
    history.replaceState(order, '', '/?url=/api/transfer&redirect_uri=/api/transfer&code=1&state=2#post;/api/transfer')
    dispatchEvent(new HashChangeEvent('hashchange'))
    dispatchEvent(new PopStateEvent('popstate', { state: order }))
    postMessage(order, '*')
    new BroadcastChannel('latchkey:test').postMessage({ ...order, generation: 99, missing: true })
    localStorage.setItem('latchkey:test', JSON.stringify(order))
    dispatchEvent(new StorageEvent('storage', { key: 'latchkey:test', newValue: JSON.stringify(order) }))
    dispatchEvent(new Event('focus'))
  })
  await calm(500)
  expect(sent).toEqual([])
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(sent).toEqual(['GET /api/me'])
})
