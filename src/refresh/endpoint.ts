import type { TokenResponse, Tokens } from '../core/tokens.ts'
import type { Refresher } from '../ports.ts'
import { type Csrf, csrfHeader } from './csrf.ts'
import { isRefusal, refusalBy, tokensIn } from './outcome.ts'
import { assertAddress, cookieRequest, logoutAt, tokenRequest } from './token-request.ts'

/** How your endpoint differs from what {@link refreshEndpoint} takes for granted. */
export interface RefreshEndpointOptions {
  /** Where the refresh token is: sent in the JSON body, or in an HttpOnly cookie that script never sees. @defaultValue `'body'` */
  readonly refreshToken?: 'body' | 'cookie' | undefined
  /** POSTed at sign-out, in the same manner. Needed to clear a cookie. Relative to `url`. @defaultValue nothing is called */
  readonly logout?: string | undefined
  /** With a cookie only. @defaultValue `{ header: 'X-Requested-With', value: 'latchkey' }` */
  readonly csrf?: Csrf | undefined
  /** Builds the JSON body. @defaultValue `{ refreshToken }` */
  readonly body?: ((refreshToken: string) => unknown) | undefined
  /** Finds the tokens in an unusual answer. @defaultValue both spellings, also inside `data` or `tokens` */
  readonly parse?: ((json: unknown) => TokenResponse | Tokens) | undefined
  /** Is this answer a refusal for good? In the place of the default, so name what of that your server says, too. `json` is `undefined` if the body is not JSON. @defaultValue `invalid_grant`, `interaction_required` or `login_required` with a 4xx, or a 401 that is not a web page */
  readonly isRejected?: ((status: number, json: unknown) => boolean) | undefined
}

/**
 * Refreshes at your own backend: POST JSON `{ refreshToken }`, answered with tokens in either spelling. With
 * `refreshToken: 'cookie'` the body is empty and the HttpOnly cookie goes along, with a header against CSRF.
 *
 * Ends the session on `invalid_grant` (and the like: `isRejected` has the list), and on a 401 that is not a web page (what home-made
 * backends answer). Everything else (network, 403, 408, 425, 429, 5xx, HTML) is for now.
 * @throws TypeError naming the option that is missing or unusable
 * @example
 * ```ts
 * refreshEndpoint('https://api.example.com/auth/refresh', { refreshToken: 'cookie', logout: '/auth/logout' })
 * ```
 */
export function refreshEndpoint(url: string, options?: RefreshEndpointOptions): Refresher {
  const { refreshToken: place = 'body', logout, csrf, isRejected } = options ?? {}
  const { body = (refreshToken: string) => ({ refreshToken }), parse = findTokens } = options ?? {}
  assertAddress('url', url)
  if (place !== 'body' && place !== 'cookie') throw new TypeError("`refreshToken` must be 'body' or 'cookie'.")
  if (logout !== undefined) assertAddress('logout', logout, url)
  for (const [name, option] of Object.entries({ body, parse })) {
    if (option !== undefined && typeof option !== 'function') throw new TypeError(`\`${name}\` must be a function.`)
  }
  const byCookie = place === 'cookie'
  const rejects = refusalBy(isRejected, isRefusal)

  const header = csrfHeader(csrf)
  const request = (refreshToken: string | null): RequestInit =>
    byCookie
      ? cookieRequest(header)
      : {
          ...tokenRequest,
          headers: { 'Content-Type': 'application/json' },
          credentials: 'same-origin',
          body: JSON.stringify(body(refreshToken ?? '')),
        }

  return {
    id: url,
    presents: byCookie ? 'cookie' : 'refresh-token',
    async refresh({ refreshToken, signal, fetch }) {
      const response = await fetch(url, { ...request(refreshToken), signal })
      const json = await tokensIn(response, rejects)
      try {
        return parse(json)
      } catch (cause) {
        throw new Error('`parse` failed on what the server answered. The session stays and tries again; mend `parse`.', { cause }) // its TypeError would pass for one of the network's
      }
    },
    ...(logout && { revoke: logoutAt(logout, url, request) }),
  }
}

function findTokens(json: unknown): TokenResponse | Tokens {
  const { data, tokens } = (json ?? {}) as { data?: unknown; tokens?: unknown } // any JSON may be asked for members but null
  const found = [json, data, tokens].find((it) => it && typeof it === 'object' && ('access_token' in it || 'accessToken' in it))
  return (found ?? json) as TokenResponse // the session checks every field
}
