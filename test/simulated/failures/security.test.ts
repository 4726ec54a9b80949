import { inspect } from 'node:util'
import { isLatchkeyError, type RefreshFunction, type TokenResponse } from 'latchkey'
import { oauthRefresh, refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import type { Tab } from '../../../src/testing/world.ts'
import { listenTo, minutes, scene, seconds, settled, storedIn } from '../scene.ts'

// F: where tokens go, and where they do not.

describe('F62', () => {
  const elsewhere = [
    'https://api.example.com.evil.test',
    'https://evil.test/?u=https://api.example.com',
    'https://api.example.com@evil.test',
    'http://api.example.com',
    'https://api.example.com:8443',
    '//evil.test',
    'blob:https://api.example.com/5f2a',
    'data:text/plain,https://api.example.com',
    '/me', // of a page elsewhere
  ]

  test.each([...elsewhere, 'https://api.example.com/me'])(
    'F62: %s: a token for the listed one alone, and a 401 of the others is the caller’s',
    async (url) => {
      const sent: { readonly url: string; readonly authorization: string | null }[] = []
      let refreshes = 0
      const refresh: RefreshFunction = async () => ({ access_token: `access-${++refreshes}`, refresh_token: 'r', expires_in: 300 })
      const s = scene({
        session: {
          attachTo: ['https://api.example.com'],
          refresh,
          async fetch(input, init) {
            sent.push({
              url: String(input instanceof Request ? input.url : input),
              authorization: new Headers(init?.headers).get('Authorization'),
            })
            return new Response('who are you?', { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } })
          },
        },
      })
      const { session } = s.tabs[0]
      await session.signIn({ access_token: 'first', refresh_token: 'r', expires_in: 300 })
      for (const input of URL.canParse(url) && !new URL(url).username ? [url, new URL(url), new Request(url)] : [url]) {
        sent.splice(0)
        const answer = await settled(
          s,
          session.fetch(input).then(async (response) => [response.status, await response.text()]),
        )
        expect(answer.value).toEqual([401, 'who are you?'])
        if (elsewhere.includes(url)) {
          expect(sent).toEqual([{ url: String(input instanceof Request ? input.url : input), authorization: null }])
          expect(refreshes).toBe(0)
        } else {
          expect(sent.map(({ authorization }) => authorization?.slice(0, 7))).toContain('Bearer ')
          expect(refreshes).toBeGreaterThan(0)
        }
      }
    },
  )
})

describe('F64, F65', () => {
  /** Tokens that no word of ours contains by chance. */
  function minter(seed: number) {
    const random = seededRandom(seed)
    const alphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789'
    const minted: string[] = []
    const mint = () => {
      const token = Array.from({ length: 48 }, () => alphabet[Math.floor(random() * alphabet.length)]).join('')
      minted.push(token)
      return token
    }
    const response = (more: Partial<TokenResponse> = {}): TokenResponse => ({
      access_token: mint(),
      refresh_token: mint(),
      expires_in: 300,
      ...more,
    })
    return { minted, mint, response }
  }

  /** Whatever `inspect` finds in an object, hidden members, causes and stacks too; and what JSON and a template make of it. */
  const shown = (value: unknown): string => {
    const texts = [
      inspect(value, { depth: 12, showHidden: true, getters: true, breakLength: 1e9, maxStringLength: null, maxArrayLength: null }),
      String(value),
    ]
    if (value instanceof Error) texts.push(value.stack ?? '', value.message, shown(value.cause))
    try {
      texts.push(JSON.stringify(value) ?? '')
    } catch {
      // It has a circle in it: inspect has seen it.
    }
    return texts.join('\n')
  }

  test('F64, F65: everything that can be heard, seen or caught while everything goes wrong has no twelve characters of a token in it', async () => {
    const { minted, mint, response } = minter(64)
    const seen: string[] = []
    const kinds = new Set<string>()
    const see = (value: unknown) => {
      seen.push(shown(value))
      if (isLatchkeyError(value)) kinds.add(`${value.code} ${value.reason ?? ''}`.trim())
      else if (value instanceof Error) kinds.add(value.name)
    }
    const spyOn = (tab: Tab) => {
      const { session } = tab
      see(session)
      for (const type of ['signed-in', 'refreshed', 'expired', 'ended', 'diagnostic'] as const)
        session.on(type, (event) => {
          kinds.add(type)
          see(event)
        })
      session.subscribe(see)
      listenTo(session)
    }
    const latest = () => minted.slice(-20) // which a server might still know
    type Answer = () => Response | Promise<Response>
    const echo =
      (status: number, body: () => unknown): Answer =>
      async () =>
        Response.json(body(), { status })
    // Servers that say everything back that they were told.
    const failing: Answer[] = [
      echo(500, () => ({ was: minted[1], is: latest() })),
      () => new Response(`<html>${latest().join()}`, { status: 403, headers: { 'Content-Type': 'text/html' } }),
      () => new Response(latest().join(), { status: 200 }),
      echo(200, () => ({ access_token: 7, refresh_token: minted[1] })),
      echo(200, () => ({ access_token: mint(), token_type: mint() })),
      echo(400, () => ({ error: 'invalid_request', error_description: latest().join() })),
      echo(429, () => ({ error: minted[0] })),
      () => Promise.reject(new TypeError('Failed to fetch')),
    ]
    const final = echo(400, () => ({ error: 'invalid_grant', error_description: latest().join() }))
    let answers: Answer[] = []
    const network: typeof fetch = async (input, init) => {
      const { url } = new Request(input, init)
      if (url.endsWith('/token')) return (answers.shift() ?? (async () => Response.json(response())))()
      if (url.endsWith('/revoke')) return new Response(latest().join(), { status: 500 })
      if (url.endsWith('/down')) throw new TypeError('Failed to fetch')
      return new Response('no', { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } })
    }
    const strategies = [
      refreshEndpoint('https://api.example.com/token', { logout: 'https://api.example.com/revoke' }),
      oauthRefresh({
        tokenEndpoint: 'https://api.example.com/token',
        clientId: 'spa',
        revocationEndpoint: 'https://api.example.com/revoke',
      }),
    ]
    for (const strategy of strategies) {
      const world = scene({ tabs: 2, seed: 64, session: { attachTo: ['https://api.example.com'], refresh: strategy, fetch: network } })
      const [a, b] = world.tabs
      for (const tab of [a, b]) spyOn(tab)
      const tryIt = async (work: Promise<unknown>) => see((await settled(world, work)).error)
      await world.advance(0)
      await tryIt(a.session.getToken())
      await tryIt(a.session.signIn({ access_token: `${mint()} ${mint()}` } as TokenResponse))
      await tryIt(a.session.signIn({ accessToken: mint(), refreshToken: `${mint()} ` } as never))
      await tryIt(a.session.signIn(response(), { subject: 'one' }))
      await tryIt(a.session.fetch('https://api.example.com/me'))
      await tryIt(a.session.fetch('https://api.example.com/down'))
      for (const answer of failing) {
        answers = [answer, answer]
        await world.advance(minutes(6))
        await tryIt(a.session.refresh())
        await tryIt(b.session.getToken({ minValidity: minutes(20) }))
        await tryIt(b.session.fetch('https://api.example.com/me'))
        answers = []
        await world.advance(minutes(3))
      }
      world.browser.behaviour.storeFault = (operation) => (operation === 'replace' ? 'fails' : 'none')
      await tryIt(a.session.refresh())
      world.browser.behaviour.storeFault = () => 'none'
      await world.advance(minutes(2))
      const waiting = b.session.fetch('https://api.example.com/me', { signal: AbortSignal.abort() })
      await tryIt(waiting)
      void b.session.signIn(response(), { subject: 'two' })
      await tryIt(a.session.fetch('https://api.example.com/me'))
      await world.advance(seconds(1))
      answers = [final, final]
      await tryIt(a.session.refresh())
      await tryIt(a.session.signIn(response()))
      await tryIt(a.session.signOut())
      a.session.close()
      await tryIt(a.session.getToken())
      see(storedIn(world)) // after the end
      see(world.browser.messages)
      for (const tab of [a, b]) see(world.insideOf(tab).reported)
    }
    expect([...kinds].sort()).toEqual(
      expect.arrayContaining([
        'AbortError',
        'TypeError',
        'closed',
        'diagnostic',
        'ended',
        'expired',
        'refresh_unavailable',
        'refreshed',
        'session_ended rejected',
        'signed-in',
        'signed_out',
      ]),
    )
    expect(minted.length).toBeGreaterThan(30)
    const all = seen.join('\n')
    expect(all.length).toBeGreaterThan(50_000)
    const leaked = minted
      .flatMap((token) => Array.from({ length: token.length - 11 }, (_, from) => token.slice(from, from + 12)))
      .filter((part) => all.includes(part))
    expect(leaked).toEqual([])
  }, 30_000)
})
