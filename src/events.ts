import type { EndReason } from './core/record.ts'
import type { State } from './core/state.ts'
import type { EpochMs } from './core/time.ts'

/** Events and what they carry: plain data, JSON-safe, without secrets. */
export interface SessionEvents {
  'signed-in': { readonly sessionId: string; readonly subject: string | null; readonly by: 'this-tab' | 'other-tab' }
  /** There are new tokens. Reconnect what was authenticated with the old ones. */
  refreshed: { readonly sessionId: string; readonly expiresAt: EpochMs | null; readonly by: 'this-tab' | 'other-tab' }
  /** A limit is near. Once, across the visible tabs. `max-age` and `refresh-expired` cannot be extended. Only with {@link SessionOptions.limits}. */
  expiring: { readonly kind: 'idle' | 'max-age' | 'refresh-expired'; readonly endsAt: EpochMs }
  expired: SessionEnd
  ended: SessionEnd
  /** Everything, as it happens: for monitoring and the inspector. New types come in minor versions. */
  diagnostic: Diagnostic
}

/** The end of a session that the page has lived through. */
export interface SessionEnd {
  readonly sessionId: string
  /** Whose session it was, as far as it was known. */
  readonly subject: string | null
  readonly reason: EndReason
  /** By the clock of the tab that ended it. */
  readonly endedAt: EpochMs
  /**
   * With `rejected`: the refresh token had been sent before, and no answer has come: the server may have spent it. One with a grace window
   * would have kept the session; see docs/lost-answers.md.
   */
  readonly answerLost: boolean
  readonly by: 'this-tab' | 'other-tab'
}

/** One line of the timeline. `sessionId` and `tab` are random and unrelated to tokens. */
export interface Diagnostic {
  readonly type: string
  readonly at: EpochMs
  readonly tab: string
  readonly sessionId: string | null
  readonly generation: number
  readonly detail: Readonly<Record<string, string | number | boolean | null>>
}

/** A fact, without anything that could be a secret: of its members only what is plain. */
export function diagnosticOf(
  { type, ...members }: { readonly type: string },
  { held: { record }, refreshing }: State,
  at: EpochMs,
  tab: string,
): Diagnostic {
  const plain = Object.entries(members).filter((member): member is [string, string | boolean] =>
    /^(string|boolean)$/.test(typeof member[1]),
  )
  return {
    type,
    at,
    tab,
    sessionId: record?.session ?? null,
    generation: record?.generation ?? 0,
    detail: { ...Object.fromEntries(plain), refreshing },
  }
}
