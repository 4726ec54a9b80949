import { clockGrain, deadlinesOf } from '../core/lifetime.ts'
import type { ActiveRecord, EndReason } from '../core/record.ts'
import { after, type EpochMs, left, type Moment, type Ms, type Now, never } from '../core/time.ts'
import type { Limiter, LimiterHost } from '../limiter.ts'
import { type Course, courseOf, informed, type Pulse, readPulse, since } from './pulse.ts'

/** Limits, complete: what there is none of is infinite. */
export interface Spans {
  readonly idle: Ms
  readonly maxAge: Ms
  readonly warnBefore: Ms
  /** Sessions from before it are over. */
  readonly incidentAt: EpochMs
}

/** What this page knows of a session. */
interface Known {
  readonly session: string
  course: Course
  /** The pulse that was read last. It is heeded once: one from the future would be news with each look. */
  text: string | null
  savedAt: Moment
  /** When the store is asked again whether the user was active elsewhere. */
  due: Moment
}

/** An end in sight. */
interface End {
  readonly kind: 'idle' | 'max-age' | 'refresh-expired'
  /** Which of its kind, the same in all tabs: a span or moment that the record tells, and no clock. */
  readonly which: number
  readonly left: Ms
  readonly warnBefore: Ms
}

/** Nearer than that, two ends are one: a server that says it again, with each refresh, says it a little otherwise. */
const sameEnd: Ms = 30_000

/** What is told of a user's activity is needed until the limit has passed since; with none, or a longer one, for as long as an end is remembered (REQ-140). */
const longestStay: Ms = 30 * 86_400_000

const longAgo: Moment = { wall: -Infinity, mono: -Infinity }

/** `limits(…)` at work, in one tab. */
export function watchLimits(
  { idle, maxAge, warnBefore, incidentAt }: Spans,
  host: LimiterHost,
  listen: (notice: () => void) => () => void,
): Limiter {
  const { clock, store, page, policy, revoke, now, state, insist, expiring } = host
  const key = `activity ${host.key}`
  // Activity is written when it begins, and then once in a twentieth of the limit: what a crash takes with it makes the session that much shorter.
  const grain = Math.min(idle, maxAge) / 20
  let known: Known | null = null
  /** When the user was last active here, be it after the limit or in a session that is over, as far as this page knows: it counts once the store says otherwise. */
  let seen = longAgo
  let cancelSave: (() => void) | null = null

  const undo = [
    listen(extend),
    page.listen((signal) => {
      if (signal === 'visible') extend()
      else if (signal === 'hidden' || signal === 'frozen') saveNow()
    }),
    saveNow,
  ]
  return {
    judge,
    extend,
    close() {
      for (const stop of undo) stop()
    },
  }

  async function judge(record: ActiveRecord): Promise<Moment | null> {
    if (record.bounds.signedInAt < incidentAt) {
      void finish(record, 'incident')
      return null
    }
    const mine = meet(record)
    if (left(mine.due, now()) <= 0) {
      const text = await store.read(key)
      const pulse = text === mine.text ? null : readPulse(text, mine.session)
      mine.text = text
      if (pulse) mine.course = informed(mine.course, pulse, now())
      const { active } = mine.course
      if (seen.mono > active.mono && left(after(active, idle), seen) > 0) touch(mine, seen)
    }
    const time = now()
    const ends = endsOf(record, mine.course, time)
    const next = ends.reduce((one, other) => (other.left < one.left ? other : one))
    if (next.left <= 0) {
      void finish(record, next.kind)
      return null
    }
    if (next.left <= next.warnBefore && page.visible()) void warn(mine, next, time.wall + next.left)
    mine.due = after(time, Math.min(...ends.map((end) => (end.left > end.warnBefore ? end.left - end.warnBefore : end.left))))
    return mine.due
  }

  function meet({ session, bounds }: ActiveRecord): Known {
    if (known?.session === session) return known
    cancelSave?.()
    cancelSave = null
    known = { session, course: courseOf(bounds, now()), text: null, savedAt: longAgo, due: longAgo }
    return known
  }

  function endsOf(record: ActiveRecord, { begun, active }: Course, time: Now): End[] {
    const { lasts, age } = record.bounds
    const until = policy.cookie ? Infinity : refreshEnd(record, time)
    const limit = (kind: 'idle' | 'max-age', from: Moment, span: Ms): End => ({
      kind,
      which: span,
      left: left(after(from, span), time),
      warnBefore: Math.min(warnBefore, span / 2),
    })
    return [
      limit('idle', active, idle),
      limit('max-age', begun, Math.min(maxAge, (lasts ?? Infinity) + (age ?? 0))),
      // That one is warned of only: the session sees to it by itself.
      { kind: 'refresh-expired', which: until, left: until > time.wall ? until - time.wall : Infinity, warnBefore },
    ]
  }

  /** Names session and generation: a tab that has renewed in between is followed, and judged anew (protocol, rule 1). */
  async function finish(of: ActiveRecord, reason: EndReason): Promise<void> {
    const { record } = await insist({ type: 'end', of, reason, wanted: false })
    if (record) void revoke(of)
  }

  /** One tab tells: that which is the first to say so in the store. */
  async function warn(mine: Known, { kind, which }: End, endsAt: EpochMs): Promise<void> {
    const isSame = (said: string) => said.startsWith(kind) && Math.abs(Number(said.slice(kind.length)) - which) < sameEnd
    const isFirst = await publish(mine, (warned) => (warned.some(isSame) ? null : [...warned, `${kind} ${which}`])).catch(() => false)
    if (isFirst && known === mine && page.visible() && state().held.kind === 'signed-in') expiring(Object.freeze({ kind, endsAt }))
  }

  /** The user is here. After the limit that counts only if the store says that the user was active elsewhere before it. */
  function extend(): void {
    const { held } = state()
    if (held.kind !== 'signed-in') return
    const mine = meet(held.record)
    seen = now()
    if (left(after(mine.course.active, idle), seen) > 0) touch(mine, seen)
  }

  function touch(mine: Known, time: Moment): void {
    mine.course = { ...mine.course, active: time }
    const wait = grain - since(mine.savedAt, time)
    if (wait <= 0) save(mine)
    else if (wait < Infinity) cancelSave ??= clock.wakeAt(time.wall + wait, saveNow)
  }

  function saveNow(): void {
    if (cancelSave && known) save(known)
  }

  function save(mine: Known): void {
    cancelSave?.()
    cancelSave = null
    mine.savedAt = now()
    publish(mine, (warned) => warned.filter((said) => !said.startsWith('idle'))).catch(() => {}) // what is lost makes the session no longer
  }

  /** Compares and commits, as for the record. Resolves with `false` if somebody was active later, or signed in, or there is nothing to say. */
  async function publish({ session, course }: Known, warned: (found: readonly string[]) => readonly string[] | null): Promise<boolean> {
    const { begun, active } = course
    for (let tries = 0; tries < 10; tries++) {
      const before = await store.read(key)
      const found = readPulse(before, session)
      // One from the future was written before the clock was set back.
      if (found && found.at > active.wall + clockGrain && found.at <= now().wall + clockGrain) return false
      // That of another session is written over only if the record names ours.
      if (before && !found && !`${await store.read(host.key)}`.includes(session)) return false
      const told = warned(found?.warned ?? [])
      if (!told) return false
      const pulse: Pulse = { session, at: active.wall, age: since(begun, active), warned: told }
      if (await store.replace(key, before, JSON.stringify(pulse), now().wall + Math.min(grain * 20, longestStay))) return true
    }
    return false
  }
}

/** When nothing will be left to refresh with, if no refresh comes before that: a server may give more time with each. */
function refreshEnd({ grant: { refreshToken, refreshLife, access }, retry }: ActiveRecord, now: Now): EpochMs {
  const { renew, expires } = access[''] ? deadlinesOf(access[''], now) : { renew: never, expires: never }
  const until = refreshToken ? (refreshLife ? refreshLife.from + refreshLife.lasts : Infinity) : 0
  return !retry && renew.wall < until ? Infinity : Math.max(until, expires.wall)
}
