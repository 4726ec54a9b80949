import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { RefreshFunction, Session } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { callFrom, listenTo, minutes, pause, roughen, scene, scripted, seconds, seeds, settled, storedIn, tokens, watch } from '../scene.ts'

// E: what servers say, and what a 401 means.

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwt = (id: number) => `${part({ alg: 'none' })}.${part({ jti: id, iat: 1_000, exp: 1_300 })}.${part('signature')}`

describe('F50', () => {
  const known = ['300']
  const unknown = [undefined, null, Number.NaN, 'abc', -5, 1e308]
  const rows = [
    ...known.flatMap((expires_in) => [true, false].map((isJwt) => ({ expires_in, isJwt, lasts: 'as said' }))),
    ...unknown.map((expires_in) => ({ expires_in, isJwt: true, lasts: 'as the JWT says' })),
    ...unknown.map((expires_in) => ({ expires_in, isJwt: false, lasts: 'until a 401' })),
    ...[true, false].map((isJwt) => ({ expires_in: 0, isJwt, lasts: 'not at all' })),
  ]

  test('F50: the table has its sixteen rows', () => {
    expect(rows).toHaveLength(16)
  })

  test.each(rows)('F50: expires_in $expires_in, a JWT: $isJwt: lasts $lasts', async ({ expires_in, isJwt, lasts }) => {
    const asked: number[] = []
    const issue = () => {
      const id = asked.length
      return { access_token: isJwt ? jwt(id) : `opaque-${id}`, refresh_token: `refresh-${id}`, expires_in: expires_in as number }
    }
    const refresh: RefreshFunction = async () => {
      asked.push(s.now())
      return issue()
    }
    const s = scene({ session: { refresh, name: 'odd' } })
    const { session } = s.tabs[0]
    s.server.onRequest(() => {
      const alive = s.now() - (asked.at(-1) ?? 0) < seconds(300)
      return Response.json({}, { status: alive ? 200 : 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } })
    })
    await session.signIn(issue())
    const stored: string[] = []
    const keep = () => stored.push(...s.browser.records.values())
    keep()
    await s.advance(seconds(299))
    const isKnown = /said|JWT/.test(lasts)
    if (lasts === 'until a 401') {
      expect(asked).toEqual([])
      await s.advance(seconds(200))
      expect(asked).toEqual([])
      expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
      expect(asked).toHaveLength(1)
    } else if (isKnown) expect(asked).toHaveLength(1)
    const statuses = new Set<unknown>()
    for (let call = 0; call < 180; call++) {
      await s.advance(seconds(5))
      keep()
      const { value, code } = await settled(s, callFrom(s.tabs[0]))
      statuses.add(value ?? code)
    }
    for (const [index, at] of asked.entries()) if (index) expect(at - asked[index - 1]!).toBeGreaterThanOrEqual(seconds(10))
    expect([...statuses].filter((status) => status !== 200)).toEqual(lasts === 'not at all' ? ['refresh_unavailable'] : [])
    expect(stored.join()).not.toMatch(/NaN|Infinity|1e\+?308/)
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })
})

test.each([{ refresh_token: undefined }, { refresh_token: null }, { refresh_token: '' }])(
  'F52: a server whose answers say %j: the first refresh token is presented ten times, and is still stored',
  async (more) => {
    const script = scripted()
    for (let count = 0; count < 10; count++) script.answers.push({ after: 10, give: { ...tokens(`given-${count}`), ...more } })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    while (script.asked.length < 10) await s.advance(minutes(1))
    await s.advance(seconds(1))
    expect(script.asked.map(({ token }) => token)).toEqual(Array(10).fill('refresh-first'))
    expect(storedIn(s)?.grant?.refreshToken).toBe('refresh-first')
  },
)

test('F54, REQ-32: a 401 that says nothing, twenty times a minute: half a minute between refreshes, the answer is the caller’s, no end', async () => {
  const s = scene({ expiresIn: 36_000 })
  await s.tabs[0].session.signIn(s.server.grant())
  s.server.onRequest(() => new Response('downstream says no', { status: 401, headers: { 'X-Why': 'downstream' } }))
  for (let call = 0; call < 200; call++) {
    const answer = await settled(
      s,
      s.tabs[0].session
        .fetch('https://server.test/me')
        .then(async (response) => [response.status, response.headers.get('X-Why'), await response.text()]),
    )
    expect(answer.value).toEqual([401, 'downstream', 'downstream says no'])
    await s.advance(seconds(3))
  }
  const times = s.server.presentations.map(({ at }) => at)
  expect(times.length).toBeGreaterThan(1)
  for (const [index, at] of times.entries()) if (index) expect(at - times[index - 1]!).toBeGreaterThanOrEqual(seconds(30))
  expect(s.earOf(s.tabs[0]).ended).toEqual([])
  expect(s.tabs[0].session.state.status).toBe('signed-in')
})

describe('F56', () => {
  /** A refresh function that does what it is told not to do: it asks the session that waits for it. */
  async function nested(ask: (session: Session) => Promise<unknown>) {
    let calls = 0
    const inner: { code: string | null; took: number }[] = []
    let misbehaves = true
    const refresh: RefreshFunction = async () => {
      calls++
      if (misbehaves) {
        const begun = s.now()
        const result = watch(ask(s.tabs[0].session), s.now)
        while (!result.result) await pause(s, 10)
        inner.push({ code: result.result.code, took: result.result.took - begun })
      }
      return tokens(`given-${calls}`)
    }
    const s = scene({ session: { refresh, name: 'nested' } })
    s.server.onRequest(() => Response.json({}))
    await s.tabs[0].session.signIn(tokens('first'))
    s.tabs[0].hide()
    await s.advance(minutes(10))
    const call = await settled(s, callFrom(s.tabs[0]))
    return { s, call, calls: () => calls, inner, behave: () => (misbehaves = false) }
  }

  const ways: [string, (session: Session) => Promise<unknown>][] = [
    ['getToken', (session) => session.getToken()],
    ['fetch', (session) => session.fetch('https://server.test/auth/refresh', { method: 'POST' })],
    ['refresh', (session) => session.refresh()],
  ]

  test.each(ways)(
    'F56: a refresh function that calls session.%s: nothing hangs, nothing recurs, and the session outlives it',
    async (_, ask) => {
      const { s, call, calls, inner, behave } = await nested(ask)
      expect([null, 'refresh_unavailable']).toContain(call.code)
      expect(call.took).toBeLessThanOrEqual(seconds(12)) // as anything that waits for a token
      await s.advance(minutes(1))
      expect(calls()).toBeLessThanOrEqual(4) // it is asked, and asked once more; never from within
      expect(inner.length).toBeGreaterThan(0)
      for (const { code, took } of inner) {
        expect([null, 'refresh_unavailable']).toContain(code)
        expect(took).toBeLessThanOrEqual(seconds(12))
      }
      behave()
      await s.advance(minutes(2))
      expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
      expect(s.earOf(s.tabs[0]).ended).toEqual([])
      expect(s.insideOf(s.tabs[0]).reported).toEqual([])
    },
  )

  test.each(ways)('F56: session.%s called there goes bare, or says at once that it cannot be', async (_, ask) => {
    const { inner, calls } = await nested(ask)
    expect(calls()).toBe(1)
    expect(inner[0]!.took).toBeLessThanOrEqual(seconds(1))
  })

  test('F56: an app that puts session.fetch in the place of the global fetch has no recursion', async () => {
    const program = `
      const native = (input, init) => Promise.resolve(new Response(new Headers(init?.headers).get('Authorization') ?? 'none'))
      globalThis.fetch = native
      const { createSession, memoryStore } = await import(${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)})
      const refresh = async () => ({ access_token: 'b' })
      const session = createSession({ attachTo: ['https://api.example.com'], refresh, store: memoryStore() })
      await session.ready
      await session.signIn({ access_token: 'a', expires_in: 300 })
      globalThis.fetch = session.fetch
      const answers = []
      for (const url of ['https://api.example.com/me', 'https://other.example.com/']) answers.push(await (await fetch(url)).text())
      process.stdout.write(answers.join())
      session.close()`
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], {
      timeout: 20_000,
    })
    expect(stdout).toBe('Bearer a,none')
  }, 30_000)
})

test.each(seeds(5))(
  'F57, REQ-113: revoked while three tabs idle: each is told once within a second of the refusal, and no more requests (seed %i)',
  async (seed) => {
    const s = scene({ tabs: 3, seed })
    roughen(s, seed)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.server.revoke()
    while (s.server.presentations.length === 0) await s.advance(100)
    await s.advance(seconds(1))
    for (const tab of s.tabs) {
      expect(s.earOf(tab).expired).toMatchObject([{ reason: 'rejected' }])
      expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'rejected' })
      expect((await settled(s, tab.session.getToken())).code).toBe('signed_out')
    }
    await s.advance(minutes(30))
    expect([s.server.presentations.length, s.server.calls]).toEqual([1, []])
  },
)

describe('F59', () => {
  test.each([
    ['refuses', 'signed-out'],
    ['is down', 'signed-in'],
    ['never answers', 'signed-in'],
  ] as const)('F59: a stored session whose server %s: made at once, ready within 12 s as %s, and a sign-in works', async (how, status) => {
    const s = scene({ rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'one' })
    s.tabs[0].crash()
    await s.advance(minutes(60))
    if (how === 'refuses') s.server.revoke()
    else if (how === 'is down') s.server.fail({ status: 503 }, 1_000)
    else s.server.fail('hang', 1_000)
    const { session } = s.world.openTab()
    expect(session.state).toEqual({ status: 'loading' })
    const ear = listenTo(session)
    const ready = await settled(s, session.ready)
    expect(ready.took).toBeLessThanOrEqual(seconds(12))
    await s.advance(seconds(12))
    expect(session.state).toMatchObject(status === 'signed-in' ? { status } : { status, reason: 'rejected' })
    expect(ear.ended).toHaveLength(status === 'signed-in' ? 0 : 1)
    const signedIn = await settled(s, session.signIn(s.server.grant(), { subject: 'one' }))
    expect(signedIn.took).toBeLessThanOrEqual(100)
    expect((await settled(s, callFrom({ session }))).value).toBe(200)
  })
})

test.each(seeds(10))(
  'F60: three resources asked for in the same tick in two tabs: three refreshes, one after the other, and three tokens for both (seed %i)',
  async (seed) => {
    const resources = ['urn:files', 'urn:mail', 'urn:calendar']
    const attachTo = ['https://server.test', ...resources.map((resource) => ({ url: `https://${resource.slice(4)}.test`, resource }))]
    const s = scene({ tabs: 2, seed, session: { attachTo } })
    const random = roughen(s, seed)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    s.latency = () => 20 + random() * 200
    const asks = s.tabs.flatMap(({ session }) => resources.map((resource) => session.getToken({ resource })))
    const given = (await settled(s, Promise.all(asks))).value as string[]
    expect(new Set(given).size).toBe(3)
    expect(given.slice(3)).toEqual(given.slice(0, 3))
    expect(s.server.presentations.map(({ answered }) => answered)).toEqual(['granted', 'granted', 'granted'])
    expect(new Set(s.server.presentations.map(({ token }) => token)).size).toBe(3)
    expect(s.server.reused).toBe(0)
    // And the session's own token is none of them, and has not been renewed for their sake.
    const own = await s.tabs[0].session.getToken()
    expect(given).not.toContain(own)
    expect(s.server.presentations).toHaveLength(3)
  },
)
