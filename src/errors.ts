import type { EndReason } from './core/record.ts'
import type { EpochMs } from './core/time.ts'

/**
 * | code | meaning | do |
 * |---|---|---|
 * | `signed_out` | nobody was signed in when the call was made | show the login |
 * | `session_ended` | the call's session ended before it was done; see `reason` | nothing: `onSessionEnded` has told the app |
 * | `refresh_unavailable` | no usable token for now | retry later; the session stays |
 * | `closed` | `close()` was called | nothing |
 * | `refresh_rejected` | thrown *by* a refresh function: the server refuses for good | — callers see `session_ended` |
 * | `sign_in_failed` | provider or callback said no (`cause` has the provider's error), or there is no page, channel or sign-out page | offer another try |
 * | `sign_in_cancelled` | the user closed the window, declined, or came back to the page that had left for the provider | nothing |
 * | `popup_blocked` | the browser did not open the window | call from a click, or redirect |
 * | `interaction_required` | silent sign-in is not possible | sign in visibly |
 */
export type ErrorCode =
  | 'signed_out'
  | 'session_ended'
  | 'refresh_unavailable'
  | 'closed'
  | 'refresh_rejected'
  | 'sign_in_failed'
  | 'sign_in_cancelled'
  | 'popup_blocked'
  | 'interaction_required'

/** What a {@link LatchkeyError} may carry besides its code and message. */
export interface LatchkeyErrorOptions {
  /** What the platform or your code threw, untouched. */
  readonly cause?: unknown
  /** @defaultValue `null` */
  readonly reason?: EndReason | undefined
  /** @defaultValue `null` */
  readonly retryAt?: EpochMs | undefined
}

// A registered symbol, so that an error is recognised across bundles and copies of the package, where `instanceof` and names fail.
const mark = /* @__PURE__ */ Symbol.for('latchkey.error')

/**
 * The one error of this library. `code` is stable; the message says what happened, what it means for the session and what
 * to do. Carries no token, header, request or response. `cause` is what the platform or your code threw.
 * @example
 * ```ts
 * throw new LatchkeyError('refresh_rejected', 'The backend said: unknown device')   // in a refresh function
 * ```
 */
export class LatchkeyError extends Error {
  override readonly name = 'LatchkeyError'
  readonly code: ErrorCode
  /** The same call may succeed later without anybody signing in. True of `refresh_unavailable` only. */
  readonly retryable: boolean
  /** For `session_ended`: why. Otherwise `null`. */
  readonly reason: EndReason | null
  /** For `refresh_unavailable`: not worth trying before; or `null`. */
  readonly retryAt: EpochMs | null

  constructor(code: ErrorCode, message: string, { cause, reason, retryAt }: LatchkeyErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.retryable = code === 'refresh_unavailable'
    this.reason = reason ?? null
    this.retryAt = retryAt ?? null
    Object.defineProperty(this, mark, { value: true })
  }
}

/** A {@link LatchkeyError} that is known to have this code: a `session_ended` has a reason. */
export type LatchkeyErrorOf<Code extends ErrorCode> = LatchkeyError & { readonly code: Code } & (Code extends 'session_ended'
    ? { readonly reason: EndReason }
    : unknown)

/**
 * Is it ours, and (if given) of this code? Works across bundles, copies of the package and minifiers, where `instanceof` does not.
 * @example
 * ```ts
 * if (isLatchkeyError(error, 'session_ended')) return   // the login is on screen already
 * ```
 */
export const isLatchkeyError = <Code extends ErrorCode = ErrorCode>(error: unknown, code?: Code): error is LatchkeyErrorOf<Code> => {
  const found = error as { readonly [mark]?: true; readonly code?: unknown } | null | undefined // any value may be asked for a member but these two
  return found?.[mark] === true && (code === undefined || found.code === code)
}
