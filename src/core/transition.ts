import { backOff } from './back-off.ts'
import { type Deadlines, deadlinesOf } from './lifetime.ts'
import type { ActiveRecord, EndedRecord, SessionRecord } from './record.ts'
import { type By, type Fact, type Goal, keyOf, type Order, ownToken, type Policy, type State } from './state.ts'
import { after, left, type Ms, type Now, never } from './time.ts'
import { canPresent, fitting, mustLook, pause, renewIn } from './verdict.ts'
import { endOf } from './write.ts'

/** All judgment of a session's life in one tab: what follows from a fact. Decides, and does nothing. */
export function transition(before: State, fact: Fact, now: Now, policy: Policy): readonly [State, readonly Order[]] {
  let state = before
  const orders: Order[] = []
  decide()
  renew()
  return [state, orders]

  function decide(): void {
    const { held } = state
    switch (fact.type) {
      case 'record-read':
        // After a freeze nobody here knows what became of a session without a record: a refresh comes first (rule 11).
        if (!fact.record && !state.lookedAt && held.kind === 'signed-in') change({ doubtful: canPresent(held.record, policy, now) })
        change({ looking: false, lookedAt: fact.at ?? now })
        see(fact.record, fact.by)
        if (fact.due && state.held.kind === 'signed-in') change({ due: fact.due })
        return
      case 'read-failed':
        change({ looking: false, lookedAt: fact.at ?? now })
        if (held.kind === 'loading' && !policy.cookie) letGo(null)
        return
      case 'refresh-ended':
        return change({ refreshing: false })
      case 'denied':
        return change({ denied: { ...state.denied, ...fact.denials } })
      case 'nobody-known':
        if (held.kind === 'signed-in') end(endOf(held.record, 'refresh-expired', now.wall), 'this-tab')
        else letGo(held.record)
        return
      case 'ask-failed':
        if (held.kind === 'loading') change({ held: { ...held, retry: fact.retry } })
        return
      case 'store-failed':
        if (held.kind === 'signed-in') hold({ ...held.record, retry: backOff(held.record.retry, now, false) }, held.arriving)
        else if (held.kind === 'loading') change({ held: { ...held, retry: backOff(held.retry, now, false) } })
        return
      case 'heard':
        return heard(fact.news)
      case 'woke':
        if (state.visible && left(state.lookedAt ?? now, now) <= -policy.lookEvery) look()
        else if (left(state.due, now) <= 0) lookAgain()
        return
      case 'signalled':
        return signalled(fact.signal)
      case 'token-needed':
        return begin(fact.goal, fact.waiting)
      case 'token-refused':
        return refused(fact.goal, fact.invalid)
      case 'signed-in':
        replace(fact.record, 'this-tab')
        hold(fact.record, true)
        announce('signed-in', fact.record, 'this-tab')
        return
      case 'signed-out':
        if (held.kind === 'loading') letGo(null)
        else if (held.kind === 'signed-in') letGo(endOf(held.record, fact.reason, now.wall))
        return
      case 'closed':
        change({ closed: true, visible: false, lookedAt: null }) // nothing that was held ready may leave any more
    }
  }

  function change(part: Partial<State>): void {
    state = { ...state, ...part }
  }

  /** Takes `record` as what this tab holds. Deadlines of tokens that it held before stay as they were. */
  function hold(record: ActiveRecord, arriving = false): void {
    const last = state.held.kind === 'signed-in' && state.held.record.session === record.session ? state.held : null
    const deadlines: Record<string, Deadlines> = {}
    for (const [key, token] of Object.entries(record.grant.access)) {
      const known = last?.record.grant.access[key]?.generation === token.generation && last.deadlines[key]
      deadlines[key] = known || deadlinesOf(token, now)
    }
    const doubtful = state.doubtful && last?.record.generation === record.generation
    const due = after({ wall: record.bounds.signedInAt, mono: now.mono }, policy.unjudged)
    change({
      held: { kind: 'signed-in', record, deadlines, arriving },
      stale: false,
      doubtful,
      due: last ? state.due : due,
      denied: last ? state.denied : {},
    })
  }

  /** It is over here. Whoever calls this says whether that is news. */
  function letGo(record: EndedRecord | null): void {
    change({ held: { kind: 'signed-out', record }, due: never })
  }

  function end(record: EndedRecord, by: By): void {
    letGo(record)
    orders.push({ do: 'announce', type: 'ended', record, by })
  }

  function announce(type: 'signed-in' | 'refreshed', record: ActiveRecord, by: By): void {
    orders.push({ do: 'announce', type, record, by })
  }

  /** Brings what is held up to what the store holds: a later generation is adopted, an end is an end, another session is always news. */
  function see(found: SessionRecord | 'foreign' | null, by: By): void {
    const { held } = state
    if (found === 'foreign') return held.kind === 'loading' ? letGo(null) : undefined
    if (!found) return missing()
    if (found.status === 'ended') change({ stale: false }) // nothing comes later than an end
    const mine = held.record
    if (found.session !== mine?.session) {
      replace(found, by)
      if (found.status === 'ended') return letGo(found)
      hold(found)
      if (held.kind !== 'loading') announce('signed-in', found, by)
    } else if (mine.status === 'ended') {
      // Whoever knows the end and meets an older record of that session writes the tombstone again (rule 9).
      if (found.generation < mine.generation) orders.push({ do: 'restore' })
    } else if (found.status === 'ended') {
      end(found, by)
    } else if (found.generation < mine.generation) {
      orders.push({ do: 'restore' })
    } else {
      hold(found)
      if (found.generation > mine.generation && !(held.kind === 'signed-in' && held.arriving)) announce('refreshed', found, by)
    }
  }

  /** Another sign-in in the place of ours: its end, unless the same user has come back (F17). If they are gone again, it ended as that one did (F11). */
  function replace(found: SessionRecord, by: By): void {
    const { record } = state.held
    if (record?.status !== 'active') return
    const isSame = found.subject !== null && found.subject === record.subject
    if (!isSame) end(endOf(record, 'user-changed', now.wall), by)
    else if (found.status === 'ended') end(endOf(record, found.reason, now.wall, found.answerLost), by)
  }

  /** An absent record is not an end (rule 11): it was evicted, or cleared. */
  function missing(): void {
    const { held } = state
    if (held.kind === 'signed-in') {
      if (!held.arriving) orders.push({ do: 'ask' })
    } else if (held.kind === 'loading' && !policy.cookie) letGo(null)
  }

  function look(): void {
    if (state.looking || state.closed) return
    change({ looking: true })
    orders.push({ do: 'look' })
  }

  /** A store that fails, or whose answer is of no use, is not asked without end. */
  function lookAgain(): void {
    if (!state.lookedAt || left(state.lookedAt, now) < -1_000) look()
  }

  function heard({ session, generation, missing: isMissing }: Extract<Fact, { type: 'heard' }>['news']): void {
    const { record } = state.held
    const same = record?.session === session
    // Who is out of date itself has nothing to write back.
    if (isMissing && record && !state.stale && (!same || record.generation > generation))
      orders.push({ do: 'restore' }) // before they write back what is out of date
    else if (!same || record.generation < generation) {
      if (record) change({ stale: true })
      change({ looking: false }) // what is being read may have been asked for too early
      look()
    }
  }

  function signalled(signal: Extract<Fact, { type: 'signalled' }>['signal']): void {
    if (signal === 'frozen') return change({ lookedAt: null, looking: false })
    if (signal === 'hidden') return change({ visible: false })
    if (signal === 'visible') change({ visible: true })
    // Networks come and go: one extra attempt in five seconds is enough (F34).
    if (signal === 'online' && now.mono - state.onlineAt.mono >= 5_000) change({ onlineAt: now })
    // Focus, visibility and the network often come back together: that is one look (F16).
    lookAgain()
  }

  /** Starts a refresh, unless one is running, none is possible, or it is too early for one. */
  function begin(goal: Goal, waiting: boolean): void {
    const { held } = state
    if (mustLook(state, now)) return lookAgain()
    if (fitting(state, goal, now) || pause(state, goal, now, waiting) > 0) return
    if (held.kind === 'signed-in' ? !held.arriving && canPresent(held.record, policy, now) : policy.cookie) refresh(goal)
  }

  function refresh(goal: Goal): void {
    if (state.refreshing || state.closed || state.visible === null) return
    change({ refreshing: true })
    orders.push({ do: 'refresh', goal })
  }

  /** A 401 is about one token; and an API that always says so is asked about it twice a minute at most (F53, F54, F55). */
  function refused(goal: Goal, invalid: boolean): void {
    const { held } = state
    const key = keyOf(goal)
    const isUnknown = invalid && held.kind === 'signed-in' && !held.record.grant.access[key]?.life
    if (fitting(state, goal, now) || now.mono - (state.refusedAt[key] ?? -Infinity) < (isUnknown ? 10_000 : 30_000)) return
    // That is how a token of unknown life ends; and a session with it, if nothing can renew it.
    if (isUnknown && !key && !canPresent(held.record, policy, now))
      return change({ held: { ...held, deadlines: { ...held.deadlines, [key]: { fresh: now, renew: now, expires: now } } } })
    change({ refusedAt: { ...state.refusedAt, [key]: now.mono } })
    begin(goal, true)
  }

  /** Renews ahead of need; and ends what has run out with nothing to renew it. */
  function renew(): void {
    const { held } = state
    if (state.closed || state.refreshing) return
    // No record says who is signed in, but the server's cookie may: it is asked once, and again only if somebody looks at the page.
    if (held.kind === 'loading' && state.lookedAt && (!held.retry || isAhead(state, policy))) begin(ownToken, false)
    if (held.kind !== 'signed-in') return
    if (canPresent(held.record, policy, now)) {
      // After a failure the next attempt is due when its wait is over, however good the token still is.
      if (isAhead(state, policy) && (held.record.retry || renewIn(held, ownToken, now) <= 0))
        begin({ ...ownToken, from: held.record.grant.access['']?.generation ?? 0 }, false)
    } else if (left(held.deadlines['']?.expires ?? now, now) <= 0) {
      if (mustLook(state, now)) return lookAgain()
      change({ refreshing: true })
      orders.push({ do: 'expire', record: held.record })
    }
  }
}

/** When something is to be decided though nothing happens: the time until then, by the clock that gets there first; negative if it is late. */
export function nextWake(state: State, now: Now, policy: Policy): Ms {
  const { held, visible, lookedAt, looking, refreshing, closed, due } = state
  if (closed) return Infinity
  const regular = visible && lookedAt ? lookedAt.mono + policy.lookEvery - now.mono : Infinity
  const limit = left(due, now)
  const nextLook = looking ? Infinity : Math.min(regular, limit > 0 ? limit : 1_000)
  if (held.kind === 'loading' && held.retry && !refreshing && isAhead(state, policy)) return pause(state, ownToken, now, false)
  if (held.kind !== 'signed-in' || held.arriving || refreshing || looking) return nextLook
  const ahead = held.record.retry ? pause(state, ownToken, now, false) : renewIn(held, ownToken, now)
  const next = mustLook(state, now) ? Math.max(ahead, 1_000) : ahead // as often as it may look
  const renewal = isAhead(state, policy) && canPresent(held.record, policy, now) ? next : Infinity
  const expiry = left(held.deadlines['']?.expires ?? now, now)
  return Math.min(nextLook, renewal, expiry > 0 ? expiry : Infinity)
}

/** Are tokens renewed ahead of need? A tab that nobody looks at keeps no session alive (REQ-47, F81). */
const isAhead = ({ visible }: State, { keepFresh }: Policy): boolean =>
  visible !== null && (keepFresh === 'always' || (keepFresh === 'while-visible' && visible))
