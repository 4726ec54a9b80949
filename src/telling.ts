import type { Policy } from './core/state.ts'
import type { Audience } from './engine.ts'
import { diagnosticOf, type SessionEnd, type SessionEvents } from './events.ts'
import { createListeners } from './listeners.ts'
import type { Ports } from './ports.ts'
import type { Session } from './session.ts'
import { loading, type SessionState, snapshotOf } from './snapshot.ts'

/** What the app sees and hears of a session: its state, and what happens to it, each once and in the order in which it happened. */
export interface Telling extends Audience, Pick<Session, 'ready' | 'subscribe' | 'on'> {
  readonly shown: () => SessionState
  /** What the last refresh failed with, as long as the next one has not gone well. */
  readonly cause: () => unknown
  readonly failed: (cause: unknown) => void
}

export function startTelling({ clock, report }: Ports, { owner, refreshTimeout }: Policy): Telling {
  const listeners = createListeners(report)
  let shown: SessionState = loading
  let lastEnd: SessionEnd | null = null
  let cause: unknown
  let isReady = (_: SessionState) => {}
  const ready = new Promise<SessionState>((resolve) => {
    isReady = resolve
  })
  ready.then(clock.wakeAt(clock.now().wall + refreshTimeout + 2_000, () => isReady(shown)))

  return {
    ready,
    on,
    shown: () => shown,
    cause: () => cause,
    failed(error) {
      cause = error
    },
    subscribe(listener) {
      const told = shown
      listeners.call(listener, told)
      const undo = listeners.add('state', listener)
      if (shown !== told) listeners.call(listener, shown) // by what it has done itself
      return undo
    },
    changed(state) {
      const { kind, record } = state.held
      if (kind === 'signed-in' && !record.retry) cause = undefined
      const last = shown
      shown = snapshotOf(state, last, cause)
      if (shown !== last) listeners.deliver('state', shown)
    },
    announced({ type, record, by }) {
      const { session: sessionId, subject } = record
      if (type === 'ended') {
        const end = Object.freeze({ sessionId, subject, reason: record.reason, endedAt: record.endedAt, answerLost: record.answerLost, by })
        lastEnd = end
        listeners.deliver('ended', end)
        if (end.reason !== 'signed-out') listeners.deliver('expired', end)
      } else if (type === 'refreshed') {
        listeners.deliver(type, Object.freeze({ sessionId, expiresAt: shown.status === 'signed-in' ? shown.expiresAt : null, by }))
      } else {
        lastEnd = null
        listeners.deliver(type, Object.freeze({ sessionId, subject, by }))
      }
    },
    happened(fact, state) {
      if (listeners.has('diagnostic')) listeners.deliver('diagnostic', diagnosticOf(fact, state, clock.now().wall, owner))
    },
    expiring(event) {
      listeners.deliver('expiring', event)
      listeners.flush()
    },
    settled() {
      if (shown.status !== 'loading') isReady(shown)
      listeners.flush()
    },
  }

  function on<Type extends keyof SessionEvents>(type: Type, listener: (event: SessionEvents[Type]) => void): () => void {
    const missed = type === 'ended' || (type === 'expired' && lastEnd?.reason !== 'signed-out') ? lastEnd : null
    if (missed) listeners.call(listener as (end: SessionEnd) => void, missed) // both of these types carry a SessionEnd
    return listeners.add(type, listener)
  }
}
