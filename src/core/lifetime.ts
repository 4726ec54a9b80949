import type { AccessToken, Lifetime } from './record.ts'
import { after, left, type Moment, type Ms, type Now, never } from './time.ts'

/** What this tab makes of a token's lifetime, on its own two clocks. */
export interface Deadlines {
  /** Until then it leaves with no second thought. */
  readonly fresh: Moment
  readonly renew: Moment
  readonly expires: Moment
}

/**
 * Renewal comes a fifth of the lifetime before expiry, at most a minute, and a little earlier by chance, so that a thousand
 * browsers do not ask together; and never within ten seconds, so that a tiny lifetime is no loop (F24, REQ-34).
 */
export function deadlinesOf(token: AccessToken, now: Now): Deadlines {
  const { life } = token
  if (!life) return { fresh: never, renew: never, expires: never }
  const { lasts } = life
  const margin = Math.min(60_000, lasts / 5)
  const renew = Math.max(lasts - margin - now.chance * Math.min(10_000, margin / 2), 10_000)
  const sent = after(now, -age(life, now))
  return { fresh: after(sent, Math.min(renew, lasts - leeway(lasts))), renew: after(sent, renew), expires: after(sent, lasts) }
}

/** Browsers blur their clocks, and each tab by itself: Firefox by up to 100 ms. */
export const clockGrain: Ms = 1_000

/** A clock that says less than nothing has gone back since: then the token counts as expired, which one refresh puts right (F22, F23). */
const age = ({ from, lasts }: Lifetime, now: Moment): Ms => (now.wall < from - clockGrain ? lasts : now.wall - from)

/** The way to the server is kept free: five seconds, or a tenth of a short life (F26). */
const leeway = (lasts: Ms): Ms => Math.min(5_000, lasts / 10)

/** The time for which a token may still leave; `minValidity`: what the caller asks to be left then, but no more than half a life. */
export const usable = ({ life }: AccessToken, { expires }: Deadlines, now: Moment, minValidity?: Ms): Ms =>
  left(expires, now) - (life ? (minValidity === undefined ? leeway(life.lasts) : Math.min(minValidity, life.lasts / 2)) : 0)

/** Only what is over by a clock that goes forward: of a clock that went back the server shall judge. */
export const isOver = (life: Lifetime | null, now: Moment): boolean => life !== null && now.wall - life.from >= life.lasts
