import type { AuthorizationServer } from 'oauth4webapi'
import type { TokenResponse } from '../core/tokens.ts'
import type { Refresher } from '../ports.ts'

/** Made by `latchkey/dpop`, and brings its code along: a provider without it does not carry it. */
export interface Dpop {
  readonly [proving]: true
}
declare const proving: unique symbol

/** What a {@link Dpop} is inside. Keys are named by their thumbprints (RFC 7638). */
export interface Proving {
  /** Makes the key that the tokens of a new sign-in shall be bound to; `null`: they need not be. This page has it, until it is kept. */
  readonly bind: (server: AuthorizationServer) => Promise<string | null>
  /** For all tabs and the next page. Resolves with `false` where the browser refuses: then for this page. */
  readonly keep: (thumbprint: string) => Promise<boolean>
  readonly has: (thumbprint: string) => Promise<boolean>
  readonly forget: (thumbprint: string) => Promise<void>
  /** For the token endpoint: puts a proof into each request, and sends once more where the provider wants another one. */
  readonly proven: (thumbprint: string | null, fetch: typeof globalThis.fetch) => typeof globalThis.fetch
  /**
   * May a refresh be sent under this binding?
   * @throws LatchkeyError `refresh_rejected` where the key is gone, or there is none though there must be; `refresh_unavailable` where the browser cannot be asked
   */
  readonly assertUsable: (thumbprint: string | null) => Promise<void>
  /** What a refresh has brought, as far as it may be used. */
  readonly usable: (tokens: TokenResponse) => TokenResponse
  /** @throws LatchkeyError `sign_in_failed` for what a sign-in has brought, if it must be bound and is not */
  readonly assertBound: (tokens: { readonly token_type: string }) => void
  readonly send: NonNullable<Refresher['send']>
}
