import type { SealedTokens } from '../core/tokens.ts'
import type { StepUpChallenge } from '../fetch/challenge.ts'

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
  /**
   * From `onStepUp`: what an API has demanded (RFC 9470). The ID token must tell of it: an `auth_time` that is recent enough, and an `acr`
   * among the values, if it has one (OpenID Connect Core §3.1.3.7). Otherwise `sign_in_failed`.
   */
  readonly stepUp?: StepUpChallenge | undefined
}
