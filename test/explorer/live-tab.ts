import type { News, PageSignal } from '../../src/core/state.ts'
import { LatchkeyError } from '../../src/errors.ts'
import { resolveOptions } from '../../src/options.ts'
import type { Ports, Refresher } from '../../src/ports.ts'
import type { Session } from '../../src/session.ts'
import { startSession } from '../../src/start-session.ts'

/** What can reach a tab. `at`: the time then, in ms since the scene began. */
export type Told = { readonly at: number } & (
  | { readonly what: 'start'; readonly name: string; readonly hasLocks: boolean }
  /** A caller needs a token, of the session's own or for another API; the user signs out; somebody else signs in. */
  | { readonly what: 'call' | 'call mail' | 'sign-out' | 'sign-in' }
  /** The store's answer: a text, nothing, whether it replaced, or that it failed. */
  | { readonly what: 'stored'; readonly op: number; readonly answer: string | null | boolean | Failure }
  | { readonly what: 'locked'; readonly op: number }
  | { readonly what: 'nudged'; readonly news: News }
  /** The server's answer to a refresh. */
  | { readonly what: 'answered'; readonly op: number; readonly answer: Tokens | Failure }
  | { readonly what: 'revoked'; readonly op: number }
  | { readonly what: 'woke'; readonly op: number }
  | { readonly what: 'signalled'; readonly signal: PageSignal }
)

/** `refused`: for good; `cut-off`: no answer; `busy`: an answer, but no tokens; `failed`: the store's. */
export interface Failure {
  readonly failure: 'refused' | 'cut-off' | 'busy' | 'failed'
}

export interface Tokens {
  readonly access_token: string
  readonly refresh_token?: string
  readonly expires_in: number
}

/** What a tab asks of the outside world, or says to it. `op` numbers what will be answered. */
export type Said =
  | { readonly do: 'read'; readonly op: number }
  | { readonly do: 'replace'; readonly op: number; readonly expected: string | null; readonly next: string | null }
  | { readonly do: 'lock' | 'unlock'; readonly op: number }
  | { readonly do: 'tell'; readonly news: News }
  | { readonly do: 'ask' | 'revoke'; readonly op: number; readonly token: string | null }
  | { readonly do: 'ended'; readonly session: string; readonly reason: string }
  | { readonly do: 'settled'; readonly what: string; readonly token: string | null; readonly code: string | null }
  | { readonly do: 'reported'; readonly error: string }

interface Timer {
  readonly op: number
  readonly at: number
}

/** What a tab shows of what it knows. */
interface Face {
  readonly status: string
  readonly session: string | null
  readonly generation: number
  readonly refreshing: boolean
}

export interface Reaction {
  readonly said: readonly Said[]
  /** In the order in which they are due. */
  readonly timers: readonly Timer[]
  readonly face: Face
}

export const issuer = 'https://server.test'
export const refreshTimeout = 10_000
const mail = { url: 'https://mail.test', resource: 'urn:mail' }
/** The wall clock when the scene begins. */
export const epoch = 1_000_000_000

/** A real session on ports that only write down what they are asked: it does nothing but by `tell`. */
export function createLiveTab(): { readonly tell: (told: Told) => Promise<Reaction> } {
  let said: Said[] = []
  let time = 0
  let ops = 0
  let ids = 0
  let name = ''
  let hasLocks = true
  let session: Session | null = null
  let face: Face = { status: 'loading', session: null, generation: 0, refreshing: false }
  const answers = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void }>()
  const wakes = new Map<number, { readonly at: number; readonly wake: () => void }>()
  const ears = new Set<(news: News) => void>()
  const pageListeners = new Set<(signal: PageSignal) => void>()

  function ask<T>(make: (op: number) => Said): Promise<T> {
    const op = ++ops
    said.push(make(op))
    return new Promise<T>((resolve, reject) => {
      answers.set(op, { resolve, reject })
    })
  }

  const refresher: Refresher = {
    id: issuer,
    refresh: ({ refreshToken: token }) => ask((op) => ({ do: 'ask', op, token })),
    revoke: ({ refreshToken: token }) => ask((op) => ({ do: 'revoke', op, token })),
  }

  const ports: Ports = {
    clock: {
      now: () => ({ wall: epoch + time, mono: time }),
      wakeAt(at, wake) {
        const op = ++ops
        wakes.set(op, { at: Math.max(time, at - epoch), wake })
        return () => void wakes.delete(op)
      },
    },
    store: {
      read: () => ask((op) => ({ do: 'read', op })),
      replace: (_, expected, next) => ask((op) => ({ do: 'replace', op, expected, next })),
    },
    lock: {
      acquire(signal) {
        if (!hasLocks) return Promise.reject(new TypeError('navigator.locks is undefined'))
        const asked = ask<() => void>((op) => ({ do: 'lock', op }))
        const op = ops
        signal.addEventListener('abort', () => {
          said.push({ do: 'unlock', op })
          answers.get(op)?.reject(signal.reason)
        })
        return asked
      },
    },
    peers: {
      audible: true,
      tell: (news) => void said.push({ do: 'tell', news }),
      listen(hear) {
        ears.add(hear)
        return () => void ears.delete(hear)
      },
    },
    page: {
      visible: () => true,
      listen(notice) {
        pageListeners.add(notice)
        return () => void pageListeners.delete(notice)
      },
    },
    // Fixed by the tab: what is by chance must not multiply the schedules. Two tabs never draw the same.
    random: { chance: () => (name === 'A' ? 0.25 : 0.75), id: () => `${name}${++ids}` },
    fetch: () => Promise.reject(new Error('No network but by the refresher.')),
    report: (error) => void said.push({ do: 'reported', error: String(error) }),
    base: () => null,
  }

  function start(): Session {
    // Nothing is renewed ahead of need: what happens around an expiry begins with the two callers.
    const settings = resolveOptions({ attachTo: ['https://api.test', mail], refresh: refresher, keepFresh: 'on-demand' }, null)
    const started = startSession(settings, ports)
    started.on('diagnostic', ({ sessionId, generation, detail }) => {
      face = { ...face, session: sessionId, generation, refreshing: detail.refreshing === true }
    })
    started.onSessionEnded(({ sessionId, reason }) => said.push({ do: 'ended', session: sessionId, reason }))
    return started
  }

  function follow(what: string, work: Promise<unknown>): void {
    work.then(
      (value) => said.push({ do: 'settled', what, token: typeof value === 'string' ? value : null, code: null }),
      (error: { code?: string; name: string }) => said.push({ do: 'settled', what, token: null, code: error.code ?? error.name }),
    )
  }

  function happen(told: Told): void {
    switch (told.what) {
      case 'start':
        name = told.name
        hasLocks = told.hasLocks
        session = start()
        return
      case 'call':
        return follow('call', session!.getToken())
      case 'call mail':
        return follow('call', session!.getToken({ resource: mail.resource }))
      case 'sign-out':
        return follow('sign-out', session!.signOut())
      case 'sign-in':
        return follow('sign-in', session!.signIn(tokensOf('two', 0, `0@${time}`), { subject: 'two' }))
      case 'locked': {
        const { op } = told
        return give(op, () => void said.push({ do: 'unlock', op }))
      }
      case 'stored':
      case 'answered':
        return isFailure(told.answer) ? refuse(told.op, errorOf(told.answer)) : give(told.op, told.answer)
      case 'revoked':
        return give(told.op, undefined)
      case 'woke': {
        const timer = wakes.get(told.op)
        wakes.delete(told.op)
        return timer?.wake()
      }
      case 'nudged':
        for (const hear of ears) hear(told.news)
        return
      case 'signalled':
        for (const notice of pageListeners) notice(told.signal)
    }
  }

  function give(op: number, value: unknown): void {
    answers.get(op)?.resolve(value as never) // as its asker expects: see `Told`
    answers.delete(op)
  }

  function refuse(op: number, error: unknown): void {
    answers.get(op)?.reject(error)
    answers.delete(op)
  }

  return {
    async tell(told) {
      said = []
      time = told.at
      happen(told)
      // All that follows from it are promises: a turn of the event loop sees them to their end.
      await new Promise((resolve) => setImmediate(resolve))
      const timers = [...wakes].map(([op, { at }]) => ({ op, at })).sort((a, b) => a.at - b.at || a.op - b.op)
      return { said, timers, face: { ...face, status: session?.state.status ?? 'loading' } }
    },
  }
}

/** `user.n` is the n-th refresh token of that user's session; an access token says when it was made. */
export const tokensOf = (user: string, refreshToken: number | null, access: string): Tokens => ({
  access_token: `${user}.access-${access}`,
  expires_in: 300,
  ...(refreshToken === null ? {} : { refresh_token: `${user}.${refreshToken}` }),
})

const isFailure = (answer: unknown): answer is Failure => typeof answer === 'object' && answer !== null && 'failure' in answer

function errorOf({ failure }: Failure): unknown {
  if (failure === 'refused') return new LatchkeyError('refresh_rejected', 'invalid_grant')
  return failure === 'cut-off' ? new TypeError('Failed to fetch') : new Error(failure)
}
