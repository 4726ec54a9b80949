import { deadlinesOf } from '../core/lifetime.ts'
import type { ActiveRecord } from '../core/record.ts'
import { after, type EpochMs, left, type Ms, type Now, never } from '../core/time.ts'
import type { Course } from './pulse.ts'

/** Limits, complete: what there is none of is infinite. */
export interface Spans {
  readonly idle: Ms
  readonly maxAge: Ms
  readonly warnBefore: Ms
  /** Sessions from before it are over. */
  readonly incidentAt: EpochMs
}

/** An end in sight. */
export interface End {
  readonly kind: 'idle' | 'max-age' | 'refresh-expired'
  /** Which of its kind, the same in all tabs: a span or moment that the record tells, and no clock. */
  readonly which: number
  readonly left: Ms
  /** What is left until it is warned of; negative after that. */
  readonly warnIn: Ms
}

/** What can end the session, the nearest first. `until`: when nothing will be left to refresh with. */
export function endsOf(
  { bounds: { lasts, age } }: ActiveRecord,
  { begun, active }: Course,
  { idle, maxAge, warnBefore }: Spans,
  until: EpochMs,
  time: Now,
): [End, End, End] {
  const life = Math.min(maxAge, (lasts ?? Infinity) + (age ?? 0))
  const end = (kind: End['kind'], which: number, rest: Ms): End => ({
    kind,
    which,
    left: rest,
    warnIn: rest - Math.min(warnBefore, which / 2), // of a moment the half is long ago
  })
  const ends: [End, End, End] = [
    end('idle', idle, left(after(active, idle), time)),
    end('max-age', life, left(after(begun, life), time)),
    // That one is warned of only: the session sees to it by itself.
    end('refresh-expired', until, until > time.wall ? until - time.wall : Infinity),
  ]
  return ends.sort((one, other) => one.left - other.left)
}

/** If no refresh comes before that: a server may give more time with each. */
export function refreshEnd({ grant: { refreshToken, refreshLife, access }, retry }: ActiveRecord, now: Now): EpochMs {
  const { renew, expires } = access[''] ? deadlinesOf(access[''], now) : { renew: never, expires: never }
  const until = refreshToken ? (refreshLife ? refreshLife.from + refreshLife.lasts : Infinity) : 0
  return !retry && renew.wall < until ? Infinity : Math.max(until, expires.wall)
}
