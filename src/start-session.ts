import { abortable } from './abortable.ts'
import { arrival } from './core/grant.ts'
import { open, reveal } from './core/secret.ts'
import { type Goal, keyOf, ownerIn, ownToken, type Policy, type Want } from './core/state.ts'
import { readTokens, type SignInInput } from './core/tokens.ts'
import type { Need } from './core/verdict.ts'
import { type Audience, startEngine } from './engine.ts'
import { LatchkeyError } from './errors.ts'
import type { StepUpChallenge } from './fetch/challenge.ts'
import { matcher } from './fetch/destinations.ts'
import { sessionFetch } from './fetch/session-fetch.ts'
import { startLending } from './lending.ts'
import type { Settings } from './options.ts'
import type { Ports, RefreshFunction, RefreshRequest } from './ports.ts'
import { serverOf } from './server.ts'
import type { GetTokenOptions, RefreshOptions, Session, SignInOptions, SignOutOptions } from './session.ts'
import { stepUps } from './step-up.ts'
import { startTelling } from './telling.ts'

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
  const match = matcher(targets, ports.base)
  const sealedBefore = new WeakMap<object, Promise<void>>()
  let asking = false
  let arrived = false // somebody, by `signIn`

  const telling = startTelling(ports, policy)
  // An answer stays of use for a minute after it was due: it is kept, or revoked (protocol, rule 6).
  const server = serverOf(refresher, refreshing, tokenless, ports.fetch, refreshTimeout + 60_000, telling.failed, ports.report)
  const audience: Audience = {
    ...telling,
    changed(state) {
      const { kind, record } = state.held
      lending.changed(state)
      telling.changed(state)
      if (kind === 'signed-in' && !record.retry) server.prepare()
    },
    announced(news) {
      telling.announced(news)
      if (news.type === 'ended') server.forget(news.record) // the strategy may sign in anew: after the end, not before it (F74)
    },
    settled() {
      telling.settled()
      asked?.recheck()
    },
  }
  const engine = startEngine(ports, server, policy, `latchkey:${name}`, audience, limits)
  const asked = onStepUp && stepUps(put, clock)
  const lending = startLending(engine, clock, telling.cause, asked)
  const { lend, gripOf } = lending

  const session: Session = {
    get state() {
      return telling.shown()
    },
    ready: telling.ready,
    subscribe: telling.subscribe,
    on: telling.on,
    onSessionExpired: (listener) => telling.on('expired', listener),
    onSessionEnded: (listener) => telling.on('ended', listener),
    signIn,
    signOut,
    refresh,
    // The refresh function's own request goes without: waiting for a token it would wait for itself (F56).
    fetch: sessionFetch(
      match,
      { ...lending, take: (target, signal) => (asking ? null : lending.take(target, signal)) },
      ports.fetch,
      refresher.send,
    ),
    getToken,
    destinationOf: (url) => match(url)?.target.entry ?? null,
    extend: engine.extend,
    close: engine.close,
  }
  return Object.freeze(session)

  /** The app's function, and whether it is being called just now. */
  function refreshing(request: RefreshRequest): ReturnType<RefreshFunction> {
    asking = true
    try {
      return refresher.refresh(request)
    } finally {
      asking = false
    }
  }

  /** An API demands a stronger sign-in. */
  function put(challenge: StepUpChallenge, isMoot: () => boolean): Promise<unknown> {
    return (
      Promise.resolve(challenge)
        .then(onStepUp)
        // This tab may have slept, or missed the end: it looks before it acts (protocol, rule 10).
        .then((given) => given && engine.look().then(() => (isMoot() ? null : signIn(given))))
        .catch(ports.report)
    )
  }

  async function getToken(options?: GetTokenOptions): Promise<string> {
    const { resource, scope, minValidity, signal } = options ?? {}
    if (tokenless) throw new TypeError('This session keeps no token in the browser. Use session.fetch.')
    if (minValidity !== undefined && !(Number.isFinite(minValidity) && minValidity >= 0))
      throw new TypeError('`minValidity` must be a span in ms.')
    const want = { resource: resource ?? null, scope: scope ?? null }
    const key = keyOf(want)
    if (key && targets.every((target) => target.key !== key))
      throw new TypeError('No destination of `attachTo` names this `resource` with this `scope`.')
    if (asking) askedItself()
    const grip = lend({ want, key }, signal ?? null, minValidity)
    return (grip instanceof Promise ? await grip : grip).token
  }

  async function refresh(options?: RefreshOptions): Promise<void> {
    const { insteadOf, signal } = options ?? {}
    if (asking) askedItself()
    if (telling.shown().status === 'loading') await abortable(telling.ready, signal)
    const { record } = engine.state().held
    const access = record?.status === 'active' ? record.grant.access : {}
    const later = (want: Want, key: string) => renew({ ...want, from: access[key]?.generation ?? 0 }, insteadOf === undefined, signal)
    if (insteadOf === undefined) {
      // What has changed for the user has changed at every API; one that is refused now keeps no other from its new token.
      const renewals = [later(ownToken, '')]
      for (const { want, key } of targets) if (key && access[key]) renewals.push(later(want, key))
      await Promise.allSettled(renewals)
      return void (await Promise.all(renewals))
    }
    const [key, token] = Object.entries(access).find(([, it]) => reveal(it.token) === insteadOf) ?? ['']
    if (token || record?.status !== 'active') await later(targets.find((target) => target.key === key)?.want ?? ownToken, key) // else it is in use no more
  }

  /** `afresh`: not without asking the server. */
  async function renew(goal: Goal, afresh: boolean, signal: AbortSignal | undefined): Promise<void> {
    if (policy.cookie) await abortable(engine.look(), signal) // who has slept asks no server before that
    const need: Need = { ...goal, ...ownerIn(engine.state()), asks: policy.cookie }
    const begun = clock.now().wall
    const joins = engine.state().refreshing
    engine.feed({ type: 'token-needed', goal, waiting: true })
    const found = await abortable(engine.obtain(need), signal)
    if (policy.cookie && afresh) {
      // What was asked before this call, here or in another tab, knows nothing of a login since (F10): it is asked once more.
      const isRefused =
        found.type === 'ended' ? /^(rejected|refresh-expired)$/.test(found.end?.reason ?? '') : joins && found.type === 'signed-out'
      if (isRefused) await abortable(engine.obtain({ ...need, session: null }), signal) // until that run is over
      const isOld = found.type === 'token' && found.session === ownerIn(engine.state()).session && (found.token.life?.from ?? begun) < begun
      if (isRefused || isOld)
        return refresh({ signal }).catch((error) => {
          if (signal?.aborted || engine.state().closed) throw error
          gripOf(found) // as before, if nobody knows better
        })
    }
    gripOf(found)
  }

  async function signIn(input: SignInInput, options?: SignInOptions): Promise<void> {
    const subject = options?.subject
    if (engine.state().closed) gripOf({ type: 'closed' })
    if (subject !== undefined && typeof subject !== 'string') throw new TypeError('`subject` must be a text.')
    const issued = readTokens(input)
    const sealedIn = open(input) as { readonly session?: string } | undefined
    const before = sealedIn && sealedBefore.get(input)
    if (before) return before
    // In whatever session object a sealed sign-in is given again, it is the session that it was.
    const session = sealedIn?.session ?? random.id()
    const known = engine.state().held.record
    if (known?.session === session) return
    const who = (refresher.isSameUser && issued.subject) || subject // it will be asked about the name that ID tokens have for the user
    const seen = engine.signIn(arrival(session, (known?.generation ?? 0) + 1, who ?? null, policy.issuer, issued, clock.now()))
    arrived = true
    if (sealedIn) sealedBefore.set(input, seen)
    return seen
  }

  async function signOut(options?: SignOutOptions): Promise<{ readonly revoked: boolean }> {
    const given = options?.reason
    const reason = given === 'revoked' || given === 'incident' ? given : 'signed-out'
    if (telling.shown().status === 'loading') {
      await telling.ready
      if (!engine.state().held.record) await engine.look() // the store may only have been slow
      if (arrived) return { revoked: false } // after this call, and in the place of whoever was there
    }
    return { revoked: await engine.signOut(reason) } // an answer that is still on its way is revoked, too
  }
}

/** It would wait for itself (F56). */
function askedItself(): never {
  throw new LatchkeyError(
    'refresh_unavailable',
    'The refresh function asked for the token that it is to bring. Use the refresh token that it is given.',
  )
}
