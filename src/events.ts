import type { EndReason } from './core/record.ts'
import type { Fact, State } from './core/state.ts'
import type { EpochMs } from './core/time.ts'

/** Events and what they carry: plain data, JSON-safe, without secrets. */
export interface SessionEvents {
  'signed-in': { readonly sessionId: string; readonly subject: string | null; readonly by: 'this-tab' | 'other-tab' }
  /** There are new tokens. Reconnect what was authenticated with the old ones. */
  refreshed: { readonly sessionId: string; readonly expiresAt: EpochMs | null; readonly by: 'this-tab' | 'other-tab' }
  expired: SessionEnd
  ended: SessionEnd
  /** Everything, as it happens: for monitoring and the inspector. New types come in minor versions. */
  diagnostic: Diagnostic
}

export interface SessionEnd {
  readonly sessionId: string
  readonly subject: string | null
  readonly reason: EndReason
  readonly endedAt: EpochMs
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

/** A fact, without anything that could be a secret. */
export function diagnosticOf(fact: Fact, { held: { record }, refreshing }: State, at: EpochMs, tab: string): Diagnostic {
  const detail: Record<string, string | boolean> = { refreshing }
  if ('by' in fact) detail['by'] = fact.by
  if ('signal' in fact) detail['signal'] = fact.signal
  if ('reason' in fact) detail['reason'] = fact.reason
  return { type: fact.type, at, tab, sessionId: record?.session ?? null, generation: record?.generation ?? 0, detail }
}
