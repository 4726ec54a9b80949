import type { TokenResponse } from '../core/tokens.ts'
import type { Refresher } from '../ports.ts'
import { type Csrf, csrfHeader } from './csrf.ts'
import { isRefusal, refusalBy, tokensIn } from './outcome.ts'
import { assertAddress, cookieRequest, logoutAt, notFollowed } from './token-request.ts'

/** Where your backend keeps the session. */
export interface BackendForFrontendOptions {
  /** POSTed to keep the session alive: answers `{ expires_in, sub? }`, in seconds, or 401 when there is none. */
  readonly session: string
  /** POSTed at sign-out: ends the session and clears its cookie. Relative to `session`. */
  readonly logout: string
  /** @defaultValue `{ header: 'X-Requested-With', value: 'latchkey' }` */
  readonly csrf?: Csrf | undefined
  /** Does this answer of `session` say that there is no session? In the place of the default, so name the 401, too. `json` is `undefined` if the body is not JSON. @defaultValue a 401 that is not a web page, or an `invalid_grant` */
  readonly isRejected?: ((status: number, json: unknown) => boolean) | undefined
}

/**
 * No token in the browser at all (RFC 10017 §6.1): listed requests carry the backend's cookie and the CSRF header; a POST to
 * `session` keeps it alive and answers `{ expires_in, sub? }`, or 401 when there is none. Same states, events and limits.
 *
 * The page that a login returns to calls `session.refresh()`, so that a new user is noticed at once; with `sub` in the answers a change of user is
 * noticed at every refresh, and ends the session of the one before (`user-changed`). Listed requests follow no redirect (`redirect: 'error'`,
 * unless the call says `'manual'`): the header against CSRF would go along (REQ-80).
 * @throws TypeError naming the option that is missing or unusable
 * @example
 * ```ts
 * createSession({ attachTo: ['/api'], refresh: backendForFrontend({ session: '/bff/session', logout: '/bff/logout' }) })
 * ```
 */
export function backendForFrontend(options: BackendForFrontendOptions): Refresher {
  const { session, logout, csrf, isRejected } = options ?? {}
  assertAddress('session', session)
  assertAddress('logout', logout, session)
  const rejects = refusalBy(isRejected, isRefusal)
  const header = csrfHeader(csrf)
  const request = () => cookieRequest(header)
  return {
    id: session,
    presents: 'cookie',
    refresh: async ({ signal, fetch }) => (await tokensIn(await fetch(session, { ...request(), signal }), rejects)) as TokenResponse, // the session checks every field
    revoke: logoutAt(logout, session, request),
    send: async (given, { fetch }) => {
      given.headers.set(...header())
      return fetch(given, {
        ...notFollowed(given),
        credentials: given.credentials === 'omit' ? 'omit' : 'include', // an API may be on another origin of the site
      })
    },
  }
}
