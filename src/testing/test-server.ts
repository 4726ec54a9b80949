import type { TokenResponse } from '../core/tokens.ts'
import type { Refresher } from '../ports.ts'
import { isRefusal, tokensIn } from '../refresh/outcome.ts'

export interface TestServer {
  readonly origin: string
  readonly refresher: Refresher
  /** What a login would answer. */
  grant(overrides?: Partial<TokenResponse>): TokenResponse
  /** Revokes all that was granted so far, as an administrator would: refreshes are refused, API calls are answered 401. A later `grant()` is good. */
  revoke(): void
  /** The next `count` refreshes fail so. @defaultValue 1 */
  fail(how: FailHow, count?: number): void
  /** Answers API calls, wherever they go, and the refreshes of a strategy of your own. @defaultValue 200 with a valid token, 401 without */
  onRequest(handler: (request: Request) => Response | Promise<Response>): void
  /** Refreshes answered with new tokens. */
  readonly refreshes: number
  /** Refresh tokens presented twice: what must stay 0. */
  readonly reused: number
}

export type FailHow = { readonly status: number; readonly retryAfter?: number | undefined } | 'request-lost' | 'answer-lost' | 'hang'

export type Rotation = 'strict' | 'grace' | 'static'

/** What the server saw, for our own tests. */
export interface Witness {
  readonly calls: readonly Call[]
  readonly presentations: readonly { readonly at: number; readonly token: string; readonly answered: string }[]
  readonly revocations: number
  /** The URL of each request. */
  readonly urls: readonly string[]
  /** The refresh tokens that are good for something now: one of each session that is not revoked. */
  readonly live: readonly string[]
}

interface Call {
  readonly at: number
  readonly credential: 'valid' | 'expired' | 'revoked' | 'none'
  /** When what it carries was revoked. */
  readonly revokedAt: number | null
  readonly status: number
}

/** Part of every token that is granted here, so that one is known for what it is wherever it turns up. */
export const tokenMark = 'secret-7f3a9c'

/** How the network treats one exchange. */
export interface Exchange {
  readonly response: Response
  readonly fate: 'answered' | 'request-lost' | 'answer-lost' | 'hang'
}

interface Family {
  readonly spent: Map<string, { at: number; successor: string }>
  current: string
  revokedAt: number | null
}

/** How long a spent refresh token still gets its successor, in ms, where the server has a grace window. */
const graceWindow = 10_000

/** A scripted authorization server and an API behind it. Counts what must not happen. */
export function createTestServer(
  now: () => number,
  rotation: Rotation,
  lifetime: number,
): TestServer & Witness & { readonly handle: (request: Request) => Promise<Exchange> } {
  const origin = 'https://server.test'
  const families = new Map<string, Family>() // by refresh token, spent ones included
  const access = new Map<string, { until: number; family: Family }>()
  const failures: FailHow[] = []
  const witness = {
    calls: [] as Call[],
    presentations: [] as Witness['presentations'][number][],
    revocations: 0,
    urls: [] as string[],
  }
  let made = 0
  let reused = 0
  let answer = (request: Request): Response | Promise<Response> => {
    const status = credentialOf(request) === 'valid' ? 200 : 401
    return Response.json({ status }, { status, headers: status === 401 ? { 'WWW-Authenticate': 'Bearer error="invalid_token"' } : {} })
  }

  function issue(family: Family, overrides: Partial<TokenResponse> = {}): TokenResponse {
    const response = {
      access_token: `access-${++made}-${tokenMark}`,
      token_type: 'Bearer',
      expires_in: lifetime,
      refresh_token: family.current,
      ...overrides,
    }
    access.set(response.access_token, { until: now() + Number(response.expires_in ?? lifetime) * 1000, family })
    families.set(response.refresh_token ?? family.current, family)
    return response
  }

  function refresh(token: string): Response {
    const family = families.get(token)
    const spent = family?.spent.get(token)
    const isGraceful = rotation === 'grace' && spent?.successor === family?.current && now() - (spent?.at ?? 0) <= graceWindow
    if (spent && !isGraceful) {
      reused++
      if (family) revokeAll([family])
    }
    const refused = !family || family.revokedAt !== null
    witness.presentations.push({ at: now(), token, answered: refused ? 'refused' : 'granted' })
    if (refused) return Response.json({ error: 'invalid_grant' }, { status: 400 })
    if (rotation !== 'static' && !spent) {
      const successor = `refresh-${++made}-${tokenMark}`
      family.spent.set(token, { at: now(), successor })
      family.current = successor
    }
    return Response.json(rotation === 'static' ? { ...issue(family), refresh_token: undefined } : issue(family))
  }

  function revokeAll(those: Iterable<Family>): void {
    for (const family of those) family.revokedAt ??= now()
  }

  const tokenOf = (request: Request) => access.get(/^Bearer (.+)$/.exec(request.headers.get('Authorization') ?? '')?.[1] ?? '')

  function credentialOf(request: Request): Call['credential'] {
    const token = tokenOf(request)
    if (!token) return 'none'
    return token.family.revokedAt !== null ? 'revoked' : token.until < now() ? 'expired' : 'valid'
  }

  async function handle(request: Request): Promise<Exchange> {
    const { pathname } = new URL(request.url)
    witness.urls.push(request.url)
    if (pathname === '/revoke') {
      witness.revocations++
      const family = families.get(await request.text())
      if (family) revokeAll([family])
      return { response: new Response(), fate: 'answered' }
    }
    if (pathname !== '/token') {
      const credential = credentialOf(request)
      const response = await answer(request)
      witness.calls.push({ at: now(), credential, revokedAt: tokenOf(request)?.family.revokedAt ?? null, status: response.status })
      return { response, fate: 'answered' }
    }
    const token = await request.text()
    const failure = failures.shift()
    if (failure === 'request-lost' || failure === 'hang') return { response: Response.error(), fate: failure }
    if (typeof failure === 'object') {
      witness.presentations.push({ at: now(), token, answered: String(failure.status) })
      const headers: HeadersInit = failure.retryAfter === undefined ? {} : { 'Retry-After': String(failure.retryAfter) }
      return { response: new Response('', { status: failure.status, headers }), fate: 'answered' }
    }
    return { response: refresh(token), fate: failure ?? 'answered' }
  }

  const post = (path: string, body: string | null, fetch: typeof globalThis.fetch, signal: AbortSignal) =>
    fetch(origin + path, { method: 'POST', body, signal, headers: { 'Content-Type': 'text/plain' } })

  return {
    origin,
    handle,
    refresher: {
      id: origin,
      refresh: async ({ refreshToken, fetch, signal }) =>
        (await tokensIn(await post('/token', refreshToken, fetch, signal), isRefusal)) as TokenResponse, // the session checks it
      revoke: async ({ refreshToken, fetch, signal }) => void (await post('/revoke', refreshToken, fetch, signal)),
    } satisfies Refresher,
    grant(overrides?: Partial<TokenResponse>) {
      return issue({ spent: new Map(), current: `refresh-${++made}-${tokenMark}`, revokedAt: null }, overrides)
    },
    revoke() {
      revokeAll(families.values())
    },
    fail(how: FailHow, count = 1) {
      for (let next = 0; next < count; next++) failures.push(how)
    },
    onRequest(handler: typeof answer) {
      answer = handler
    },
    get refreshes() {
      return witness.presentations.filter(({ answered }) => answered === 'granted').length
    },
    get reused() {
      return reused
    },
    calls: witness.calls,
    presentations: witness.presentations,
    get revocations() {
      return witness.revocations
    },
    urls: witness.urls,
    get live() {
      return [...new Set(families.values())].filter(({ revokedAt }) => revokedAt === null).map(({ current }) => current)
    },
  }
}
