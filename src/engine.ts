import { type ActiveRecord, type EndReason, parseRecord, type SessionRecord, serializeRecord } from './core/record.ts'
import { reveal } from './core/secret.ts'
import { type Announcement, type Fact, initialState, type Order, type Policy, type State } from './core/state.ts'
import type { Ms, Now } from './core/time.ts'
import { nextWake, transition } from './core/transition.ts'
import { type Need, type Verdict, verdict } from './core/verdict.ts'
import { amend, endOf, type Write } from './core/write.ts'
import type { Ports } from './ports.ts'
import { type Committed, lockWait, refreshRun, type Server, type Tools } from './refresh-run.ts'

/** Where the engine reports, while it decides: none of these may feed it anything, but for `settled`. */
export interface Audience {
  readonly changed: (state: State) => void
  readonly announced: (news: Announcement) => void
  readonly happened: (fact: { readonly type: string }, state: State) => void
  /** Everything that there was to decide has been decided. */
  readonly settled: () => void
}

export interface Engine {
  readonly state: () => State
  readonly now: () => Now
  readonly feed: (fact: Fact) => void
  /** What a caller gets: at once if it can be said, else when it can be, and in any case 2 s after `refreshTimeout`; ten minutes for one that is held. */
  readonly obtain: (need: Need) => Verdict | Promise<Verdict>
  /** In use from now on. Resolves when other tabs can see it; or there is no store that takes it. */
  readonly signIn: (record: ActiveRecord) => Promise<void>
  /** Over from now on. Resolves with whether the server has confirmed it. */
  readonly signOut: (reason: EndReason) => Promise<boolean>
  /** A refresh that has been sent goes on to its end: its answer belongs to all tabs. Whoever waits is told `closed`. */
  readonly close: () => void
}

/** Longest that a store may take; then the session goes on from memory (F40). */
const storeWait: Ms = 2_000

/** Longest that a request is held for its user to come back. */
const holdWait: Ms = 600_000

/** Longest that a sign-out waits for the server. */
const revokeWait: Ms = 10_000

/** What the peers are given to answer when a record is gone (rule 11). */
const peersWait: Ms = 500

interface Waiter {
  readonly need: Need
  readonly until: number
  readonly settle: (verdict: Verdict) => void
}

/** Feeds facts to `transition` one at a time, does what it orders, and feeds it what came of that. */
export function startEngine(ports: Ports, server: Server, policy: Policy, key: string, audience: Audience): Engine {
  const { clock, store, lock, peers, page, random } = ports
  let state = initialState(page.visible())
  const mailbox: Fact[] = []
  let deciding = false
  const waiters = new Set<Waiter>()
  const watchers = new Set<() => void>()
  let storing: Promise<unknown> = Promise.resolve()
  let recovering: Promise<void> | null = null
  let acting = 0 // sign-ins and sign-outs on their way to the store: until they are there, it says what was before
  let departure = Promise.resolve(false)
  let cancelWake = () => {}

  const now = (): Now => ({ ...clock.now(), chance: random.chance() })

  function feed(fact: Fact): void {
    mailbox.push(fact)
    if (deciding) return
    deciding = true
    try {
      for (let next = mailbox.shift(); next; next = mailbox.shift()) step(next)
    } finally {
      deciding = false
    }
    schedule()
    audience.settled()
  }

  function step(fact: Fact): void {
    const before = state
    const [after, orders] = transition(before, fact, now(), policy)
    state = after
    if (after.held !== before.held || after.lookedAt !== before.lookedAt) {
      audience.changed(after)
      for (const tell of watchers) tell()
      watchers.clear()
    }
    audience.happened(fact, after)
    orders.forEach(perform)
    settle(fact)
  }

  /** Gives each waiting caller what can be said by now, and starts a refresh for those who need one. */
  function settle(fact: Fact): void {
    const time = now()
    for (const waiter of waiters) {
      const found =
        verdict(state, waiter.need, time, policy) ?? (time.mono < waiter.until ? null : { type: 'unavailable' as const, retryAt: null })
      if (found) {
        waiters.delete(waiter)
        waiter.settle(found)
      } else if (!state.refreshing && fact.type !== 'token-needed' && mailbox.length === 0 && !isHeld(waiter.need)) {
        mailbox.push({ type: 'token-needed', goal: waiter.need, waiting: true })
      }
    }
  }

  /** Nobody is there to ask a token for. */
  const isHeld = ({ after }: Need) => after !== undefined && state.held.kind === 'signed-out'

  function schedule(): void {
    cancelWake()
    const time = now()
    const wait = Math.min(nextWake(state, time, policy), ...[...waiters].map(({ until }) => until - time.mono))
    cancelWake = wait < Infinity ? clock.wakeAt(time.wall + Math.max(0, wait), () => feed({ type: 'woke' })) : () => {}
  }

  function perform(order: Order): void {
    switch (order.do) {
      case 'look':
        return void look().catch(ignore)
      case 'refresh':
        return void refreshRun(order.goal, tools)
          .catch(() => feed({ type: 'store-failed' }))
          .then(() => feed({ type: 'refresh-ended' }))
      case 'expire':
        return void expire(order.record)
      case 'ask':
        return void recover().catch(ignore)
      case 'restore':
        return void restore(order.record).catch(ignore)
      case 'announce':
        audience.announced(order)
    }
  }

  function look(): Promise<SessionRecord | 'foreign' | null> {
    return inTurn(async () => {
      const at = clock.now()
      const asked = attempt(() => store.read(key))
      const see = (text: string | null) => {
        const record = parseRecord(text, policy.issuer)
        if (text !== null && !record) store.replace(key, text, null).catch(ignore) // no record, and never will be one (F43)
        if (!acting) feed({ type: 'record-read', record, by: 'other-tab', at })
        return record
      }
      try {
        return see(await inTime(asked))
      } catch (error) {
        feed({ type: 'read-failed', at })
        // What comes late is of use as long as nothing has been read or written since.
        const { lookedAt } = state
        asked.then((text) => void (state.lookedAt === lookedAt && see(text)), ignore)
        throw error
      }
    })
  }

  /** One after the other: what the store says is heard in the order in which it was true. */
  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = storing.then(task)
    storing = done.catch(ignore)
    return done
  }

  /** While something that the user does is on its way, what the store says of anything else was before it. */
  const isHeard = (write: Write): boolean => acting === Number(isAct(write))

  /** Compare and commit (rule 1): read, see whether the record is what the write names, replace; refused, again. */
  async function exchange(write: Write, afresh: boolean): Promise<Committed> {
    for (;;) {
      const text = await inTime(attempt(() => store.read(key)))
      const found = parseRecord(text, policy.issuer)
      const record = found === 'foreign' && write.type !== 'sign-in' ? null : amend(found === 'foreign' ? null : found, write, now())
      const replace = (expected: string | null, next: string | null) => inTime(attempt(() => store.replace(key, expected, next)))
      if (record && afresh && !(await replace(text, null))) continue
      const asked = clock.now().mono
      if (record && !(await replace(afresh ? null : text, serializeRecord(record)))) continue
      if (isHeard(write)) feed({ type: 'record-read', record: record ?? found, by: record ? 'this-tab' : 'other-tab' })
      if (record && write.type !== 'claim' && write.type !== 'retry') tell(record, false)
      return { record, found, asked }
    }
  }

  const commit = (write: Write): Promise<Committed> => inTurn(() => exchange(write, false))

  /** Nobody else may find a spent token with the lock free, or an ended session alive: written again, then in the place of what is there (rule 5). */
  function insist(write: Write): Promise<Committed> {
    acting += Number(isAct(write))
    return inTurn(async () => {
      for (let failures = 0; failures < 3; failures++) {
        try {
          return await exchange(write, failures > 1)
        } catch {
          // Once more; at the last into memory.
        }
      }
      const found = write.type === 'end' && write.wanted ? write.of : state.held.record
      const record = amend(found, write, now())
      if (isHeard(write)) feed(record ? { type: 'record-read', record, by: 'this-tab' } : { type: 'read-failed' })
      return { record, found, asked: clock.now().mono }
    }).finally(() => {
      acting -= Number(isAct(write))
    })
  }

  async function arrive(record: ActiveRecord): Promise<void> {
    const { found } = await insist({ type: 'sign-in', of: record, unasked: false })
    if (!found || found === 'foreign' || found.status !== 'active') return
    const [before, after] = [found.grant.refreshToken, record.grant.refreshToken]
    // The server may have given the same token again: revoking it would end the session that has just begun.
    if (before && !(after && reveal(before) === reveal(after))) void server.revoke(found.grant)
  }

  async function expire(of: ActiveRecord): Promise<void> {
    const { found } = await insist({ type: 'end', of, reason: 'refresh-expired', wanted: false })
    if (!found) await recover().catch(ignore)
    feed({ type: 'refresh-ended' })
  }

  async function end(of: ActiveRecord, reason: EndReason): Promise<boolean> {
    const { record, found } = await insist({ type: 'end', of, reason, wanted: true })
    audience.announced({ type: 'ended', record: endOf(of, reason, clock.now().wall), by: 'this-tab' })
    audience.settled()
    // The refresh token that was found in the record: the one in memory may be spent (M7).
    const grant = found === 'foreign' || found?.status !== 'active' ? of.grant : record && found.grant
    return grant !== null && (await within(revokeWait, server.revoke(grant))) === true
  }

  const tell = ({ session, generation }: SessionRecord, missing: boolean) => peers.tell({ session, generation, missing })

  async function askPeers(known: SessionRecord): Promise<void> {
    tell(known, true)
    await within(peersWait, new Promise(() => {}))
  }

  const restore = (of: SessionRecord) =>
    // A claim of nobody, so that a request still on its way is waited for.
    commit({ type: 'restore', of, claim: { owner: '', locked: false, lasts: policy.refreshTimeout } })

  /** Once at a time: it looks, and finding nothing is what it was asked for. */
  const recover = () => (recovering ??= recoverNow().finally(() => (recovering = null)))

  async function recoverNow(): Promise<void> {
    const known = state.held.record
    if (!known) return
    await askPeers(known)
    if ((await look()) || state.held.record?.session !== known.session) return
    if (state.stale) feed({ type: 'nobody-known' })
    else await restore(known)
  }

  function within<T>(span: Ms, work: Promise<T>): Promise<T | null> {
    const until = clock.now().mono + span
    return new Promise((resolve, reject) => {
      let cancel = () => {}
      // By our own running: a wall clock that is set cuts no request short.
      const check = () => {
        const { wall, mono } = clock.now()
        if (mono < until) cancel = clock.wakeAt(wall + until - mono, check)
        else resolve(null)
      }
      check()
      work.then(resolve, reject).finally(() => cancel())
    })
  }

  async function inTime<T>(asked: Promise<T>): Promise<T> {
    const answer = await within(
      storeWait,
      asked.then((value) => ({ value })),
    )
    if (!answer) throw new Error('The store did not answer in time.')
    return answer.value
  }

  async function takeLock(): Promise<(() => void) | null> {
    const patience = new AbortController()
    const asked = attempt(() => lock.acquire(patience.signal))
    const held = await within(lockWait, asked).catch(() => null)
    if (!held) {
      patience.abort()
      asked.then((late) => late(), ignore)
    }
    return held
  }

  const tools: Tools = {
    policy,
    server,
    now,
    state: () => state,
    feed,
    newId: random.id,
    note: (fact) => audience.happened(fact, state),
    lock: takeLock,
    look,
    commit,
    insist,
    askPeers,
    recover,
    within,
    change: () => new Promise((resolve) => watchers.add(resolve)),
  }
  const undo = [page.listen((signal) => feed({ type: 'signalled', signal })), peers.listen((news) => feed({ type: 'heard', news }))]
  void look().catch(ignore)

  return {
    now,
    feed,
    state: () => state,
    obtain(need) {
      const time = now()
      return (
        verdict(state, need, time, policy) ??
        new Promise((settle) => {
          waiters.add({ need, settle, until: time.mono + (need.after ? holdWait : policy.refreshTimeout + 2_000) })
          feed(isHeld(need) ? { type: 'woke' } : { type: 'token-needed', goal: need, waiting: true })
        })
      )
    },
    // Each begins its write first: whoever hears of it and acts upon it comes after it.
    signIn(record) {
      const seen = arrive(record)
      feed({ type: 'signed-in', record })
      return seen
    },
    signOut(reason) {
      const { held } = state
      if (held.kind === 'signed-in') departure = end(held.record, reason)
      feed({ type: 'signed-out', reason })
      return departure
    },
    close() {
      for (const stop of undo.splice(0)) stop()
      feed({ type: 'closed' }) // and whoever waits is told so
    },
  }
}

const ignore = () => {}

/** Is it something that the user does, here and now? */
const isAct = (write: Write): boolean => write.type === 'sign-in' || (write.type === 'end' && write.wanted)

/** A port may throw where it should reject. */
const attempt = async <T>(task: () => Promise<T>): Promise<T> => task()
