import { clockGrain } from '../core/lifetime.ts'
import type { Bounds } from '../core/record.ts'
import { after, type EpochMs, left, type Moment, type Ms } from '../core/time.ts'

/** What all tabs share of the user's activity. It lies beside the record, so that the two never contend, and holds no secret. */
export interface Pulse {
  readonly session: string
  /** When the user was last active, by the clock of the tab that saw it. */
  readonly at: EpochMs
  /** How old the sign-in was then: that goes on counting if the clock is set back. */
  readonly age: Ms
  /** The ends that somebody has been warned of. */
  readonly warned: readonly string[]
}

/** The user's sign-in and last activity, on the clocks of this page. */
export interface Course {
  readonly begun: Moment
  readonly active: Moment
}

/** The pulse of this session, or `null`: other sessions and damaged texts are none. */
export function readPulse(text: string | null, of: string): Pulse | null {
  try {
    const { session, at, age, warned }: Partial<Record<keyof Pulse, unknown>> = JSON.parse(text ?? '')
    if (session !== of || !isTime(at) || !isTime(age) || !Array.isArray(warned)) return null
    return { session: of, at, age, warned: warned.map(String) }
  } catch {
    return null
  }
}

/** Of a moment or a span: can it be counted with? */
export const isTime = (value: unknown, least: Ms = 0): value is number => typeof value === 'number' && value >= least && value < Infinity

/** As far as the record tells: nobody has been active since the session began, and the user may have signed in long before. */
export function courseOf({ signedInAt, age }: Bounds, now: Moment): Course {
  const active = after(now, -Math.max(0, now.wall - signedInAt))
  return { begun: after(active, -(age ?? 0)), active }
}

/**
 * With what a pulse tells. Never later than now, and never younger than it was: neither by a clock that was set back (REQ-114). What came later is
 * judged by the clock that says more: in sleep the other may have stood still.
 */
export function informed({ begun, active }: Course, { at, age }: Pulse, now: Moment): Course {
  const isAhead = at > now.wall + clockGrain // the clock was set back since: it is placed by how this page has counted before
  const gone = Math.max(0, isAhead ? now.mono - begun.mono - (at - begun.wall) : now.wall - at)
  return {
    begun: age + gone > since(begun, now) ? after(now, -age - gone) : begun,
    active: gone < since(active, now) ? after(now, -gone) : active,
  }
}

/** The time since `moment`, by the clock that says more. */
export const since = (moment: Moment, now: Moment): Ms => -left(moment, now)
