import type { ActiveRecord, EndReason } from '../core/record.ts'
import { ownerIn } from '../core/state.ts'
import { after, left, type Moment, type Ms } from '../core/time.ts'
import type { Limiter, LimiterHost } from '../limiter.ts'
import { type End, endsOf, refreshEnd, type Spans } from './ends.ts'
import { type Course, courseOf, informed, readPulse, since } from './pulse.ts'
import { type SharedPulse, sharedPulse } from './shared-pulse.ts'

/** What this tab knows of a session. */
interface Known {
  readonly session: string
  course: Course
  /** The pulse that was read last, or said here. It is heeded once: one from the future would be news with each look. */
  text: string | null
  savedAt: Moment
  /** When the store is asked again whether the user was active elsewhere. */
  due: Moment
}

/** Nearer than that, two ends are one: a server that says it again, with each refresh, says it a little otherwise. */
const sameEnd: Ms = 30_000

/** What is told of a user's activity is needed until a limit has passed since; without an idle one, for as long as an end is remembered at most (REQ-140). */
const longestStay: Ms = 30 * 86_400_000

const longAgo: Moment = { wall: -Infinity, mono: -Infinity }

/** `limits(…)` at work, in one tab. */
export function watchLimits(spans: Spans, host: LimiterHost, listen: (notice: () => void) => () => void): Limiter {
  const { clock, page, policy, revoke, now, state, insist, expiring } = host
  const { idle, maxAge } = spans
  const lasts = Math.min(maxAge, idle < Infinity ? idle : longestStay)
  const pulse = sharedPulse(host, lasts)
  let known: Known | null = null
  /** When the user was here last, be it after the limit as far as this tab knew, or before it knew of the session. */
  let seen = longAgo
  let cancelSave: (() => void) | null = null

  const atClose = [
    listen(extend),
    page.listen((signal) => {
      if (signal === 'visible') extend()
      else saveNow() // the page may be gone soon
    }),
    saveNow,
  ]
  return {
    judge,
    extend,
    close() {
      for (const stop of atClose) stop()
    },
  }

  async function judge(record: ActiveRecord): Promise<Moment | null> {
    if (record.bounds.signedInAt < spans.incidentAt) return finish(record, 'incident')
    const mine = meet(record)
    if (left(mine.due, now()) <= 0) await askOthers(mine)
    const time = now()
    const ends = endsOf(record, mine.course, spans, policy.cookie ? Infinity : refreshEnd(record, time), time)
    const [next] = ends
    if (next.left <= 0) return finish(record, next.kind)
    if (next.warnIn <= 0 && page.visible()) void warn(mine, next)
    mine.due = after(time, Math.min(...ends.map((end) => (end.warnIn > 0 ? end.warnIn : end.left))))
    return mine.due
  }

  function meet({ session, bounds }: ActiveRecord): Known {
    if (known?.session === session) return known
    cancelSave?.()
    cancelSave = null
    known = { session, course: courseOf(bounds, now()), text: null, savedAt: longAgo, due: longAgo }
    return known
  }

  /** The other tabs have told the store what they have seen of the user. */
  async function askOthers(mine: Known): Promise<void> {
    const text = await pulse.read()
    const told = text === mine.text ? null : readPulse(text, mine.session)
    mine.text = text
    if (told) mine.course = informed(mine.course, told, now())
    heed(mine) // it may have been before the limit, after all
  }

  /** What this tab has said is no news to it: by a clock that was set back since, it would seem later than it was. Resolves with whether it was said. */
  async function tell(mine: Known, amended: Parameters<SharedPulse['tell']>[1]): Promise<boolean> {
    const text = await pulse.tell(mine, amended)
    if (text) mine.text = text
    return text !== null
  }

  /** Names session and generation: a tab that has renewed in between is followed, and judged anew (protocol, rule 1). */
  function finish(of: ActiveRecord, reason: EndReason): null {
    void insist({ type: 'end', of, reason, wanted: false }).then(({ record }) => void (record && revoke(of)))
    return null
  }

  /** One tab tells: that which is the first to say so in the store. */
  async function warn(mine: Known, { kind, which, left: rest }: End): Promise<void> {
    const endsAt = now().wall + rest
    const isSame = (said: string) => {
      const [ofKind, other] = said.split(' ')
      return ofKind === kind && Math.abs(Number(other) - which) < sameEnd
    }
    const isFirst = await tell(mine, (warned) => (warned.some(isSame) ? null : [...warned, `${kind} ${which}`]))
    if (isFirst && page.visible() && ownerIn(state()).session === mine.session) expiring(Object.freeze({ kind, endsAt }))
  }

  /** The user is here. */
  function extend(): void {
    const { held } = state()
    if (held.kind !== 'signed-in') return
    seen = now()
    heed(meet(held.record))
  }

  /** The user's last activity here counts, if it was before the limit: as far as this tab knows, until it has asked the others. */
  function heed(mine: Known): void {
    const { begun, active } = mine.course
    const time = now()
    if (since(seen, time) >= since(active, time) || left(after(active, idle), seen) <= 0) return
    mine.course = { begun, active: seen }
    // It is told when it begins, and then once in a twentieth of the limit: what a crash takes with it makes the session that much shorter.
    const wait = lasts / 20 - since(mine.savedAt, seen)
    if (wait <= 0) save(mine)
    else cancelSave ??= clock.wakeAt(seen.wall + wait, saveNow)
  }

  function saveNow(): void {
    if (cancelSave && known) save(known)
  }

  function save(mine: Known): void {
    cancelSave?.()
    cancelSave = null
    mine.savedAt = now()
    // Whoever was warned for want of activity may be so again.
    void tell(mine, (warned) => warned.filter((said) => !said.startsWith('idle')))
  }
}
