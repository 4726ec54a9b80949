import type { SessionRecord } from './record.ts'
import type { EpochMs, Ms } from './time.ts'

/** For tabs that sleep, and clocks that are wrong for a while: an end is remembered longer than most of them last. */
const memory: Ms = 30 * 86_400_000

/** Until when somebody may need the record; `undefined` if only the server knows (REQ-140). */
export function neededUntil(record: SessionRecord): EpochMs | undefined {
  // A cookie may have been given more time since, with answers that do not say so.
  const life = record.status === 'ended' ? { from: record.endedAt, lasts: 0 } : record.grant.refreshToken && record.grant.refreshLife
  return life ? life.from + life.lasts + memory : undefined
}
