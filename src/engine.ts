import type { ActiveRecord, EndReason, SessionRecord } from './core/record.ts'
import { isSame } from './core/secret.ts'
import { type Announcement, type Fact, initialState, isOf, type Order, ownerIn, type Policy, type State } from './core/state.ts'
import type { MonotonicMs, Ms, Now } from './core/time.ts'
import { nextWake, transition } from './core/transition.ts'
import { type Need, type Verdict, verdict } from './core/verdict.ts'
import { endOf } from './core/write.ts'
import type { LimiterHost, Limiting } from './limiter.ts'
import type { Ports } from './ports.ts'
import { type Revocable, refreshRun, type Server, type Tools } from './refresh-run.ts'
import { revoke } from './revocation.ts'
import { attempt, sharedRecord } from './shared-record.ts'
import { within } from './within.ts'

/** Where the engine reports, while it decides. What it is fed from here is decided after that. */
export interface Audience {
  readonly changed: (state: State) => void
  readonly announced: (news: Announcement) => void
  readonly happened: (fact: { readonly type: string }, state: State) => void
  readonly expiring: LimiterHost['expiring']
  /** Everything that there was to decide has been decided. */
  readonly settled: () => void
}

export interface Engine {
  readonly state: () => State
  readonly now: () => Now
  readonly feed: (fact: Fact) => void
  /** Resolves when it is known here what the store says, or that it does not. */
  readonly look: () => Promise<unknown>
  /** What a caller gets: at once if it can be said, else when it can be, and in any case when there has been nothing new from the server for `refreshTimeout` and 2 s; ten minutes for one that is held. */
  readonly obtain: (need: Need) => Verdict | Promise<Verdict>
  /** In use from now on. Resolves when other tabs can see it; or there is no store that takes it. */
  readonly signIn: (record: ActiveRecord) => Promise<void>
  /** Over from now on. Resolves with whether the server has confirmed it. */
  readonly signOut: (reason: EndReason) => Promise<boolean>
  /** The user is here. */
  readonly extend: () => void
  /** A refresh that has been sent goes on to its end: its answer belongs to all tabs. Whoever waits is told `closed`. */
  readonly close: () => void
}

/** Longest that a request is held for its user to come back. */
const holdWait: Ms = 600_000

/** Longest that a sign-out waits for the server. */
const revokeWait: Ms = 10_000

interface Waiter {
  need: Need
  until: MonotonicMs
  readonly settle: (verdict: Verdict) => void
}

/** Feeds facts to `transition` one at a time, does what it orders, and feeds it what came of that. */
export function startEngine(
  ports: Ports,
  server: Server,
  policy: Policy,
  key: string,
  audience: Audience,
  limits: Limiting | null,
): Engine {
  const { clock, lock, peers, page, random } = ports
  let state = initialState(page.visible())
  const mailbox: Fact[] = []
  let deciding = false
  const waiters = new Set<Waiter>()
  const watchers = new Set<() => void>()
  let departure = Promise.resolve(false)
  let cancelWake = () => {}
  let untold = () => {} // an end that is being written: told when other tabs can see it, or when something has followed it
  const patience = policy.refreshTimeout + 2_000

  const now = (): Now => ({ ...clock.now(), chance: random.chance() })
  const shared = sharedRecord(ports, policy, key, {
    state: () => state,
    now,
    feed,
    judge: limits && (async (record) => limiter?.judge(record) ?? null),
  })
  const { look, insist, recover, restore } = shared

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
    if (after.held !== before.held || after.lookedAt !== before.lookedAt || after.onlineAt !== before.onlineAt || after.closed) {
      audience.changed(after)
      // Whoever waits for a token of another resource has been waiting for this one's turn, too (F60).
      if (generationOf(after) !== generationOf(before))
        for (const waiter of waiters) waiter.until = Math.max(waiter.until, now().mono + patience)
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
    const owner = ownerIn(state)
    for (const waiter of waiters) {
      const { need } = waiter
      // It began before it was known who is signed in, or they have signed in anew: generations are compared within one session only (F10, F55).
      if (owner.session && (!need.session || isOf(owner, need)))
        waiter.need = { ...need, ...owner, from: need.session === owner.session ? need.from : 0 }
      const found =
        verdict(state, waiter.need, time, policy) ?? (time.mono < waiter.until ? null : { type: 'unavailable' as const, retryAt: null })
      if (found) {
        waiters.delete(waiter)
        waiter.settle(found)
      } else if (!state.refreshing && fact.type !== 'token-needed' && mailbox.length === 0 && !isForNobody(waiter.need)) {
        mailbox.push({ type: 'token-needed', goal: waiter.need, waiting: true })
      }
    }
  }

  /** Nobody is there to ask a token for. */
  const isForNobody = ({ isHeld }: Need) => isHeld && state.held.kind === 'signed-out'

  function schedule(): void {
    cancelWake()
    const time = now()
    const wait = Math.min(nextWake(state, time, policy), ...[...waiters].map(({ until }) => until - time.mono))
    cancelWake = wait < Infinity ? clock.wakeAt(time.wall + wait, () => feed({ type: 'woke' })) : () => {}
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
        return void restore().catch(ignore)
      case 'announce':
        untold()
        audience.announced(order)
    }
  }

  async function arrive(record: ActiveRecord): Promise<void> {
    const { record: kept, found } = await insist({ type: 'sign-in', of: record, wanted: true })
    if (found && found !== 'foreign') {
      if (found.session === record.session) return
      if (found.status === 'active') void tools.revoke(found)
    }
    if (kept?.session !== record.session) void tools.revoke(record)
  }

  async function expire(of: ActiveRecord): Promise<void> {
    const { found } = await insist({ type: 'end', of, reason: 'refresh-expired', wanted: false })
    if (!found) await recover().catch(ignore)
    else if (found === 'foreign' && state.held.record?.session === of.session) feed({ type: 'nobody-known' }) // it is over here alone
    feed({ type: 'refresh-ended' })
  }

  async function end(of: ActiveRecord, reason: EndReason): Promise<boolean> {
    const tell = () => {
      if (untold !== tell) return
      untold = ignore
      audience.announced({ type: 'ended', record: endOf(of, reason, clock.now().wall), by: 'this-tab' })
    }
    untold = tell
    const { record, found, stored } = await insist({ type: 'end', of, reason, wanted: true })
    tell()
    audience.settled()
    void stored?.then((late) => {
      const ended = late?.record?.status === 'ended' && activeIn(late.found)
      if (ended && !isSame(ended.grant.refreshToken, of.grant.refreshToken)) void tools.revoke(ended)
    })
    // The refresh token that was found in the record: the one in memory may be spent (M7).
    const met = activeIn(found)
    const grant = met ? record && (met.generation < of.generation ? of : met).grant : of.grant
    return grant !== null && giveBack({ ...of, grant })
  }

  async function giveBack(of: Revocable): Promise<boolean> {
    return (await within(clock, revokeWait, tools.revoke(of))) === true
  }

  async function takeLock(patience: Ms): Promise<(() => void) | null> {
    await (policy.cookie && departure) // a cookie that is being given back speaks for nobody any more
    const waiting = new AbortController()
    const asked = attempt(() => lock.acquire(waiting.signal))
    const held = await within(clock, patience, asked).catch(() => null)
    if (!held) {
      waiting.abort()
      asked.then((late) => late(), ignore)
    }
    return held
  }

  const tools: Tools = {
    ...shared,
    policy,
    server,
    revoke: (of) => revoke(of, tools),
    clock,
    now,
    state: () => state,
    feed,
    newId: random.id,
    note(fact) {
      audience.happened(fact, state)
      audience.settled()
    },
    lock: takeLock,
    change: () => new Promise((resolve) => watchers.add(resolve)),
  }
  const limiter = limits?.start({ ...ports, ...tools, key, expiring: audience.expiring })
  const undo = [
    page.listen((signal) => feed({ type: 'signalled', signal })),
    peers.listen((news) => feed({ type: 'heard', news })),
    () => limiter?.close(),
  ]
  void look().catch(ignore)

  return {
    now,
    feed,
    look: () => look().catch(ignore),
    state: () => state,
    obtain(need) {
      const time = now()
      return (
        verdict(state, need, time, policy) ??
        new Promise((settle) => {
          waiters.add({ need, settle, until: time.mono + (need.isHeld ? holdWait : patience) })
          feed({ type: 'woke' }) // what it needs is asked for where all waiters are looked through
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
      // With a cookie: the server could not say who is signed in; whoever it is shall not be any more (F27).
      else if (held.kind === 'loading')
        departure = giveBack({ subject: null, grant: { refreshToken: null, refreshLife: null, access: {} } })
      feed({ type: 'signed-out', reason })
      return departure
    },
    extend: () => limiter?.extend(),
    close() {
      for (const stop of undo.splice(0)) stop()
      feed({ type: 'closed' }) // and whoever waits is told so
    },
  }
}

const activeIn = (found: SessionRecord | 'foreign' | null) => (found !== 'foreign' && found?.status === 'active' ? found : null)

const generationOf = ({ held }: State) => held.record?.generation

const ignore = () => {}
