import { abortable } from './abortable.ts'
import { arrival } from './core/grant.ts'
import type { SessionRecord } from './core/record.ts'
import { open, reveal } from './core/secret.ts'
import { type Announcement, type Goal, keyOf, type Policy, type Want } from './core/state.ts'
import { left, type Moment, type Ms } from './core/time.ts'
import { readTokens, type SignInInput } from './core/tokens.ts'
import { fitting, freshUntil, type Need, type Verdict } from './core/verdict.ts'
import { type Audience, type Engine, startEngine } from './engine.ts'
import { isLatchkeyError, LatchkeyError } from './errors.ts'
import { diagnosticOf, type SessionEnd, type SessionEvents } from './events.ts'
import type { StepUpChallenge } from './fetch/challenge.ts'
import { matcher, type Target } from './fetch/destinations.ts'
import { type Grip, sessionFetch } from './fetch/session-fetch.ts'
import { createListeners } from './listeners.ts'
import type { Settings } from './options.ts'
import type { Ports, RefreshFunction, RefreshRequest } from './ports.ts'
import { serverOf } from './server.ts'
import type { GetTokenOptions, RefreshOptions, Session, SignInOptions, SignOutOptions } from './session.ts'
import { loading, type SessionState, snapshotOf, unavailable } from './snapshot.ts'
import { type IsMoot, oneAtATime } from './step-up.ts'

/** Starts a session on the ports it is given: the browser's, or simulated ones. */
export function startSession(settings: Settings, ports: Ports): Session {
  const { clock, random } = ports
  const { targets, refresher, name, keepFresh, refreshTimeout, limits, onStepUp } = settings
  const policy: Policy = {
    owner: random.id(),
    issuer: refresher.id,
    keepFresh,
    refreshTimeout,
    cookie: refresher.presents === 'cookie',
    retryUnanswered: refresher.retryUnanswered ?? true,
    lookEvery: ports.peers.audible ? 30_000 : 2_000,
    unjudged: limits ? 2_000 : Infinity,
  }
  const tokenless = policy.cookie && refresher.send !== undefined
  const listeners = createListeners(ports.report)
  const match = matcher(targets, ports.base)
  const sealedBefore = new WeakMap<object, Promise<void>>()
  const grips = new Map<string, { readonly grip: Grip; readonly until: Moment }>()
  let snapshot: SessionState = loading
  let lastEnd: SessionEnd | null = null
  let lastCause: unknown
  let asking = false
  let bond: Bond | null = null
  let recheck: () => void = () => {}
  const ask = oneAtATime(put, clock)
  let isReady = (_: SessionState) => {}
  const ready = new Promise<SessionState>((resolve) => {
    isReady = resolve
  })

  // An answer stays of use for a minute after it was due: it is kept, or revoked (protocol, rule 6).
  const server = serverOf(refresher, refreshing, tokenless, ports.fetch, refreshTimeout + 60_000, (cause) => {
    lastCause = cause
  })
  const audience: Audience = {
    announced,
    changed(state) {
      grips.clear()
      const { kind, record } = state.held
      // Who signs in again is the same user still: what is on its way is theirs.
      if (bond?.subject && kind === 'signed-in' && record.subject === bond.subject) bond.session = record.session
      if (bond && (kind !== 'signed-in' || record.session !== bond.session)) {
        bond.over.abort(ended(record, bond.session, lastCause))
        bond = null
      }
      if (kind === 'signed-in' && !record.retry) lastCause = undefined
      const last = snapshot
      snapshot = snapshotOf(state, last, lastCause)
      if (snapshot === last) return
      if (kind === 'signed-in' && !record.retry) refresher.prepare?.(ports.fetch)
      listeners.deliver('state', snapshot)
    },
    happened(fact, state) {
      if (listeners.has('diagnostic')) listeners.deliver('diagnostic', diagnosticOf(fact, state, clock.now().wall, policy.owner))
    },
    expiring(event) {
      listeners.deliver('expiring', event)
      listeners.flush()
    },
    settled() {
      if (snapshot.status !== 'loading') isReady(snapshot)
      listeners.flush()
      recheck()
    },
  }
  const engine: Engine = startEngine(ports, server, policy, `latchkey:${name}`, audience, limits)
  ready.then(clock.wakeAt(clock.now().wall + refreshTimeout + 2_000, () => isReady(snapshot)))

  function announced({ type, record, by }: Announcement): void {
    const { session: sessionId, subject } = record
    if (type === 'ended') {
      const end = Object.freeze({ sessionId, subject, reason: record.reason, endedAt: record.endedAt, answerLost: record.answerLost, by })
      lastEnd = end
      if (record.binding) refresher.forget?.(record.binding)
      listeners.deliver('ended', end)
      if (end.reason !== 'signed-out') listeners.deliver('expired', end)
    } else if (type === 'refreshed') {
      listeners.deliver(type, Object.freeze({ sessionId, expiresAt: snapshot.status === 'signed-in' ? snapshot.expiresAt : null, by }))
    } else {
      lastEnd = null
      listeners.deliver(type, Object.freeze({ sessionId, subject, by }))
    }
  }

  /** The app's function, and whether it is being called just now. */
  function refreshing(request: RefreshRequest): ReturnType<RefreshFunction> {
    asking = true
    try {
      return refresher.refresh(request)
    } finally {
      asking = false
    }
  }

  /** The token that `found` grants, or the error that it means. */
  function gripOf(found: Verdict): Grip {
    switch (found.type) {
      case 'token':
        // Between the verdict and this line a microtask may have ended the session (F67).
        if (sessionNow() !== found.session) throw ended(engine.state().held.record, found.session, lastCause)
        bond ??= { session: found.session, subject: engine.state().held.record?.subject, over: new AbortController() }
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
        throw ended(found.end, found.end?.session, lastCause)
      case 'unavailable':
        throw unavailable(found.retryAt, found.cause ?? lastCause)
      case 'closed':
        throw new LatchkeyError(
          'closed',
          'This session object was closed and sends nothing more. The session itself stays: createSession opens it anew.',
        )
    }
  }

  const sessionNow = (): string | null => {
    const { held } = engine.state()
    return held.kind === 'signed-in' ? held.record.session : null
  }

  const need = (want: Want, from: number, minValidity?: Ms): Need => ({ ...want, from, minValidity, session: sessionNow() })

  /** In the same tick if there is a fresh token in memory: no await, no store, no lock. */
  function take(want: Want, key: string, signal: AbortSignal | null, minValidity?: Ms): Grip | Promise<Grip> {
    const known = minValidity === undefined ? grips.get(key) : undefined
    if (known && left(known.until, clock.now()) > 0) return known.grip
    const found = engine.obtain(need(want, 0, minValidity))
    if (found instanceof Promise) return abortable(found, signal).then(gripOf)
    const grip = gripOf(found)
    // Due, and still good: it goes out, and its successor is asked for beside it.
    if (found.type === 'token' && found.due) engine.feed({ type: 'token-needed', goal: { ...want, from: grip.generation }, waiting: false })
    else grips.set(key, { grip, until: freshUntil(engine.state(), want) })
    return grip
  }

  const session: Session = {
    get state() {
      return snapshot
    },
    ready,
    subscribe(listener) {
      listeners.call(listener, snapshot)
      return listeners.add('state', listener)
    },
    on,
    onSessionExpired: (listener) => on('expired', listener),
    onSessionEnded: (listener) => on('ended', listener),
    signIn,
    signOut,
    refresh,
    fetch: sessionFetch(match, { take: takeFor, instead, stepUp: onStepUp ? stepUp : undefined }, ports.fetch, refresher.send),
    getToken,
    destinationOf: (url) => match(url)?.entry ?? null,
    extend: engine.extend,
    close: engine.close,
  }
  return Object.freeze(session)

  function on<Type extends keyof SessionEvents>(type: Type, listener: (event: SessionEvents[Type]) => void): () => void {
    const missed = type === 'ended' || (type === 'expired' && lastEnd?.reason !== 'signed-out') ? lastEnd : null
    if (missed) listeners.call(listener as (end: SessionEnd) => void, missed) // both of these types carry a SessionEnd
    return listeners.add(type, listener)
  }

  function takeFor(target: Target, signal: AbortSignal | null): Grip | null | Promise<Grip | null> {
    if (asking) return null // the refresh function's own request: waiting for a token it would wait for itself (F56)
    const { want, key, whenSignedOut } = target
    const otherwise = (error: unknown) => {
      if (whenSignedOut === 'send' && isLatchkeyError(error, 'signed_out')) return null
      return hold(target, signal, error)
    }
    try {
      const grip = take(want, key, signal)
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
    const found = await abortable(engine.obtain({ ...want, from: 0, session: null, after: record }), signal)
    if (found.type === 'unavailable') throw error
    return gripOf(found)
  }

  /** Generations are compared within one session only (protocol, rule 1). */
  function laterThan({ session, generation }: Grip, { want }: Target): Goal {
    return { ...want, from: session === sessionNow() ? generation : 0 }
  }

  async function instead(target: Target, refused: Grip, invalid: boolean, signal: AbortSignal | null): Promise<Grip | null> {
    const goal = laterThan(refused, target)
    engine.feed({ type: 'token-refused', goal, invalid })
    if (!engine.state().refreshing && !fitting(engine.state(), goal, clock.now())) return null
    return another(target, refused, signal)
  }

  /** A later one of the same user. */
  async function another(target: Target, refused: Grip, signal: AbortSignal | null): Promise<Grip | null> {
    if (refused.signal.aborted) return hold(target, signal, refused.signal.reason)
    const found = await abortable(engine.obtain({ ...laterThan(refused, target), session: sessionNow() }), signal)
    if (found.type === 'unavailable') return null
    if (found.type === 'ended' && !refused.signal.aborted) return another(target, refused, signal) // who has signed in meanwhile is the same user
    try {
      return gripOf(found)
    } catch (error) {
      return hold(target, signal, error)
    }
  }

  /** What counts is that there is a later token of this user: from the app, from another tab, or because the app has refreshed. */
  async function stepUp(target: Target, refused: Grip, challenge: StepUpChallenge, signal: AbortSignal | null): Promise<Grip | null> {
    const isMoot = () => engine.state().closed || sessionNow() !== refused.session
    if (!isMoot()) await abortable(ask(engine.state().held.record?.subject, challenge, isMoot), signal)
    const isLater = isMoot() || fitting(engine.state(), laterThan(refused, target), clock.now())
    return isLater ? another(target, refused, signal) : null
  }

  /** Until the app has answered; or the session has ended, or somebody has signed in: then the answer is of no use any more. */
  function put(challenge: StepUpChallenge, isMoot: IsMoot): Promise<unknown> {
    return new Promise((resolve) => {
      recheck = () => isMoot() && resolve(null)
      Promise.resolve(challenge)
        .then(onStepUp)
        // This tab may have slept, or missed the end: it looks before it acts (protocol, rule 10).
        .then((given) => given && engine.look().then(() => (isMoot() ? null : signIn(given))))
        .catch(ports.report)
        .then(resolve)
    })
  }

  async function getToken({ resource, scope, minValidity, signal }: GetTokenOptions = {}): Promise<string> {
    if (tokenless) throw new TypeError('This session keeps no token in the browser. Use session.fetch.')
    if (minValidity !== undefined && !(minValidity >= 0 && minValidity < Infinity))
      throw new TypeError('`minValidity` must be a span in ms.')
    const want = { resource: resource ?? null, scope: scope ?? null }
    const key = keyOf(want)
    if (key && targets.every((target) => target.key !== key))
      throw new TypeError('No destination of `attachTo` names this `resource` with this `scope`.')
    if (asking) askedItself()
    const grip = take(want, key, signal ?? null, minValidity)
    return (grip instanceof Promise ? await grip : grip).token
  }

  async function refresh({ insteadOf, signal }: RefreshOptions = {}): Promise<void> {
    if (asking) askedItself()
    if (snapshot.status === 'loading') await abortable(ready, signal)
    const { record } = engine.state().held
    const access = Object.entries(record?.status === 'active' ? record.grant.access : {})
    const [key, token] = access.find(([name, it]) => (insteadOf === undefined ? name === '' : reveal(it.token) === insteadOf)) ?? []
    if (insteadOf !== undefined && access.length > 0 && !token) return // it is in use no more
    const want = targets.find((target) => target.key === key)?.want ?? own
    const goal: Need = { ...need(want, token?.generation ?? 0), asks: policy.cookie }
    const begun = clock.now().wall
    engine.feed({ type: 'token-needed', goal, waiting: true })
    const found = await abortable(engine.obtain(goal), signal)
    if (policy.cookie && insteadOf === undefined) {
      // What was asked before this call, here or in another tab, knows nothing of a login since (F10): it is asked once more.
      const isRefused = found.type === 'ended' && found.end?.reason === 'rejected'
      if (isRefused) await engine.obtain({ ...goal, session: null }) // until that run is over
      const isOld = found.type === 'token' && found.session === sessionNow() && (found.token.life?.from ?? begun) < begun
      if (isRefused || isOld) return refresh({ signal }).catch(() => void gripOf(found)) // as before, if nobody knows better
    }
    gripOf(found)
  }

  async function signIn(input: SignInInput, { subject }: SignInOptions = {}): Promise<void> {
    if (engine.state().closed) gripOf({ type: 'closed' })
    if (subject !== undefined && typeof subject !== 'string') throw new TypeError('`subject` must be a text.')
    const issued = readTokens(input)
    const before = open(input) ? sealedBefore.get(input) : undefined
    if (before) return before
    const who = (refresher.isSameUser && issued.subject) || subject // it will be asked about the name that ID tokens have for the user
    const generation = (engine.state().held.record?.generation ?? 0) + 1
    const seen = engine.signIn(arrival(random.id(), generation, who ?? null, policy.issuer, issued, issued.sent ?? clock.now()))
    if (open(input)) sealedBefore.set(input, seen)
    return seen
  }

  async function signOut(options?: SignOutOptions): Promise<{ readonly revoked: boolean }> {
    const given = options?.reason
    const reason = given === 'revoked' || given === 'incident' ? given : 'signed-out'
    if (snapshot.status === 'loading') await ready
    return { revoked: await engine.signOut(reason) } // an answer that is still on its way is revoked, too
  }
}

/** What ties requests to the session that they were sent under. */
interface Bond {
  session: string
  readonly subject: string | null | undefined
  readonly over: AbortController
}

const own: Want = { resource: null, scope: null }

/** It would wait for itself (F56). */
function askedItself(): never {
  throw new LatchkeyError(
    'refresh_unavailable',
    'The refresh function asked for the token that it is to bring. Use the refresh token that it is given.',
  )
}

/** For a call of `session`, when `held` is what there is instead. */
function ended(held: SessionRecord | null, session: string | undefined, lastCause: unknown): LatchkeyError {
  const reason = held?.status === 'ended' && held.session === session ? held.reason : 'user-changed'
  const message = `The session ended (${reason}) before this call was done. The app has been told by onSessionEnded; there is nothing to do here.`
  return new LatchkeyError('session_ended', message, { reason, cause: reason === 'rejected' ? lastCause : undefined })
}
