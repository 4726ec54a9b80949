import type { ActiveRecord, EndReason } from './core/record.ts'
import type { State } from './core/state.ts'
import type { EpochMs } from './core/time.ts'
import { LatchkeyError } from './errors.ts'

/** What an app shows. Narrow by `status`. */
export type SessionState =
  /** The store, or the server, has not answered yet. Always this on a server. */
  | { readonly status: 'loading' }
  | {
      readonly status: 'signed-in'
      /** Random, made at sign-in, unrelated to any token; a good cache key. */
      readonly sessionId: string
      /** Who: the ID token's `sub`, or what {@link SignInOptions.subject} said, or `null`. */
      readonly subject: string | null
      readonly signedInAt: EpochMs
      /** When the access token expires, or `null` if only the server knows. Not the end of the session. */
      readonly expiresAt: EpochMs | null
      /** `null` while all is well; otherwise refreshes fail for now ("Reconnecting…"). */
      readonly trouble: Trouble | null
    }
  | {
      readonly status: 'signed-out'
      /** Why the last session ended; `null` if none is remembered. */
      readonly reason: EndReason | null
    }

/** Refreshes fail for now. The session stays. */
export interface Trouble {
  /** First failure of the row. */
  readonly since: EpochMs
  /** Next attempt; sooner if the network comes back or somebody needs a token. */
  readonly retryAt: EpochMs
  /** What the last attempt failed with. */
  readonly error: LatchkeyError
}

export const loading: SessionState = /* @__PURE__ */ Object.freeze({ status: 'loading' })

/** The state for the app: `last` itself as long as it shows the same. */
export function snapshotOf({ held }: State, last: SessionState, cause: unknown): SessionState {
  const next =
    held.kind === 'signed-in'
      ? signedIn(held.record, cause)
      : held.kind === 'loading'
        ? loading
        : { status: held.kind, reason: held.record?.reason ?? null }
  return JSON.stringify(next) === JSON.stringify(last) ? last : Object.freeze(next)
}

function signedIn({ session, subject, bounds, grant, retry }: ActiveRecord, cause: unknown): SessionState {
  const life = grant.access['']?.life
  return {
    status: 'signed-in',
    sessionId: session,
    subject,
    signedInAt: bounds.signedInAt,
    expiresAt: life ? life.from + life.lasts : null,
    trouble:
      retry && Object.freeze({ since: retry.since, retryAt: retry.at + retry.wait, error: unavailable(retry.at + retry.wait, cause) }),
  }
}

export const unavailable = (retryAt: EpochMs | null, cause: unknown): LatchkeyError =>
  new LatchkeyError(
    'refresh_unavailable',
    'There is no new access token for now: the last refresh failed, or is late. The session stays, and nothing left without a token. Try again later.',
    {
      retryAt: retryAt ?? undefined,
      cause,
    },
  )
