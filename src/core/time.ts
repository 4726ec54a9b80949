/** A moment of the wall clock: milliseconds since the epoch. Arithmetic gives plain numbers; a span is not a moment. */
export type EpochMs = number & { readonly unit?: 'epoch' }

/** A moment of this page's monotonic clock, which no setting of the date can move. */
export type MonotonicMs = number & { readonly unit?: 'monotonic' }

/** A span in milliseconds. */
export type Ms = number & { readonly unit?: 'span' }

/** The same moment on both clocks. Sleep may stop the one, a wrong date may move the other: a deadline is kept on both. */
export interface Moment {
  readonly wall: EpochMs
  readonly mono: MonotonicMs
}

/** What the core is handed with every fact: it asks neither for the time nor for chance. */
export interface Now extends Moment {
  /** Evenly spread over [0, 1); another one with every fact. */
  readonly chance: number
}

export const never: Moment = { wall: Infinity, mono: Infinity }

export const after = (moment: Moment, span: Ms): Moment => ({ wall: moment.wall + span, mono: moment.mono + span })

/** The time left until `deadline`, by the clock that reaches it first; negative once it has passed. */
export const left = (deadline: Moment, now: Moment): Ms => Math.min(deadline.wall - now.wall, deadline.mono - now.mono)
