import type { TokenResponse } from '../core/tokens.ts'
import { LatchkeyError } from '../errors.ts'
import type { Refresher } from '../ports.ts'
import { isOfTheRequest, isRefusedGrant, type Refusal, refusalBy, tokensIn } from './outcome.ts'
import { assertAddress, formRequest } from './token-request.ts'

/** Where {@link oauthRefresh} refreshes, and as whom. */
export interface OAuthRefreshOptions {
  /** An absolute URL. */
  readonly tokenEndpoint: string
  /** Of a public client: it has no secret (RFC 6749 §2.1). */
  readonly clientId: string
  /** RFC 7009. @defaultValue sign-out revokes nothing */
  readonly revocationEndpoint?: string | undefined
  /**
   * Is this answer a refusal for good? In the place of the default. For servers that do not say `invalid_grant`. `json` is `undefined` if the body is not JSON.
   * @defaultValue `invalid_grant`, `interaction_required` and `login_required`, with a 4xx
   */
  readonly isRejected?: ((status: number, json: unknown) => boolean) | undefined
}

/**
 * Refreshes at an OAuth 2.0 token endpoint (RFC 6749 §6); with `revocationEndpoint`, sign-out revokes all tokens there (RFC 7009). Ends the
 * session on `invalid_grant`, on `interaction_required` and `login_required`, and on nothing else unless `isRejected` says so. `invalid_target`
 * (RFC 8707 §2), `invalid_scope`, `consent_required` and `interaction_required`, as `error` or `suberror`, to a request for one destination are
 * about that one: its callers get `refresh_unavailable`, and the others go on.
 * @throws TypeError naming the option that is missing or unusable
 * @example
 * ```ts
 * oauthRefresh({ tokenEndpoint: 'https://login.example.com/token', clientId: 'spa' })
 * ```
 */
export function oauthRefresh(options: OAuthRefreshOptions): Refresher {
  const { tokenEndpoint, clientId, revocationEndpoint } = options ?? {}
  assertAddress('tokenEndpoint', tokenEndpoint, null)
  if (revocationEndpoint !== undefined) assertAddress('revocationEndpoint', revocationEndpoint, null)
  if (typeof clientId !== 'string' || !clientId) throw new TypeError('`clientId` is missing.')
  return refresherAt(options)
}

/** The same, of options that are known to be good. */
export function refresherAt({ tokenEndpoint, clientId, revocationEndpoint, isRejected }: OAuthRefreshOptions): Refresher {
  const rejects = refusalBy(isRejected, isRefusedGrant)
  return {
    id: `${tokenEndpoint} ${clientId}`,
    async refresh({ refreshToken, resource, scope, signal, fetch }) {
      const fields = { grant_type: 'refresh_token', refresh_token: refreshToken, resource, scope, client_id: clientId }
      const response = await fetch(tokenEndpoint, { ...formRequest(fields), signal })
      const judge: Refusal = (answer) => {
        const wanted = resource ?? scope
        // Microsoft Entra ID calls it `invalid_grant` where nobody has consented to a scope, and says beside it what it means.
        const { error, suberror }: Readonly<Record<string, unknown>> = Object(answer.json)
        const denied = [error, suberror].find((code) => /^(invalid_(target|scope)|(interaction|consent)_required)$/.test(String(code)))
        // A server that is in distress, or asks for a wait as well, means everybody.
        if (wanted && denied && isOfTheRequest(answer) && !response.headers.has('Retry-After'))
          throw new LatchkeyError(
            'refresh_unavailable',
            `The provider gives no token for ${wanted} (${denied}). The session stays; check what the sign-in asks for.`,
          )
        return rejects(answer)
      }
      return (await tokensIn(response, judge)) as TokenResponse // the session checks every field
    },
    ...(revocationEndpoint && {
      async revoke({ refreshToken, accessTokens, signal, fetch }) {
        // All at once: a page that is being left hears no answer. The refresh token first: with it most servers revoke the rest (RFC 7009 §2.1, REQ-61).
        const answers = await Promise.allSettled(
          [refreshToken, ...accessTokens].map(async (token, index) => {
            if (!token) return
            const isAccess = index > 0
            const token_type_hint = isAccess ? 'access_token' : 'refresh_token'
            const form = formRequest({ token, token_type_hint, client_id: clientId })
            const send = (keepalive: boolean) => fetch(revocationEndpoint, { ...form, signal, keepalive })
            // Browsers let 64 KiB at a time outlive a page, and refuse more as if there were no network.
            const response = await send(true).catch(() => send(false))
            if (!response.ok && !(isAccess && (await isBeyondRevoking(response)))) throw response
          }),
        )
        // What is said of the refresh token decides, whoever answers first: it is worth the most, and may be asked about again (REQ-62).
        const no = answers.find((answer) => answer.status === 'rejected')
        if (no) throw no.reason
      },
    }),
  }
}

/** Said of a self-contained access token, which lives until it expires (RFC 7009 §2.2.1); one that is called invalid is dead already (§2.2). */
async function isBeyondRevoking(response: Response): Promise<boolean> {
  const { error }: { readonly error?: unknown } = Object(await response.json().catch(() => null))
  return /^(unsupported_token_type|invalid_token)$/.test(String(error))
}
