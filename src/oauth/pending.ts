import { browserClock } from '../adapters/clock.ts'
import { tabStorage } from '../adapters/tab-storage.ts'
import type { EpochMs, Ms } from '../core/time.ts'

/** A sign-in that has begun, as its answer will be judged. Its `state` is its name. */
export interface Pending {
  /** The provider's `id`: an answer of another one is not ours (RFC 9207, REQ-59). */
  readonly provider: string
  readonly verifier: string
  /** `null` where no ID token is asked for. */
  readonly nonce: string | null
  /** In seconds, or `null`. */
  readonly maxAge: number | null
  /** One of these will do; with none, anything will. */
  readonly acrValues: readonly string[]
  /** The API that wants it (RFC 9470), or `null`. */
  readonly stepUpFor: string | null
  /** The key that the code is bound to (RFC 9449 §10), or `null`. */
  readonly binding: string | null
  readonly redirectUri: string
  readonly returnTo: string
  readonly startedAt: EpochMs
}

/** Longest that a user may take at the provider. */
export const longestSignIn: Ms = 3_600_000

/** For this tab's next page. */
export function keepPending(state: string, pending: Pick<Pending, 'startedAt'>): void {
  for (const key of tabStorage.keys()) if (key.startsWith(prefix) && !alive(key)) tabStorage.remove(key)
  tabStorage.write(prefix + state, JSON.stringify(pending))
}

/** What was kept; and then it is kept no more (REQ-82). One of another provider is left alone: `'foreign'`. */
export function takePending(state: string, provider: string): Pending | 'foreign' | null {
  const pending = alive(prefix + state)
  if (pending && pending.provider !== provider) return 'foreign'
  if (pending) tabStorage.remove(prefix + state)
  if (pending?.stepUpFor) keepPending(pending.stepUpFor, { startedAt: browserClock.now().wall })
  return pending
}

/** Has this tab just come back from another one for that API? One that is never content would send its user to and fro (REQ-103). */
export function hasJustSteppedUp(api: string): boolean {
  const last = alive(prefix + api, stepUpRest)
  return last !== null && last.startedAt <= browserClock.now().wall // else the clock was set back since
}

function alive(key: string, longest = longestSignIn): Pending | null {
  try {
    const pending: Pending | null = JSON.parse(tabStorage.read(key) ?? 'null') // only this file writes there
    const age = browserClock.now().wall - (pending?.startedAt ?? 0)
    return age < longest ? pending : null
  } catch {
    return null
  }
}

const prefix = 'latchkey:sign-in:'

/** As long as between two questions on one page. */
const stepUpRest: Ms = 60_000
