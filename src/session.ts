import type { SignInInput } from './core/tokens.ts'
import type { SessionEnd, SessionEvents } from './events.ts'
import type { Destination } from './fetch/destinations.ts'
import type { SessionState } from './snapshot.ts'

/** A signed-in session, or the absence of one. A frozen object of functions; holds no readable secret. */
export interface Session {
  /** The state now: immutable, without secrets, the same object until something changes. */
  readonly state: SessionState

  /**
   * Resolves once the stored session has been read, with the state as it is then; from then on look at {@link Session.state}. Within 2 s
   * from a store; where the server must be asked (cookies) within `refreshTimeout` and 2 s, and with `loading` if it could not say. Never
   * rejects. On a server resolves at once, with `loading`.
   * @example
   * ```ts
   * await session.ready
   * if (session.state.status === 'signed-out') location.assign('/login')
   * ```
   */
  readonly ready: Promise<SessionState>

  /**
   * Calls `listener` with the state now, before it returns, and after every change. Fits `useSyncExternalStore`, Svelte's
   * store contract (`$session`) and signals as it is. One listener's exception is reported and stops no other.
   * @returns the undo
   */
  readonly subscribe: (listener: (state: SessionState) => void) => () => void

  /**
   * Listens to one kind of event; see {@link SessionEvents}. A listener may call any method.
   * @returns the undo
   * @example
   * ```ts
   * session.on('expiring', ({ endsAt }) => showCountdown(endsAt, session.extend))
   * ```
   */
  readonly on: <Type extends keyof SessionEvents>(type: Type, listener: (event: SessionEvents[Type]) => void) => () => void

  /**
   * The user did not ask for it: calls `listener` once per end with any reason but `signed-out`, in every tab. A listener
   * that comes late hears of an end this page lived through and that no sign-in has followed. Same as `on('expired', …)`.
   * After `user-changed` somebody is signed in: {@link Session.state} says so by then.
   * @example
   * ```ts
   * session.onSessionExpired(({ reason }) => session.state.status === 'signed-out' && showLogin(reason))
   * ```
   */
  readonly onSessionExpired: (listener: (end: SessionEnd) => void) => () => void

  /** As {@link Session.onSessionExpired}, for every end, `signed-out` included: the place to clear caches. Same as `on('ended', …)`. */
  readonly onSessionEnded: (listener: (end: SessionEnd) => void) => () => void

  /**
   * Starts a session from what the login answered, in all tabs. One that is there ends, `user-changed`, unless both have the
   * same subject (unknown counts as different); then what it had is not revoked, as a server may revoke all that the user has with it (RFC 7009 §2.1). Requests may use it from the moment of the call; the promise resolves when other tabs can see it. The same sealed
   * sign-in twice is once.
   * @throws TypeError (a rejection) naming the field that is missing or malformed, never its value.
   * @throws LatchkeyError `closed`
   * @example
   * ```ts
   * const response = await fetch('/login', { method: 'POST', body })
   * await session.signIn(await response.json())
   * ```
   */
  readonly signIn: (input: SignInInput, options?: SignInOptions) => Promise<void>

  /**
   * Ends the session in all tabs. Here it is over before the call returns (while `loading`, as soon as that is over, unless somebody has signed in here by then): tokens erased, waiting and running requests
   * rejected. The promise is about the server: has it confirmed that the tokens are revoked? A server that cannot for now is asked again for
   * 10 s; after that, and at once where it cannot be reached, this says `false`, and the asking goes on while the page lives, for half an hour. Never rejects, works offline, twice is once.
   * @example
   * ```ts
   * await session.signOut()
   * location.assign('/goodbye')
   * ```
   */
  readonly signOut: (options?: SignOutOptions) => Promise<{ readonly revoked: boolean }>

  /**
   * Asks for new tokens now, one for each resource and scope that there is one for, once for all tabs, joining a refresh in progress: after the user's rights changed, or, where
   * the server keeps the session in a cookie, after a login that only set that cookie. There, an answer to a question from before the call
   * is not enough, nor is one 401: the server is asked once more.
   * @throws LatchkeyError `signed_out`, `session_ended`, `refresh_unavailable`, `closed`
   * @example
   * ```ts
   * await upgradePlan()
   * await session.refresh()
   * ```
   */
  readonly refresh: (options?: RefreshOptions) => Promise<void>

  /**
   * `fetch`, plus the credential where it belongs. Every other request goes through untouched, as does one that carries its
   * own `Authorization`. After a 401 about the token: one refresh for all callers, one retry if the body can be sent again (not
   * a stream in the init, which flows once; of a Request with a body a copy is kept until then); a second 401 is the caller's, and so is one after a redirect to
   * another API, or of more than a GET or HEAD: the server that redirected may have done it (F63, F85). All of it is
   * read at the call, as by `fetch`. Never sets a deadline on the API's own answer. If the session ends while a body is being
   * read, reading it fails in the same way.
   *
   * Rejects with what `fetch` rejects with (network `TypeError`, the signal's reason), and for listed destinations with
   * @throws LatchkeyError `signed_out`: nobody is signed in; nothing was sent.
   * @throws LatchkeyError `session_ended`: the session went away while the request waited or ran; `reason` says why.
   * @throws LatchkeyError `refresh_unavailable`: token expired, none to be had yet (offline, server down); nothing was sent; `retryable`.
   * @throws LatchkeyError `closed`
   * @throws TypeError (a rejection) for `mode: 'no-cors'`, which cannot carry a credential.
   * @example
   * ```ts
   * const me = await session.fetch('https://api.example.com/me').then((r) => r.json())
   * ```
   */
  readonly fetch: typeof globalThis.fetch

  /**
   * A usable access token, for what is not fetch (sockets, gRPC). Prefer {@link Session.fetch}: a token in your hands is yours to leak. One that is
   * bound to a key (`latchkey/dpop`) is of no use without a proof, which only {@link Session.fetch} makes.
   * @throws LatchkeyError as {@link Session.fetch}; TypeError for a resource and scope that no destination names, or a session without tokens in the browser.
   * @example
   * ```ts
   * socket.send(JSON.stringify({ type: 'auth', token: await session.getToken() }))
   * ```
   */
  readonly getToken: (options?: GetTokenOptions) => Promise<string>

  /**
   * The entry of `attachTo` that `url` falls under, or `null`. For interceptors of clients that do not use fetch.
   * @example
   * ```ts
   * const to = session.destinationOf(config.url)
   * if (to) headers.set('Authorization', `Bearer ${await session.getToken(to)}`)
   * ```
   */
  readonly destinationOf: (url: string | URL) => Destination | null

  /** The user is here: counts as activity in all tabs. Does nothing without {@link SessionOptions.limits}, and where a limit is reached. */
  readonly extend: () => void

  /**
   * Releases timers, listeners, channel and locks of this instance; the session itself stays, for the other tabs and the next
   * page. Waiting calls reject with `closed`. Twice is once.
   * @example
   * ```ts
   * import.meta.hot?.dispose(session.close)
   * ```
   */
  readonly close: () => void
}

/** What {@link Session.signIn} may be told besides the tokens. */
export interface SignInOptions {
  /**
   * Who signed in, if there is no ID token: tells a return of the same user from a change of user. Not a secret; never sent anywhere. With
   * `latchkey/oauth` it must be the `sub` that the provider's ID tokens have.
   */
  readonly subject?: string | undefined
}

/** Why {@link Session.signOut} is called. */
export interface SignOutOptions {
  /** Anything but the default also reaches `onSessionExpired`: the user did not ask for it. @defaultValue `'signed-out'` */
  readonly reason?: 'signed-out' | 'revoked' | 'incident' | undefined
}

/** When {@link Session.refresh} has something to do, and how long its caller waits. */
export interface RefreshOptions {
  /** Only if the session still uses this token: what a client that saw a 401 itself passes, so that late 401s refresh nothing. */
  readonly insteadOf?: string | undefined
  /** Ends this call's wait, not the refresh, which belongs to everybody. */
  readonly signal?: AbortSignal | undefined
}

/** Which token {@link Session.getToken} gives, and how long its caller waits. */
export interface GetTokenOptions {
  /** As a {@link Destination} names it, and together with its `scope`: the destination itself will do. @defaultValue the session's own token */
  readonly resource?: string | undefined
  /** As that destination names it: of two that differ in nothing else, each has a token of its own. @defaultValue the destination names none */
  readonly scope?: string | undefined
  /** At least this long to live, in ms, but never more than half the token's life. @defaultValue `5_000`, or a tenth of a life under 50 s */
  readonly minValidity?: number | undefined
  /** Ends this call's wait, not the refresh. */
  readonly signal?: AbortSignal | undefined
}
