import { listenForActivity } from '../adapters/activity.ts'
import type { EpochMs, Ms } from '../core/time.ts'
import type { Limiting, Limits } from '../limiter.ts'
import { isTime } from './pulse.ts'
import { watchLimits } from './watch-limits.ts'

/** Limits of one's own. Each may be left out; `limits({})` warns of the ends that the server tells. */
export interface LimitOptions {
  /** ms without activity in any tab, at least 1000. @defaultValue none */
  readonly idle?: Ms | undefined
  /** ms since sign-in (at the provider, where the ID token has `auth_time`), at least 1000. @defaultValue none */
  readonly maxAge?: Ms | undefined
  /**
   * A moment in ms since the epoch, not a span: sessions that were signed in before it end before anything is sent, reason `incident`
   * (REQ-120). For the build that you ship when tokens may have leaked; see docs/signals.md. @defaultValue none
   */
  readonly incidentAt?: EpochMs | undefined
  /** ms, at least 20 000 (WCAG 2.2.1); but at most half of the limit. @defaultValue `60_000` */
  readonly warnBefore?: Ms | undefined
}

/**
 * Idle and absolute limits, counted on the user's activity in any tab, across reload, sleep and clock changes. Presets are
 * NIST SP 800-63B-4's: `aal1` 30 days; `aal2` 24 h, 1 h idle; `aal3` 12 h, 15 min idle. A convenience to the user: only your server enforces.
 *
 * Activity is a key, a click or touch, the wheel, and coming back to a tab; requests and refreshes are none (REQ-111). At a limit the session
 * ends in all tabs, reason `idle` or `max-age`, and is revoked at the server.
 * @throws TypeError naming the preset or option that is unusable
 * @example
 * ```ts
 * createSession({ attachTo, refresh, limits: limits('aal2') })
 * ```
 */
export function limits(preset: 'aal1' | 'aal2' | 'aal3', also?: Pick<LimitOptions, 'warnBefore' | 'incidentAt'>): Limits
export function limits(custom: LimitOptions): Limits
export function limits(given: 'aal1' | 'aal2' | 'aal3' | LimitOptions, also?: LimitOptions): Limits {
  const options = presets.get(given) ?? given
  if (typeof options !== 'object' || options === null)
    throw new TypeError("`limits` takes 'aal1', 'aal2', 'aal3', or { idle, maxAge, warnBefore, incidentAt }.")
  const { idle, maxAge, warnBefore = 60_000, incidentAt = 0 } = { ...options, ...also }
  // One in seconds would be in the year 1970, and end nothing.
  if (incidentAt !== 0 && !isTime(incidentAt, 1e12)) throw new TypeError('`incidentAt` must be a moment in ms since the epoch.')
  const spans = {
    idle: span('idle', idle, 1_000),
    maxAge: span('maxAge', maxAge, 1_000),
    warnBefore: span('warnBefore', warnBefore, 20_000),
    incidentAt,
  }
  const limiting: Limiting = { start: (host) => watchLimits(spans, host, listenForActivity) }
  return Object.freeze(limiting) as object as Limits // opaque outside: its one member is ours
}

const hour = 3_600_000

/** NIST SP 800-63B-4, Table 1 (REQ-110). */
const presets: ReadonlyMap<unknown, LimitOptions> = new Map([
  ['aal1', { maxAge: 30 * 24 * hour }],
  ['aal2', { maxAge: 24 * hour, idle: hour }],
  ['aal3', { maxAge: 12 * hour, idle: hour / 4 }],
])

/** What is not given is infinite. */
function span(option: string, given: unknown, least: Ms): Ms {
  if (given === undefined) return Infinity
  if (!isTime(given, least)) throw new TypeError(`\`${option}\` must be a span in ms, at least ${least}.`)
  return given
}
