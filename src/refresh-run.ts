import { backOff } from './core/back-off.ts'
import { arrival, renewal } from './core/grant.ts'
import type { Outcome, Unavailable } from './core/outcome.ts'
import type { ActiveRecord, Grant } from './core/record.ts'
import { type Fact, type Goal, keyOf, ownToken, type Policy, type State, type Want } from './core/state.ts'
import type { Moment, MonotonicMs, Ms, Now } from './core/time.ts'
import { canPresent, fitting, pause } from './core/verdict.ts'
import type { Clock } from './ports.ts'
import type { SharedRecord } from './shared-record.ts'
import { within } from './within.ts'

/** The authorization server. */
export interface Server {
  /** Sends at once, never rejects, and ends when it has an answer or has given up hoping for one. */
  readonly ask: (grant: Grant | null, want: Want, subject: string | null) => Promise<Outcome>
  /** Asks once, and never rejects. Resolves with whether the server has confirmed; or with why not, if it may yet. */
  readonly revoke: (grant: Grant, subject: string | null) => Promise<boolean | Unavailable>
  /** What the grant is bound to is of no use any more. */
  readonly forget: (of: Pick<Grant, 'binding'>) => void
  /** Somebody is signed in: what the server will be asked with can be had now. */
  readonly prepare: () => void
}

/** What a session had, and whose it was. */
export type Revocable = Pick<ActiveRecord, 'grant' | 'subject'>

/** What a run needs of the engine. */
export interface Tools extends SharedRecord {
  readonly policy: Policy
  readonly server: Server
  /** Asks until the server has confirmed, or there is no hope that it will, and resolves with which. Never rejects. */
  readonly revoke: (of: Revocable) => Promise<boolean>
  readonly clock: Clock
  readonly now: () => Now
  readonly state: () => State
  readonly feed: (fact: Fact) => void
  readonly newId: () => string
  /** For the timeline only. */
  readonly note: (
    fact:
      | { readonly type: 'sent' | 'answered'; readonly again: boolean; readonly outcome?: string }
      | { readonly type: 'revocation'; readonly confirmed: boolean },
  ) => void
  /** Resolves with what lets the lock go; with `null` if it cannot be had in that time, and where there are no locks. */
  readonly lock: (patience: Ms) => Promise<(() => void) | null>
  /** Resolves when what is held changes. */
  readonly change: () => Promise<void>
}

/** How long the lock is waited for. Any length is safe: without the lock the claims decide (rule 2). Less than a quarter of a watch of 14 s, so that all of it counts (rule 8, F15). */
const lockWait: Ms = 3_000

/** Longest from asking for a claim to be written to sending under it; after that somebody may have watched it to its end (rule 4). */
const sendWindow: Ms = 2_000

/** The longest `refreshTimeout` that there is: a claim that says more is damaged (F43). */
const longestClaim: Ms = 120_000

/** A watch outlasts its claim by the holder's send window and commit (rule 8). */
const watchMargin: Ms = 4_000

/** For so long a tab does not ask again for what the server gives no token for. */
const deniedFor: Ms = 60_000

/** One refresh, from the lock to the commit: rules 2 to 8 of the protocol, in their order. Rejects if the store fails before anything is sent. */
export async function refreshRun(goal: Goal, tools: Tools): Promise<void> {
  const { policy, server, state, now, clock, look, commit, feed } = tools
  const { held } = state()
  const isRead = await look().then(
    () => true,
    (error) => {
      if (held.record || !policy.cookie) throw error
    },
  )
  const met = active(state()) // its claim has been open since before the lock was asked for
  const since = now().mono
  // Whoever knows of nobody has no claim to go by, and nothing but the lock to keep it from asking beside another tab.
  let unlock = await tools.lock(met ? lockWait : policy.refreshTimeout)
  let givenUp = '' // the claim that is known to be nobody's any more
  let again = false // the token may have been presented before
  let lateGrant: Promise<void> | null = null
  try {
    // A cookie can be asked about though nothing can be read: then it is the lock alone that keeps two tabs from it at once (F40).
    if (!isRead && !unlock) return feed({ type: 'store-failed' })
    for (;;) {
      const claim = await claimed()
      if (!claim) return
      if (lateGrant) {
        await lateGrant // an answer has come to what was presented before (M11)
        lateGrant = null
        continue
      }
      // No await from here to the sending: by now the claim may have been watched to its end, or the session be over (M3, M8).
      if (now().mono - claim.asked > sendWindow || active(state()) !== claim.record) continue
      const isDone = await present(claim.record)
      if (isDone) return
    }
  } finally {
    unlock?.()
  }

  /** Rules 3, 4 and 8: looks again, watches whoever is at it, and claims. `null` if there is nothing to present; a cookie of nobody known is asked about here. */
  async function claimed(): Promise<Claimed | null> {
    for (;;) {
      const found = isRead || active(state()) ? await look() : null
      const record = active(state())
      if (state().closed) return null
      if (!record) {
        if (state().held === held && found !== 'foreign') await askForAnybody(tools)
        return null
      }
      if (fitting(state(), goal, now()) || pause(state(), goal, now(), true) > 0 || !canPresent(record, policy, now())) return null
      if (found === 'foreign') throw new Error('The record is not ours.')
      if (!found) {
        await tools.recover()
        continue
      }
      if (record.claim && !(record.claim.locked && unlock) && nameOf(record) !== givenUp) {
        unlock?.()
        unlock = null
        if (await watchToItsEnd(record, met && nameOf(met) === nameOf(record) ? since : now().mono, tools)) givenUp = nameOf(record)
        continue
      }
      again ||= record.claim !== null
      const claim = { owner: policy.owner, locked: unlock !== null, lasts: policy.refreshTimeout }
      const { record: ours, asked } = await commit({ type: 'claim', of: record, claim })
      if (ours?.status !== 'active') continue
      givenUp = nameOf(ours)
      return { record: ours, asked }
    }
  }

  /** Rules 4 to 7: sends, and writes what came of it. Resolves with whether that is all; else the token is to be presented once more. */
  async function present(of: ActiveRecord): Promise<boolean> {
    const presented = { of, want: goal, sent: now() }
    const wasPresented = again || of.retry?.unanswered === true
    const answer = server.ask(of.grant, goal, of.subject)
    tools.note({ type: 'sent', again: wasPresented })
    const outcome = await within(clock, policy.refreshTimeout, answer)
    tools.note({ type: 'answered', again: wasPresented, outcome: outcome?.type ?? 'overdue' })
    if (outcome?.type === 'granted') {
      await keep(presented, outcome, tools)
      return true
    }
    if (outcome?.type === 'rejected') {
      await tools.insist({ type: 'end', of, reason: 'rejected', wanted: false, answerLost: wasPresented })
      return true
    }
    // The deadline ends the waiting, not the listening (rule 6).
    if (!outcome)
      void answer.then((late) => {
        if (late.type === 'granted') lateGrant = keep(presented, late, tools)
      })
    const isAnswered = outcome?.answered ?? false
    if (!isAnswered && !again && (outcome || policy.retryUnanswered)) {
      again = true // once, at once, so that a server's grace window catches it (F33)
      return false
    }
    // About this resource or scope alone: who wants another need not wait (RFC 8707 §2), and the server is well again.
    const denied = outcome?.denied && keyOf(goal)
    const late = backOff(of.retry, now(), isAnswered, outcome?.wait)
    const retry = denied ? null : { ...late, unanswered: wasPresented || !isAnswered }
    await commit({ type: 'retry', of, retry })
    if (denied && active(state())?.session === of.session)
      feed({ type: 'denied', denials: { [denied]: { until: now().mono + deniedFor, cause: outcome.cause } } })
    return true
  }
}

/** A claim of ours that the store has taken. `asked`: when it was told to. */
interface Claimed {
  readonly record: ActiveRecord
  readonly asked: MonotonicMs
}

interface Presented {
  readonly of: ActiveRecord
  readonly want: Want
  readonly sent: Moment
}

type Granted = Extract<Outcome, { type: 'granted' }>

/** Commits what was granted; revokes it if the session is over; and adopts, revoking nothing, if the same session is further on (rule 5, M12). */
async function keep({ of, want, sent }: Presented, { issued, isOther }: Granted, tools: Tools): Promise<void> {
  const { insist, askPeers, revoke, state, now, newId, policy } = tools
  const next = renewal(of, want, issued, sent, now(), newId, policy)
  // Somebody else's: the refresh token is kept until it is revoked, the access token is nobody's to use (REQ-49).
  const kept = isOther ? { ...next, grant: { ...next.grant, access: {} } } : next
  for (let anew = false; ; anew = true) {
    const { record, found, stored } = await insist({ type: 'grant', of, next: kept, anew })
    if (record?.status === 'active') {
      if (!isOther) return void (await stored) // with the lock: nobody else may find the spent token and the lock free
      await insist({ type: 'end', of: record, reason: 'user-changed', wanted: false })
      return void revoke({ grant: { ...record.grant, access: next.grant.access }, subject: null })
    }
    if (!found && !anew) {
      await askPeers(of)
      if (!state().stale && active(state())?.session === of.session) continue
    }
    // A cookie is that of whoever is signed in by now: it stays.
    if (!found || found === 'foreign' || found.status === 'ended' || (found.session !== of.session && !policy.cookie))
      void revoke({ grant: next.grant, subject: of.subject })
    return
  }
}

/** A claim that may be alive is watched for as long as its owner may take, by our own running: a gap counts as one tick (rule 8). */
async function watchToItsEnd(watched: ActiveRecord, since: number, { now, state, clock, look, change }: Tools): Promise<boolean> {
  const total = Math.min(watched.claim?.lasts ?? 0, longestClaim) + watchMargin
  const tick = total / 4
  for (let left = total - Math.min(now().mono - since, tick); left > 0; ) {
    const from = now().mono
    await within(clock, Math.min(tick, left), change())
    left -= Math.min(now().mono - from, tick)
    await look()
    const record = active(state())
    if (!record?.claim || nameOf(record) !== nameOf(watched)) return false
  }
  return true
}

/** Nobody is signed in as far as this browser knows; the server's cookie may know better. */
async function askForAnybody({ policy, server, revoke, state, clock, feed, now, newId, insist }: Tools): Promise<void> {
  const sent = now()
  const { held } = state()
  const answer = server.ask(null, ownToken, null)
  const outcome = await within(clock, policy.refreshTimeout, answer)
  if (outcome?.type === 'granted') return meet(outcome)
  if (outcome?.type === 'rejected') return state().held.kind === 'signed-in' ? undefined : feed({ type: 'nobody-known' })
  if (!outcome)
    void answer.then((late) => {
      if (late.type === 'granted') void meet(late)
    })
  const last = held.kind === 'loading' ? held.retry : null
  feed({ type: 'ask-failed', retry: backOff(last, now(), outcome?.answered ?? false, outcome?.wait) })

  async function meet({ issued }: Granted): Promise<void> {
    const of = arrival(newId(), (held.record?.generation ?? 0) + 1, null, policy.issuer, issued, sent)
    const isAsked = state().held === held || state().held.kind === 'loading' // nobody has signed in or out since
    const { record, found } = isAsked ? await insist({ type: 'sign-in', of, wanted: false }) : { record: null, found: state().held.record }
    if (!record && found !== 'foreign' && found?.status !== 'active') void revoke(of)
  }
}

const active = ({ held }: State): ActiveRecord | null => (held.kind === 'signed-in' && !held.arriving ? held.record : null)

const nameOf = ({ session, fence, claim }: ActiveRecord): string => `${session} ${fence} ${claim?.owner}`
