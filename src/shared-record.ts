import { type ActiveRecord, parseRecord, type SessionRecord, serializeRecord } from './core/record.ts'
import { neededUntil } from './core/retention.ts'
import type { Fact, Policy, State } from './core/state.ts'
import type { Moment, MonotonicMs, Ms, Now } from './core/time.ts'
import { amend, type Write } from './core/write.ts'
import type { Ports } from './ports.ts'
import { within } from './within.ts'

/** The record that all tabs share, as one instance of the library reads and writes it. What it finds is fed to the engine before anybody else hears of it. */
export interface SharedRecord {
  /** Reads the record and brings what is held up to it. Rejects if the store does not answer. */
  readonly look: () => Promise<SessionRecord | 'foreign' | null>
  /** Compares and commits, and brings what is held up to what is there then. Rejects if the store does not answer. */
  readonly commit: (write: Write) => Promise<Committed>
  /** As `commit`, but never rejects: what no store takes is kept in memory (rule 5). */
  readonly insist: (write: Write) => Promise<Committed>
  /** Asks the peers for a record that is gone, and gives them time to write it. */
  readonly askPeers: (known: SessionRecord) => Promise<void>
  /** As `askPeers`; and writes back what is held if nobody knows better. */
  readonly recover: () => Promise<void>
  /** Writes what is held where the store has nothing, or something older of it. Rejects if the store does not answer. */
  readonly restore: () => Promise<unknown>
}

/**
 * `record`: what it is now, or `null` if the write was refused; `found`: what it was; `asked`: when the store was told to write it;
 * `stored`: if no store took it, resolves when one has, with what was found and written then, or is not hoped for any more.
 */
interface Committed {
  readonly record: SessionRecord | null
  readonly found: SessionRecord | 'foreign' | null
  readonly asked: MonotonicMs
  readonly stored?: Promise<Committed | null>
}

/** What was to be written, and what that would have come to. */
interface Attempt {
  text?: string
  committed?: Committed | undefined
}

/** The engine, as far as the record needs it. */
export interface Holder {
  readonly state: () => State
  readonly now: () => Now
  readonly feed: (fact: Fact) => void
  /** What limits make of a record, if there are any: `null` if it is over, and being ended. */
  readonly judge: ((record: ActiveRecord) => Promise<Moment | null>) | null
}

/** Longest that a store may take; then the session goes on from memory (F40). */
const storeWait: Ms = 2_000

/** What the peers are given to answer when a record is gone (rule 11). */
const peersWait: Ms = 500

export function sharedRecord(
  { clock, store, peers }: Ports,
  policy: Policy,
  key: string,
  { state, now, feed, judge }: Holder,
): SharedRecord {
  let storing: Promise<unknown> = Promise.resolve()
  let recovering: Promise<void> | null = null
  let acting = 0 // sign-ins and sign-outs on their way to the store: until they are there, it says what was before
  let known: { readonly text: string | null; readonly found: SessionRecord | 'foreign' | null } | undefined
  let unsaved: string | null = null // begun here, and no store has taken it yet
  let yields = false // that one: to who is signed in elsewhere, as nobody has signed in here

  return { look, commit, insist, askPeers, recover, restore }

  /** The same is read several times in each refresh. */
  function understood(text: string | null): SessionRecord | 'foreign' | null {
    if (known?.text !== text) known = { text, found: parseRecord(text, policy.issuer) }
    const { found } = known
    if (sessionOf(found) === unsaved) unsaved = null // a store that was only slow has taken it
    // What another session has left there is older than one that waits to be written.
    return unsaved && found && found !== 'foreign' && !(yields && found.status === 'active') ? null : found
  }

  function look(): Promise<SessionRecord | 'foreign' | null> {
    return inTurn(async () => {
      const at = clock.now()
      const asked = attempt(() => store.read(key))
      const see = async (text: string | null) => {
        const record = understood(text)
        if (text !== null && !known?.found) store.replace(key, text, null).catch(ignore) // no record, and never will be one (F43)
        const due = judge && record !== 'foreign' && record?.status === 'active' ? await inTime(judge(record)) : undefined
        if (!acting && due !== null) feed({ type: 'record-read', record, by: 'other-tab', at, due })
        return record
      }
      try {
        return await see(await inTime(asked))
      } catch (error) {
        feed({ type: 'read-failed', at })
        // What comes late is of use as long as nothing has been read or written since.
        const { lookedAt } = state()
        asked.then((text) => (state().lookedAt === lookedAt ? see(text) : null)).catch(ignore)
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

  /**
   * Compare and commit (rule 1): read, see whether the record is what the write names, replace; refused, again.
   * `last`: an attempt of which the store has not said how it went.
   */
  async function exchange(write: Write, afresh = false, last: Attempt = {}): Promise<Committed> {
    for (let before: string | null | undefined, same = 0; ; ) {
      const text = await inTime(attempt(() => store.read(key)))
      // Refused, and the same is read again: a store that is behind itself gets the time to catch up (F08); one that takes nothing has failed.
      if (text === before) await pause(250)
      if (text === before && ++same === 20) throw new Error('The store did not answer.')
      before = text
      const { committed: tried } = last
      if (tried && last.text === text) return heard(write, tried) // it went well
      const found = understood(text)
      // Whoever has signed in since then did so after us, and stays.
      if (tried && write.type === 'sign-in' && found && sessionOf(found) !== sessionOf(tried.found)) {
        heard(write, { ...tried, record: null, found })
        return { ...tried, record: found === 'foreign' ? null : found }
      }
      const record = found === 'foreign' && write.type !== 'sign-in' ? null : amend(found === 'foreign' ? null : found, write, now())
      if (!record) return heard(write, { record, found, asked: clock.now().mono })
      const replace = (expected: string | null, next: string | null) =>
        inTime(attempt(() => store.replace(key, expected, next, neededUntil(record))))
      if (afresh && !(await replace(text, null))) continue
      last.text = serializeRecord(record)
      last.committed = { record, found, asked: clock.now().mono }
      if (await replace(afresh ? null : text, last.text)) return heard(write, last.committed)
      last.committed = undefined
    }
  }

  /** Says what there is now, here and to the peers. While something that the user does is on its way, what the store says of anything else was before it. */
  function heard(write: Write, committed: Committed): Committed {
    const { record, found } = committed
    if (record) unsaved = null
    if (isHeard(write)) feed({ type: 'record-read', record: record ?? found, by: record ? 'this-tab' : 'other-tab' })
    if (record && write.type !== 'claim' && write.type !== 'retry') tell(record, false)
    return committed
  }

  function isHeard(write: Write): boolean {
    return acting === Number(isAct(write))
  }

  function commit(write: Write): Promise<Committed> {
    return inTurn(() => exchange(write))
  }

  /** Nobody else may find a spent token with the lock free, or an ended session alive: written again, then in the place of what is there (rule 5). */
  function insist(write: Write): Promise<Committed> {
    acting += Number(isAct(write))
    const { record: before } = state().held
    const last: Attempt = {}
    return inTurn(async () => {
      for (let failures = 0; failures < 3; failures++) {
        try {
          return await exchange(write, failures > 1, last)
        } catch {
          // Once more; at the last into memory.
        }
      }
      const found = isAct(write) ? before : state().held.record
      const record = amend(found, write, now())
      if (record && record.session !== found?.session) {
        unsaved = record.session
        yields = write.type === 'sign-in' && !write.wanted
      }
      if (isHeard(write)) feed(record ? { type: 'record-read', record, by: 'this-tab' } : { type: 'read-failed' })
      return { record, found, asked: clock.now().mono, stored: stored(write) }
    }).finally(() => {
      acting -= Number(isAct(write))
    })
  }

  /** A store that was only slow takes what is held by now. */
  async function stored(write: Write): Promise<Committed | null> {
    for (let tries = 6; tries > 0; tries--) {
      await pause(storeWait)
      const done = await restore(write).then((late) => ({ late }), ignore)
      if (done) return done.late
    }
    if (state().held.kind !== 'signed-in') unsaved = null
    return null
  }

  function tell({ session, generation }: SessionRecord, missing: boolean): void {
    peers.tell({ session, generation, missing })
  }

  async function askPeers(known: SessionRecord): Promise<void> {
    tell(known, true)
    await pause(peersWait)
  }

  /** `late`: what no store has taken. An end that somebody wants names the session alone, and so ends what other tabs have made of it since. */
  function restore(late?: Write): Promise<Committed | null> {
    return inTurn(async () => {
      const of = state().held.record // by now: a grant may have come, and have been cleared
      if (late?.type === 'end' && of?.status === 'ended' && late.wanted) {
        acting++
        return exchange(late).finally(() => acting--)
      }
      // A claim of nobody, so that a request still on its way is waited for.
      return of && exchange({ type: 'restore', of, claim: { owner: '', locked: false, lasts: policy.refreshTimeout } })
    })
  }

  /** Once at a time: it looks, and finding nothing is what it was asked for. */
  function recover(): Promise<void> {
    recovering ??= recoverNow().finally(() => (recovering = null))
    return recovering
  }

  async function recoverNow(): Promise<void> {
    const known = state().held.record
    if (!known) return
    // Asked twice: whoever has spoken of something later may have heard the question before its own store told it so.
    for (let asked = 0; asked < 2; asked++) {
      await askPeers(known)
      if ((await look()) || state().held.record?.session !== known.session) return
      if (unsaved || !state().stale) return void (await restore()) // while ours is unsaved, a peer that speaks of another speaks of what was before it
    }
    feed({ type: 'nobody-known' })
  }

  function pause(span: Ms): Promise<unknown> {
    return within(clock, span, new Promise(() => {}))
  }

  /** By this page's own running, in ticks: a store cannot answer a page that does not run. */
  async function inTime<T>(asked: Promise<T>): Promise<T> {
    const done = asked.then((value) => ({ value }))
    for (let ticks = 4; ticks > 0; ticks--) {
      const answer = await within(clock, storeWait / 4, done)
      if (answer) return answer.value
    }
    throw new Error('The store did not answer.')
  }
}

const ignore = () => {}

/** Is it something that the user does, here and now? */
const isAct = (write: Write): boolean => 'wanted' in write && write.wanted

const sessionOf = (found: SessionRecord | 'foreign' | null) => (found === 'foreign' ? null : found?.session)

/** A port may throw where it should reject. */
export const attempt = async <T>(task: () => Promise<T>): Promise<T> => task()
