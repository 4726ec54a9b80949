import type { ActiveRecord } from './core/record.ts'
import type { Moment } from './core/time.ts'
import type { SessionEvents } from './events.ts'
import type { Ports } from './ports.ts'
import type { Tools } from './refresh-run.ts'

/** Made by `latchkey/limits`, and brings its code along: a session without limits does not carry it. */
export interface Limits {
  readonly [limiting]: true
}
declare const limiting: unique symbol

/** What {@link Limits} are inside. */
export interface Limiting {
  readonly start: (host: LimiterHost) => Limiter
}

/** The session, as far as limits need it. */
export interface LimiterHost
  extends Pick<Tools, 'insist' | 'policy' | 'revoke' | 'now' | 'state'>,
    Pick<Ports, 'clock' | 'store' | 'page'> {
  /** Where the record is kept. */
  readonly key: string
  readonly expiring: (event: SessionEvents['expiring']) => void
}

/** Holds a session against its limits, in one tab. */
export interface Limiter {
  /**
   * Asked by whoever has read the record. Resolves with the moment from which to ask again; with `null` if a limit is reached: then the
   * end is on its way. Rejects if the store does not answer.
   */
  readonly judge: (record: ActiveRecord) => Promise<Moment | null>
  readonly extend: () => void
  readonly close: () => void
}
