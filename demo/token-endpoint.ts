import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { Provider } from 'oidc-provider'

type Context = Parameters<Parameters<Provider['use']>[0]>[0]

/** How the token server is doing; the demo's knob, and the tests' fault injection. */
export type Condition =
  /** Answers at once. */
  | 'well'
  /** Acts at once, answers `slowness` ms later. */
  | 'slow'
  /** Does nothing and answers 503. */
  | 'failing'
  /** Does nothing and cuts the connection. */
  | 'unreachable'
  /** Acts, and cuts the connection instead of answering. */
  | 'losing-answers'

export const conditions: readonly Condition[] = ['well', 'slow', 'failing', 'unreachable', 'losing-answers']

/** May be changed at any time; holds from the next request on. */
export interface ProviderSettings {
  /** Seconds that the next access tokens live. */
  accessTokenLifetime: number
  condition: Condition
  /** ms that a slow answer takes. */
  slowness: number
}

/**
 * - `granted`: new tokens were made, and the refresh token is spent
 * - `reused`: a spent refresh token was presented again, which revokes the whole grant
 * - `refused`: unknown, revoked or expired
 * - `unavailable`: the server did nothing, see {@link Condition}
 */
export type RefreshOutcome = 'granted' | 'reused' | 'refused' | 'unavailable'

/** One refresh request, as the server saw it. */
export interface RefreshRecord {
  readonly at: number
  readonly outcome: RefreshOutcome
  /** Did the client get an answer, be it an error? */
  readonly answered: boolean
  /** The API that the token is for, if the request named one (RFC 8707). */
  readonly resource: string | null
}

export interface ProviderCounters {
  signIns: number
  /** Refresh requests of any outcome; the four below add up to this. */
  refreshes: number
  granted: number
  reused: number
  refused: number
  unavailable: number
  /** Requests to revoke a token. */
  revocations: number
  /** Most token requests that were being answered at the same time. */
  atOnce: number
}

export const tokenPath = '/token'
export const revocationPath = '/revoke'

export interface TokenEndpointWatch {
  readonly counters: Readonly<ProviderCounters>
  readonly refreshLog: readonly RefreshRecord[]
}

/** Puts the provider's token and revocation endpoints into the condition that the settings say, and counts what they are asked. */
export function watchTokenEndpoint(provider: Provider, settings: ProviderSettings, origins: readonly string[]): TokenEndpointWatch {
  const counters: ProviderCounters = {
    signIns: 0,
    refreshes: 0,
    granted: 0,
    reused: 0,
    refused: 0,
    unavailable: 0,
    revocations: 0,
    atOnce: 0,
  }
  const refreshLog: RefreshRecord[] = []

  // An opaque refresh token is its own id, so what is presented can be looked up among the spent ones as it is.
  const spent = new Set<string>()
  provider.on('refresh_token.consumed', (token) => spent.add(token.jti))

  function record(at: number, outcome: RefreshOutcome, answered: boolean, resource: unknown = null): void {
    counters.refreshes += 1
    counters[outcome] += 1
    refreshLog.push({ at, outcome, answered, resource: typeof resource === 'string' ? resource : null })
  }

  let open = 0
  function countOpen({ res }: Context): void {
    counters.atOnce = Math.max(counters.atOnce, ++open)
    res.once('close', () => --open)
  }

  provider.use(async (context, next) => {
    const asked = context.method === 'POST' ? context.path : ''
    if (asked !== tokenPath && asked !== revocationPath) return next()
    if (asked === revocationPath) counters.revocations += 1
    else countOpen(context)

    const at = Date.now()
    const { condition, slowness } = settings

    if (condition === 'failing' || condition === 'unreachable') {
      const form = new URLSearchParams(await text(context.req))
      if (form.get('grant_type') === 'refresh_token') record(at, 'unavailable', condition === 'failing')
      if (condition === 'unreachable') return hangUp(context)
      return answerUnavailable(context, origins)
    }

    await next()

    const { grant_type: grantType, refresh_token: presented, resource } = context.oidc.params ?? {}
    const granted = context.status === 200
    if (grantType === 'authorization_code' && granted) counters.signIns += 1
    if (grantType === 'refresh_token') {
      record(at, granted ? 'granted' : spent.has(String(presented)) ? 'reused' : 'refused', condition !== 'losing-answers', resource)
    }

    if (condition === 'slow') await pause(slowness)
    if (condition === 'losing-answers') hangUp(context)
  })

  return { counters, refreshLog }
}

/** The provider has not run, so its CORS headers are missing: without them the page would see a network error, not a 503. */
function answerUnavailable(context: Context, origins: readonly string[]): void {
  const origin = context.get('origin')
  if (origins.includes(origin)) context.set('access-control-allow-origin', origin)
  context.vary('origin')
  context.status = 503
  context.body = { error: 'temporarily_unavailable' }
}

function hangUp(context: Context): void {
  context.respond = false
  context.req.socket.destroy()
}
