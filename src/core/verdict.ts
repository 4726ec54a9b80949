import { waitLeft } from './back-off.ts'
import { isOver, usable } from './lifetime.ts'
import type { AccessToken, ActiveRecord, EndedRecord } from './record.ts'
import { type Goal, isOf, keyOf, type Owner, type Policy, type SignedIn, type State, type Want } from './state.ts'
import { after, type EpochMs, left, type Moment, type Ms, type Now } from './time.ts'

/** What somebody wants who is about to send a request, and under which session it began; none until one is known. */
export interface Need extends Goal, Owner {
  /** How long the token shall be good for, if the caller said. */
  readonly minValidity?: Ms | undefined
  /** After an end that the user did not ask for: it waits for them to come back (F84). */
  readonly isHeld?: boolean
  /** Asks the server who is signed in where this browser knows of nobody: a cookie may say so. */
  readonly asks?: boolean
}

/** What a caller gets: a token, or a reason why not. */
export type Verdict =
  | {
      readonly type: 'token'
      readonly token: AccessToken
      readonly session: string
      readonly subject: string | null
      readonly due: boolean
    }
  | { readonly type: 'signed-out' }
  | { readonly type: 'ended'; readonly end: EndedRecord | null }
  /** `cause`: what the server said last of this resource or scope alone. */
  | { readonly type: 'unavailable'; readonly retryAt: EpochMs | null; readonly cause?: unknown }
  | { readonly type: 'closed' }

/** `null` as long as there is something to wait for. */
export function verdict(state: State, need: Need, now: Now, policy: Policy): Verdict | null {
  const { held, refreshing, closed } = state
  if (closed) return { type: 'closed' }
  if (mustLook(state, now)) return null
  const wait = pause(state, need, now, true)
  const late: Verdict | null = wait > 0 ? { type: 'unavailable', retryAt: now.wall + wait, cause: state.denied[keyOf(need)]?.cause } : null
  if (held.kind === 'loading') return refreshing ? null : late
  const isOurs = held.record && isOf(held.record, need)
  if (held.kind === 'signed-out') {
    if (need.isHeld && (!held.record || (isOurs && held.record.reason !== 'signed-out'))) return null
    if (need.session) return { type: 'ended', end: isOurs ? held.record : null }
    return refreshing && need.asks ? null : { type: 'signed-out' }
  }
  const { session, subject } = held.record
  if (need.session && !isOurs) return { type: 'ended', end: null }
  const token = fitting(state, need, now)
  if (token) return { type: 'token', token, session, subject, due: renewIn(held, need, now) <= 0 }
  if (refreshing || (wait <= 0 && canPresent(held.record, policy, now))) return null
  // No better token is to be had for now: one with a second to live goes out all the same (F26).
  const last = fitting(state, { ...need, minValidity: 1_000 }, now)
  if (last) return { type: 'token', token: last, session, subject, due: false }
  return late
}

/** The token that a goal is about, unless it is the one that will not do, or has no time left, or nobody knows whether the session still is. */
export function fitting({ held, doubtful }: State, goal: Goal & Partial<Need>, now: Moment): AccessToken | null {
  const key = keyOf(goal)
  const token = held.kind === 'signed-in' && held.record.grant.access[key]
  const deadlines = held.kind === 'signed-in' && held.deadlines[key]
  return !doubtful && token && deadlines && token.generation > goal.from && usable(token, deadlines, now, goal.minValidity) > 0
    ? token
    : null
}

/** Time until the token should be replaced. */
export const renewIn = ({ deadlines }: SignedIn, goal: Goal, now: Moment): Ms => left(deadlines[keyOf(goal)]?.renew ?? now, now)

/** Time until the next attempt may be made; a wait that no server asked for is over when the network comes back. */
export function pause({ held, onlineAt, denied }: State, want: Want, now: Now, needed: boolean): Ms {
  const retry = held.kind === 'signed-out' ? null : held.kind === 'loading' ? held.retry : held.record.retry
  const wait = !retry || (!retry.binding && onlineAt.wall > retry.at) ? 0 : waitLeft(retry, now, needed)
  return Math.max(wait, (denied[keyOf(want)]?.until ?? 0) - now.mono)
}

/** A page that has not looked for a minute may have slept, or a limit may be reached: what it holds may be long over (protocol, rule 10; F09, F68, F81). */
const lookInterval: Ms = 60_000

export const mustLook = ({ lookedAt, due }: State, now: Moment): boolean =>
  !lookedAt || left(after(lookedAt, lookInterval), now) < 0 || left(due, now) <= 0

/** Until when the token may leave with no second thought: it is not due, and the record has been seen lately. */
export function freshUntil({ held, lookedAt, due }: State, want: Want): Moment {
  const fresh = (held.kind === 'signed-in' && held.deadlines[keyOf(want)]?.fresh) || { wall: 0, mono: 0 }
  const again = lookedAt ? after(lookedAt, lookInterval) : fresh
  return { wall: Math.min(fresh.wall, again.wall, due.wall), mono: Math.min(fresh.mono, again.mono, due.mono) }
}

/** Is there anything to present? A cookie may be good for longer than was said; the session is not (REQ-43). */
export const canPresent = ({ grant, bounds: { signedInAt: from, lasts } }: ActiveRecord, { cookie }: Policy, now: Now): boolean =>
  cookie ? typeof lasts !== 'number' || !isOver({ from, lasts }, now) : grant.refreshToken !== null && !isOver(grant.refreshLife, now)
