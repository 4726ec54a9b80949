import type { SealedTokens } from '../core/tokens.ts'

/** A completed sign-in: pass it to `session.signIn`. Prints no token. */
export interface SignIn extends SealedTokens {
  /** Claims of the validated ID token, or `null`. Yours to keep: the session stores `sub` alone. */
  readonly claims: IdTokenClaims | null
  /** What {@link SignInRequest.returnTo} said: a path of this origin. */
  readonly returnTo: string
}

/** What an ID token says (OpenID Connect Core §2). */
export interface IdTokenClaims {
  readonly iss: string
  readonly sub: string
  readonly [claim: string]: unknown
}

/** How to sign in. */
export interface SignInRequest {
  /** Path of this origin to come back to. @defaultValue where the user is */
  readonly returnTo?: string | undefined
  readonly prompt?: 'login' | 'consent' | 'select_account' | 'create' | undefined
  /** Who the provider should take this for: an e-mail address, a user name. */
  readonly loginHint?: string | undefined
  /** What an API has demanded (RFC 9470). */
  readonly stepUp?: StepUp | undefined
}

/** What of a challenge an authorization request answers. */
export interface StepUp {
  /** Acceptable `acr` values, best first. */
  readonly acrValues: readonly string[]
  /** The sign-in may be at most this old, in ms; or `null`. */
  readonly maxAge: number | null
  readonly scope: string | null
}
