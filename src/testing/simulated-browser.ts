import type { News, PageSignal } from '../core/state.ts'
import type { Clock, Lock, Peers, Ports, Store } from '../ports.ts'
import type { Timeline } from './timeline.ts'

/** How the simulated browser behaves. Every span is drawn anew each time. */
export interface Behaviour {
  /** ms for one way to the store and back, a message, the news that a lock is free. */
  storeDelay: () => number
  messageDelay: () => number
  lockDelay: () => number
  /** Is this message lost? */
  loses: () => boolean
  /** What the store does instead of what it is asked. */
  storeFault: (operation: 'read' | 'replace') => 'none' | 'fails' | 'hangs'
  hasLocks: boolean
  hasChannel: boolean
  /** Tabs are opened ahead of a visit, until they are shown. */
  prerenders: boolean
}

/** What all tabs of one browser profile share. */
export interface SimulatedBrowser {
  readonly behaviour: Behaviour
  /** The store's content, for tests to look at, to corrupt and to clear. */
  readonly records: Map<string, string>
  /** Messages sent so far. */
  readonly messages: News[]
  readonly openTab: (fetch: typeof globalThis.fetch) => SimulatedTab
}

/** One tab: its ports, and what can befall it. */
export interface SimulatedTab {
  readonly ports: (name: string) => Ports
  readonly alive: () => boolean
  /** Runs `happen` when this tab runs: at once, after a thaw, or never. */
  readonly deliver: (happen: () => void) => void
  readonly signal: (signal: PageSignal) => void
  readonly setVisible: (visible: boolean) => void
  readonly freeze: () => void
  /** As a freeze of which the page is told nothing, before or after: the machine sleeps, or is busy. */
  readonly halt: () => void
  /** It runs again, after either. */
  readonly thaw: () => void
  readonly crash: () => void
  /** Sets the wall clock of this tab, in ms beside the true time. */
  readonly setClock: (offset: number) => void
  /** Stops the monotonic clock for a while, as sleep does in some browsers. */
  readonly skipMonotonic: (span: number) => void
  readonly reported: unknown[]
}

/** Any moment will do; a round one makes traces readable. */
const epoch = Date.UTC(2026, 0, 1)

export function createBrowser(timeline: Timeline, random: () => number, behaviour: Behaviour): SimulatedBrowser {
  const records = new Map<string, string>()
  const messages: News[] = []
  const locks = new Map<string, LockQueue>()
  const channels = new Map<string, Set<Listener>>()

  return { behaviour, records, messages, openTab }

  function openTab(fetch: typeof globalThis.fetch): SimulatedTab {
    const openedAt = timeline.now()
    let dead = false
    let frozen = false
    let told = false
    let visible: boolean | null = behaviour.prerenders ? null : true
    let offset = 0
    let slept = 0
    let waiting: (() => void)[] = []
    const wakes = new Set<Wake>()
    const pageListeners = new Set<(signal: PageSignal) => void>()
    const held = new Set<Request>()
    const ears = new Set<() => void>()
    const reported: unknown[] = []

    function deliver(happen: () => void): void {
      if (dead) return
      if (frozen) waiting.push(happen)
      else happen()
    }

    const now = () => ({ wall: epoch + timeline.now() + offset, mono: timeline.now() - openedAt - slept })

    function arm(wake: Wake): void {
      wake.cancel()
      const { wall, mono } = now()
      wake.cancel = timeline.after(Math.max(0.001, Math.min(wake.at - wall, wake.due - mono)), () => {
        wakes.delete(wake)
        deliver(wake.ring)
      })
    }

    const clock: Clock = {
      now,
      wakeAt(at, ring) {
        const { wall, mono } = now()
        let cancelled = false
        const wake: Wake = { at, due: mono + at - wall, ring: () => !cancelled && ring(), cancel: () => {} }
        wakes.add(wake)
        arm(wake)
        return () => {
          cancelled = true
          wake.cancel()
          wakes.delete(wake)
        }
      },
    }

    /** On its way to the store, done there in one step, and back. A tab that is gone by then has done it all the same. */
    const ask = <T>(operation: 'read' | 'replace', act: () => T): Promise<T> =>
      new Promise((resolve, reject) => {
        const fault = behaviour.storeFault(operation)
        if (fault === 'hangs') return
        timeline.after(behaviour.storeDelay(), () => {
          if (fault === 'fails') return deliver(() => reject(new DOMException('The disk is full.', 'QuotaExceededError')))
          const result = act()
          timeline.after(behaviour.storeDelay(), () => deliver(() => resolve(result)))
        })
      })

    const store: Store = {
      read: (key) => ask('read', () => records.get(key) ?? null),
      replace: (key, expected, next) =>
        ask('replace', () => {
          if ((records.get(key) ?? null) !== expected) return false
          if (next === null) records.delete(key)
          else records.set(key, next)
          return true
        }),
    }

    const lock = (name: string): Lock => ({
      acquire: (signal) =>
        new Promise((resolve, reject) => {
          if (!behaviour.hasLocks) return reject(new TypeError('navigator.locks is undefined'))
          const queue = locks.get(name) ?? createLockQueue()
          locks.set(name, queue)
          const request: Request = {
            leave: () => {
              held.delete(request)
              queue.leave(request)
            },
            granted: () => timeline.after(behaviour.lockDelay(), () => deliver(() => resolve(request.leave))),
          }
          held.add(request)
          signal.addEventListener('abort', () => {
            request.leave()
            reject(signal.reason)
          })
          queue.join(request)
        }),
    })

    /** Every channel of that name hears, in this tab too, but the one that speaks. */
    function peers(name: string): Peers {
      const group = channels.get(name) ?? new Set()
      channels.set(name, group)
      const own = new Set<Listener>()
      return {
        audible: behaviour.hasChannel,
        tell(news) {
          if (!behaviour.hasChannel) return
          messages.push(news)
          for (const listener of group) {
            if (!own.has(listener) && !behaviour.loses()) timeline.after(behaviour.messageDelay(), () => listener(news))
          }
        },
        listen(hear) {
          const listener: Listener = (news) => deliver(() => group.has(listener) && hear(news))
          group.add(listener)
          own.add(listener)
          const leave = () => void group.delete(listener)
          ears.add(leave)
          return leave
        },
      }
    }

    function ports(name: string): Ports {
      return {
        clock,
        store,
        lock: lock(name),
        peers: peers(name),
        page: {
          visible: () => visible,
          listen(notice) {
            pageListeners.add(notice)
            return () => void pageListeners.delete(notice)
          },
        },
        random: { chance: random, id: () => Math.floor(random() * 2 ** 52).toString(36) + Math.floor(random() * 2 ** 52).toString(36) },
        fetch,
        report: (error) => void reported.push(error),
        base: () => null,
      }
    }

    const signal = (what: PageSignal) => {
      for (const notice of [...pageListeners]) deliver(() => notice(what))
    }

    return {
      ports,
      deliver,
      signal,
      reported,
      alive: () => !dead,
      setVisible(next) {
        visible = next
        signal(next ? 'visible' : 'hidden')
      },
      freeze() {
        if (frozen || dead) return
        signal('frozen')
        frozen = told = true
      },
      halt() {
        frozen = true
      },
      thaw() {
        if (!frozen) return
        frozen = false
        // A browser promises no order: the word that the page runs again may come first, last, or between (protocol §5.12).
        const tasks = waiting
        waiting = []
        if (told) tasks.splice(Math.floor(random() * (tasks.length + 1)), 0, () => signal('resumed'))
        told = false
        for (const task of tasks) queueMicrotask(() => deliver(task))
      },
      crash() {
        dead = true
        for (const leave of ears) leave()
        for (const wake of wakes) wake.cancel()
        for (const request of [...held]) request.leave()
      },
      setClock(next) {
        offset = next
        for (const wake of wakes) arm(wake)
      },
      skipMonotonic(span) {
        slept += span
        for (const wake of wakes) arm(wake)
      },
    }
  }
}

interface Wake {
  readonly at: number
  readonly due: number
  readonly ring: () => void
  cancel: () => void
}

type Listener = (news: News) => void

interface Request {
  readonly granted: () => void
  readonly leave: () => void
}

interface LockQueue {
  readonly join: (request: Request) => void
  readonly leave: (request: Request) => void
}

/** First come, first served; the first in the queue holds the lock. */
function createLockQueue(): LockQueue {
  const queue: Request[] = []
  return {
    join(request) {
      if (queue.push(request) === 1) request.granted()
    },
    leave(request) {
      const place = queue.indexOf(request)
      if (place < 0) return
      queue.splice(place, 1)
      if (place === 0) queue[0]?.granted()
    },
  }
}
