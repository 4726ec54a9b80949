import { clockGrain } from './lifetime.ts'
import type { Retry } from './record.ts'
import type { Ms, Now } from './time.ts'

/** What a server asked for is kept to, but for ten minutes at most: nobody waits a day for a typing error (REQ-128). */
const longestWait: Ms = 600_000

/**
 * One second, doubled with each failure up to a minute, a fifth of it left to chance; or what the server asked for (`asked`), and a
 * little later. `least`: asking sooner would give the same again (F25).
 */
export function backOff(last: Retry | null, now: Now, binding: boolean, asked: Ms | null = null, least: Ms = 0): Retry {
  const attempt = (last?.attempt ?? 0) + 1
  const growing = Math.max(Math.min(500 * 2 ** attempt, 60_000), least) * (1 - now.chance / 5)
  const wait = asked === null ? growing : Math.min(asked, longestWait) + now.chance * 2_000
  return { attempt, since: last?.since ?? now.wall, at: now.wall, wait: Math.round(wait), binding }
}

/**
 * Time until the next attempt, at most the wait itself whatever the clock says, and never more than any tab would have written (F43). Somebody who needs a token cuts a wait short that no
 * server has asked for, but not below five seconds.
 */
export function waitLeft({ at, wait, binding }: Retry, now: Now, needed: boolean): Ms {
  const gone = now.wall - at
  return Math.min(wait, needed && !binding ? 5_000 : longestWait + 2_000) - (gone < -clockGrain ? wait : gone)
}
