import { abortable } from './abortable.ts'
import type { SessionRecord } from './core/record.ts'
import { reveal } from './core/secret.ts'
import { type Goal, isOf, ownerIn, type State } from './core/state.ts'
import { left, type Moment, type Ms } from './core/time.ts'
import { fitting, freshUntil, mustLook, type Verdict } from './core/verdict.ts'
import type { Engine } from './engine.ts'
import { isLatchkeyError, LatchkeyError } from './errors.ts'
import type { StepUpChallenge } from './fetch/challenge.ts'
import type { Target } from './fetch/destinations.ts'
import type { Grip, Grips } from './fetch/session-fetch.ts'
import type { Clock } from './ports.ts'
import { unavailable } from './snapshot.ts'
import type { StepUps } from './step-up.ts'

/** Lends the tokens of a session to requests, for as long as it is the session that they began under. */
export interface Lending extends Grips {
  /** In the same tick if there is a fresh token in memory: no await, no store, no lock. */
  readonly lend: (what: Pick<Target, 'want' | 'key'>, signal: AbortSignal | null, minValidity?: Ms) => Grip | Promise<Grip>
  /** @throws LatchkeyError: what `found` means, if it is no token */
  readonly gripOf: (found: Verdict) => Grip
  /** What was lent may be over. */
  readonly changed: (state: State) => void
}

/** What ties requests to the session that they were sent under. */
interface Bond {
  session: string
  readonly subject: string | null | undefined
  readonly over: AbortController
}

/** `cause`: what the last refresh failed with. `stepUps`: without it nobody is asked for a stronger sign-in. */
export function startLending(engine: Engine, { now }: Clock, cause: () => unknown, stepUps: StepUps | null): Lending {
  const grips = new Map<string, { readonly grip: Grip; readonly until: Moment }>()
  let bond: Bond | null = null

  return { lend, gripOf, changed, take, instead, stepUp: stepUps ? stepUp : undefined }

  function sessionNow(): string | null {
    return ownerIn(engine.state()).session
  }

  function changed({ held: { kind, record } }: State): void {
    grips.clear()
    // Who signs in again is the same user still: what is on its way is theirs.
    if (bond && record && isOf(record, bond)) Object.assign(bond, { session: record.session, subject: record.subject })
    if (bond && (kind !== 'signed-in' || record.session !== bond.session)) {
      bond.over.abort(ended(record, bond.session, cause()))
      bond = null
    }
  }

  function gripOf(found: Verdict): Grip {
    const { record } = engine.state().held
    switch (found.type) {
      case 'token':
        // Between the verdict and this line a microtask may have ended the session (F67); or its user has signed in anew.
        if (record?.status !== 'active' || !isOf(record, found)) throw ended(record, found.session, cause())
        bond ??= { session: record.session, over: new AbortController(), subject: record.subject }
        return {
          token: reveal(found.token.token),
          binding: found.token.binding ?? null,
          generation: found.token.generation,
          session: found.session,
          signal: bond.over.signal,
        }
      case 'signed-out':
        throw new LatchkeyError('signed_out', 'Nobody is signed in, so nothing was sent. Ask the user to sign in.')
      case 'ended':
        throw ended(found.end, found.end?.session, cause())
      case 'unavailable':
        throw unavailable(found.retryAt, found.cause ?? cause())
      case 'closed':
        throw new LatchkeyError(
          'closed',
          'This session object was closed and sends nothing more. The session itself stays: createSession opens it anew.',
        )
    }
  }

  function lend({ want, key }: Pick<Target, 'want' | 'key'>, signal: AbortSignal | null, minValidity?: Ms): Grip | Promise<Grip> {
    const known = minValidity === undefined ? grips.get(key) : undefined
    if (known && left(known.until, now()) > 0) return known.grip
    const found = engine.obtain({ ...want, from: 0, minValidity, ...ownerIn(engine.state()) })
    if (found instanceof Promise) return abortable(found, signal).then(gripOf)
    const grip = gripOf(found)
    // Due, and still good: it goes out, and its successor is asked for beside it.
    if (found.type === 'token' && found.due) engine.feed({ type: 'token-needed', goal: { ...want, from: grip.generation }, waiting: false })
    else grips.set(key, { grip, until: freshUntil(engine.state(), want) })
    return grip
  }

  function take(target: Target, signal: AbortSignal | null): Grip | null | Promise<Grip | null> {
    const otherwise = (error: unknown) => {
      signal?.throwIfAborted()
      if (target.whenSignedOut === 'send' && isLatchkeyError(error, 'signed_out')) return null
      return hold(target, signal, error)
    }
    try {
      const grip = lend(target, signal)
      return grip instanceof Promise ? grip.catch(otherwise) : grip
    } catch (error) {
      return otherwise(error)
    }
  }

  /** After an end that the user did not ask for, a request may wait for the same user to come back (F84). */
  async function hold({ want, whenSignedOut }: Target, signal: AbortSignal | null, error: unknown): Promise<Grip> {
    const { record } = engine.state().held
    if (whenSignedOut !== 'hold' || !isLatchkeyError(error) || record?.status !== 'ended' || record.reason === 'signed-out') throw error
    if (error.reason === 'user-changed') throw error // that end is somebody else's, whom this is not for (F10)
    const found = await abortable(
      engine.obtain({ ...want, from: 0, session: record.session, subject: record.subject, isHeld: true }),
      signal,
    )
    if (found.type === 'unavailable' && !sessionNow()) throw error
    return gripOf(found)
  }

  /** Generations are compared within one session only (protocol, rule 1). */
  function laterThan({ session, generation }: Grip, { want }: Target): Goal {
    return { ...want, from: session === sessionNow() ? generation : 0 }
  }

  async function instead(target: Target, refused: Grip, invalid: boolean, signal: AbortSignal | null): Promise<Grip | null> {
    if (mustLook(engine.state(), now())) await abortable(engine.look(), signal) // it has slept while the call was on its way
    if (refused.signal.aborted) return another(target, refused, signal)
    const goal = laterThan(refused, target)
    engine.feed({ type: 'token-refused', goal, invalid })
    if (!engine.state().refreshing && !fitting(engine.state(), goal, now())) return null
    return another(target, refused, signal)
  }

  /** A later one of the same user. */
  async function another(target: Target, refused: Grip, signal: AbortSignal | null): Promise<Grip | null> {
    if (refused.signal.aborted) return hold(target, signal, refused.signal.reason)
    const found = await abortable(engine.obtain({ ...laterThan(refused, target), ...ownerIn(engine.state()) }), signal)
    if (found.type === 'unavailable') return null
    try {
      return gripOf(found)
    } catch (error) {
      return hold(target, signal, error)
    }
  }

  /** What counts is that there is a later token of this user: from the app, from another tab, or because the app has refreshed. */
  async function stepUp(target: Target, refused: Grip, challenge: StepUpChallenge, signal: AbortSignal | null): Promise<Grip | null> {
    const isMoot = () => engine.state().closed || sessionNow() !== refused.session
    if (!isMoot()) await abortable(stepUps?.ask(engine.state().held.record?.subject, challenge, isMoot), signal)
    const isLater = isMoot() || fitting(engine.state(), laterThan(refused, target), now())
    return isLater ? another(target, refused, signal) : null
  }
}

/** For a call of `session`, when `held` is what there is instead. */
function ended(held: SessionRecord | null, session: string | undefined, lastCause: unknown): LatchkeyError {
  const reason = held?.status === 'ended' && held.session === session ? held.reason : 'user-changed'
  const message = `The session ended (${reason}) before this call was done. The app has been told by onSessionEnded; there is nothing to do here.`
  return new LatchkeyError('session_ended', message, { reason, cause: reason === 'rejected' ? lastCause : undefined })
}
