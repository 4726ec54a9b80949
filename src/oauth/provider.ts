import type { AuthorizationServer } from 'oauth4webapi'
import { browserClock } from '../adapters/clock.ts'
import { open, seal } from '../core/secret.ts'
import type { Ms } from '../core/time.ts'
import { claimsOf, type TokenResponse } from '../core/tokens.ts'
import { maySee } from '../fetch/destinations.ts'
import type { Refresher } from '../ports.ts'
import { refresherAt } from '../refresh/oauth-refresh.ts'
import { isRefusedGrant, refusalBy } from '../refresh/outcome.ts'
import { discovered, endpointOf, type Metadata, neededEndpointOf } from './metadata.ts'
import type { Dpop, Proving } from './proving.ts'
import type { SignIn } from './sign-in.ts'

/** Which provider, and as whom it knows this app. */
export interface OAuthOptions {
  /** The URL that the provider calls itself by, to the letter. https, or http on loopback. */
  readonly issuer: string
  /** Of a public client: it has no secret (RFC 6749 §2.1). */
  readonly clientId: string
  /** Space-separated. @defaultValue `'openid offline_access'` */
  readonly scope?: string | undefined
  /** A page of yours, registered at the provider, that calls {@link handleRedirect}. @defaultValue the page's origin and `/` */
  readonly redirectUri?: string | undefined
  /** `dpop('prefer')` or `dpop('required')` of `latchkey/dpop`: binds tokens to a key of this device (RFC 9449). @defaultValue they are Bearer tokens */
  readonly dpop?: Dpop | undefined
  /** Instead of discovery (RFC 8414), for providers without it. ID tokens signed otherwise than with RS256 want `id_token_signing_alg_values_supported`. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /**
   * Further authorization parameters of the provider's own (`audience`, `connection`). They replace none of ours. A list is sent as one
   * parameter each: `resource: ['https://files.example.com', 'https://mail.example.com']` asks for what destinations name (RFC 8707 §2).
   */
  readonly parameters?: Readonly<Record<string, string | readonly string[]>> | undefined
  /**
   * Is this answer to a refresh a refusal for good? In the place of the default. For providers that do not say `invalid_grant`. `json` is `undefined` if the body is not JSON.
   * @defaultValue `invalid_grant`, `interaction_required` and `login_required`, with a 4xx
   */
  readonly isRejected?: ((status: number, json: unknown) => boolean) | undefined
}

/** Opaque but for what a session needs of it. */
export interface OAuthProvider extends Refresher {
  readonly issuer: string
  readonly clientId: string
}

/** What the sign-in functions know of a provider. */
export interface Client {
  readonly id: string
  readonly clientId: string
  readonly scope: string
  readonly redirectUri: string | undefined
  readonly parameters: NonNullable<OAuthOptions['parameters']>
  readonly metadata: Metadata
  readonly dpop: Proving | undefined
  /** The page's own, from before the app may have put `session.fetch` in its place, which would wait for a token (F56). */
  readonly fetch: typeof globalThis.fetch
  readonly memory: Memory
}

/** What this page remembers of a provider. */
export interface Memory {
  /** What this page load was the return from. */
  returned: Promise<SignIn | null> | null
  /** Of the last sign-in on this page: no storage holds it (REQ-136). */
  idToken: string | null
  /** The same, if its user is the last who has signed out here. */
  hint: string | null
}

/**
 * An OAuth 2.0 / OpenID Connect provider: `refresh` of a session, and what the sign-in functions below are given. Loads the
 * metadata when first needed, or when somebody is signed in, checks the issuer, keeps it for a day. Starts nothing.
 *
 * A refresh ends the session on `invalid_grant` (RFC 6749 §5.2), on `interaction_required` and `login_required`, and on an ID token of
 * somebody else (OpenID Connect Core §12.2): then `user-changed`. Everything else is for now, a provider that cannot be discovered
 * included. Sign-out revokes the refresh token and the access tokens (RFC 7009).
 * @throws TypeError naming an unusable option
 * @example
 * ```ts
 * const provider = oauth({ issuer: 'https://login.example.com', clientId: 'spa', scope: 'openid offline_access' })
 * const session = createSession({ attachTo: ['https://api.example.com'], refresh: provider })
 * ```
 */
export function oauth(options: OAuthOptions): OAuthProvider {
  const {
    issuer,
    clientId,
    scope = 'openid offline_access',
    redirectUri,
    dpop: bound,
    metadata: given,
    parameters = {},
    isRejected,
  } = options ?? {}
  const listed = Object.entries(parameters).flatMap(([name, values]) => [values].flat().map((value) => [name, value] as const))
  for (const [name, value] of [...Object.entries({ issuer, clientId, scope, redirectUri: redirectUri ?? '/' }), ...listed]) {
    if (typeof value !== 'string' || !value) throw new TypeError(`\`${name}\` must be a text, and not an empty one.`)
  }
  if (!URL.canParse(issuer) || !maySee(new URL(issuer)) || /[?#]/.test(issuer))
    throw new TypeError('`issuer` must be an https URL (http on loopback only) without query and fragment.')
  if (given !== undefined && (typeof given !== 'object' || !given || (given.issuer ?? issuer) !== issuer))
    throw new TypeError('`metadata` must be what the provider says of itself, and name no other `issuer`.')
  refusalBy(isRejected, isRefusedGrant) // one that is no function is refused now, not at the first refresh
  const dpop = bound as object | undefined as Proving | undefined
  if (dpop !== undefined && typeof dpop?.proven !== 'function')
    throw new TypeError("`dpop` must be made by `latchkey/dpop`: dpop('prefer') or dpop('required').")

  const wellKnown = scope.split(' ').includes('openid') ? 'oidc' : 'oauth2'
  const known = given && Promise.resolve<AuthorizationServer>({ ...given, issuer })
  const metadata: Metadata = known ? () => known : discovered(issuer, wellKnown)

  /** The requests themselves: those of a provider whose endpoints are known. */
  async function endpoints(fetch: typeof globalThis.fetch): Promise<Refresher> {
    const server = await metadata(fetch)
    const tokenEndpoint = neededEndpointOf(server, 'token_endpoint')
    const revocationEndpoint = endpointOf(server, 'revocation_endpoint')
    return refresherAt({ tokenEndpoint, clientId, revocationEndpoint, isRejected })
  }

  const memory: Memory = { returned: null, idToken: null, hint: null }
  const provider: OAuthProvider = {
    issuer,
    clientId,
    id: `${issuer} ${clientId}`,
    async refresh(request) {
      const asked = browserClock.now().mono
      const inTime: typeof globalThis.fetch = async (url, init) => {
        // By now another tab may be about to present the token (protocol, rule 4). We are asked once more, and then know what took so long.
        if (browserClock.now().mono - asked > longestDelay)
          throw new DOMException(
            'The provider’s metadata, or its nonce, took too long; nothing was sent. The session stays.',
            'TimeoutError',
          )
        return request.fetch(url, init)
      }
      const { refresh } = await endpoints(request.fetch)
      await dpop?.assertUsable(request.binding)
      const tokens = await refresh({ ...request, fetch: dpop?.proven(request.binding, inTime) ?? inTime })
      return dpop?.usable(tokens as TokenResponse) ?? tokens // it is what `oauthRefresh` has returned
    },
    isSameUser(returned, subject) {
      const { id_token: idToken } = returned as TokenResponse // it is what `refresh` has returned
      if (!idToken) return true
      const claims = claimsOf(idToken)
      if (Object.keys(claims).length === 0) return true // encrypted or damaged: it names nobody else
      const { iss, sub, aud, azp } = claims
      const audience = [aud].flat()
      // As at the sign-in. Its times are not asked about: no clock but the provider's own would have to be right (F21).
      const isOurs = iss === issuer && audience.includes(clientId) && (audience.length === 1 || azp === clientId)
      return isOurs && (subject === null || sub === subject)
    },
    async revoke(request) {
      // Another tab may have signed somebody else in: nothing is known of that here until they sign out.
      const { idToken } = memory
      const isTheirs = !idToken || claimsOf(idToken).sub === request.subject
      memory.hint = isTheirs ? idToken : null
      if (isTheirs) memory.returned = null // a component that is mounted anew brings them back no more
      const { revoke } = await endpoints(request.fetch).catch(unanswered)
      if (!revoke) throw new Error('No revocation endpoint.')
      return revoke(request)
    },
    send: dpop?.send,
    // After what is sent in the same moment: the app's first request comes first.
    prepare: (fetch) => void browserClock.wakeAt(0, () => metadata(fetch).catch(() => {})),
    forget: (thumbprint) => void dpop?.forget(thumbprint),
  }
  const { fetch } = globalThis
  const client: Client = {
    id: provider.id,
    clientId,
    scope,
    redirectUri,
    parameters,
    metadata,
    dpop,
    fetch: (input, init) => fetch(input, init), // called on anything but the page it throws
    memory,
  }
  return seal(provider, client)
}

/** Less than what a claim is watched for beyond its life (protocol, rules 4 and 8), and no more than the shortest `refreshTimeout`: after that the claim may be cleared. */
const longestDelay: Ms = 1_000

/** Whatever has kept the metadata away, a captive portal's page included: it may be had later, and the revocation is tried again. */
function unanswered(): never {
  throw new TypeError()
}

/** @throws TypeError for what `oauth` has not made. */
export function clientOf(provider: OAuthProvider): Client {
  const client = open(provider) as Client | undefined // only `oauth` seals one
  if (!client?.metadata) throw new TypeError('`provider` must be one that `oauth` has made.')
  return client
}
