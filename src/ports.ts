import type { News, PageSignal } from './core/state.ts'
import type { EpochMs, Moment } from './core/time.ts'
import type { TokenResponse, Tokens } from './core/tokens.ts'

/** The outside world, on one page. `adapters/` has it from the browser, `testing/` simulates it. */
export interface Ports {
  readonly clock: Clock
  readonly store: Store
  readonly lock: Lock
  readonly peers: Peers
  readonly page: Page
  readonly random: Random
  /** The fetch underneath. */
  readonly fetch: typeof globalThis.fetch
  /** Where a listener's exception goes: it is the app's, and must not stop anybody else. */
  readonly report: (error: unknown) => void
  /** What relative URLs are relative to, or `null` where there is no page. */
  readonly base: () => string | null
}

/** Time, and being woken. */
export interface Clock {
  readonly now: () => Moment
  /** Calls `wake` at that moment of the wall clock or after as much running time, whatever comes first: after sleep and throttling too, and however far off. */
  readonly wakeAt: (at: EpochMs, wake: () => void) => () => void
}

/**
 * A place for records. Strings in, strings out; they hold secrets, so seal them unless the place does.
 * Prove your own with `storeContract` of `latchkey/testing`.
 * @example
 * ```ts
 * const store: Store = {
 *   read: (key) => Preferences.get({ key }).then(({ value }) => value),
 *   replace: (key, expected, next) => serially(async () => {
 *     if ((await Preferences.get({ key })).value !== expected) return false
 *     await (next === null ? Preferences.remove({ key }) : Preferences.set({ key, value: next }))
 *     return true
 *   }),
 * }
 * ```
 */
export interface Store {
  /** The record, or `null`. May reject or be slow; after 2 s the session goes on from memory. */
  readonly read: (key: string) => Promise<string | null>
  /**
   * Writes `next` (`null` removes) if the record still is `expected`, as one step that no other tab can come between. Resolves with whether it did.
   * `until`: after that nobody needs the record, and the store may erase it.
   */
  readonly replace: (key: string, expected: string | null, next: string | null, until?: EpochMs) => Promise<boolean>
}

/** Makes refreshing orderly, not safe: that is the record's part. */
export interface Lock {
  /**
   * Resolves, once no other tab holds the lock, with what lets it go again; it is free at once when its tab is gone.
   * Rejects when `signal` aborts, and where there are no locks.
   */
  readonly acquire: (signal: AbortSignal) => Promise<() => void>
}

/** Nudges between the tabs of a session. They may be lost, late or doubled. */
export interface Peers {
  readonly tell: (news: News) => void
  readonly listen: (hear: (news: News) => void) => () => void
  /** Can it be heard at all? If not, tabs look more often. */
  readonly audible: boolean
}

/** Whether somebody looks at this page, and what befalls it. */
export interface Page {
  /** `null` while the page is being rendered ahead of a visit that may never come. */
  readonly visible: () => boolean | null
  readonly listen: (notice: (signal: PageSignal) => void) => () => void
}

/** Chance. */
export interface Random {
  /** Evenly spread over [0, 1). */
  readonly chance: () => number
  /** 128 bits. */
  readonly id: () => string
}

/**
 * Gets new tokens. Return tokens in either spelling, or the server's `Response`. Throw anything: the session stays and tries
 * again with growing pauses. Throw `new LatchkeyError('refresh_rejected', …)`: the session ends, reason `rejected`. Throw
 * `new LatchkeyError('refresh_unavailable', …)` where a `resource` or `scope` was refused, and nothing else: the tab does not ask for that
 * one for a minute, and its callers find your error as `cause`; everything else goes on.
 * Called once for all tabs; use plain `fetch`, not `session.fetch`.
 */
export type RefreshFunction = (request: RefreshRequest) => Promise<TokenResponse | Tokens | Response>

/** What a refresh function is given. */
export interface RefreshRequest {
  /** To be presented to the server, and to nobody else. `null` where the server keeps it in a cookie. */
  readonly refreshToken: string | null
  /** For which resource; `null`: the session's own token. */
  readonly resource: string | null
  /** With which scope, space-separated; `null`: what the sign-in granted. */
  readonly scope: string | null
  /** Aborts a minute after `refreshTimeout`: until then a late answer is still of use, to be stored or to be revoked. */
  readonly signal: AbortSignal
  /** The session's fetch underneath. */
  readonly fetch: typeof globalThis.fetch
  /** What the strategy has to know of this session (DPoP: the thumbprint of the key that its refresh token is bound to), or `null`. */
  readonly binding: string | null
}

/** A strategy: a refresh function and what belongs to it. Write one only to add revocation or a credential of another kind. */
export interface Refresher {
  readonly refresh: RefreshFunction
  /** Who the refresh token is for. A stored session of another `id` is never sent here. */
  readonly id: string
  /** What a refresh presents. With `cookie`, a start without a stored session asks the server once. @defaultValue `'refresh-token'` */
  readonly presents?: 'refresh-token' | 'cookie' | undefined
  /**
   * After a time-out, present the same refresh token once more, at once: catches a server's grace window. (After a broken connection it is
   * presented again in any case.) Turn it off for a server that is
   * known to rotate strictly and to be slow, where the second presentation is what ends the session.
   * @defaultValue `true`
   */
  readonly retryUnanswered?: boolean | undefined
  /**
   * Is what `refresh` has returned still for this user? If not, its refresh token is stored, its access token never used, and the session
   * ends, `user-changed`. One that throws has not said no. `subject`: who signed in, as far as known.
   * @defaultValue nobody asks
   */
  readonly isSameUser?: ((returned: TokenResponse | Tokens | Response, subject: string | null) => boolean) | undefined
  /** Somebody is signed in: what a refresh or a sign-out needs can be had now. A page that is being left waits for nothing. Called with every new state. */
  readonly prepare?: ((fetch: typeof globalThis.fetch) => void) | undefined
  /**
   * Tells the server that the session is over. Send it with `keepalive`. Throw what it has answered if that is not yes, or what `fetch` has thrown:
   * after no answer, 429 and 5xx it is called again, a dozen times at most, while the page lives (RFC 7009 §2.2.1). Anything else is final.
   */
  readonly revoke?: ((request: RevokeRequest) => Promise<void>) | undefined
  /**
   * Sends one request with the credential: DPoP, cookies with CSRF. With it and a cookie, no token is in the browser: a refresh then answers
   * `{ expires_in, sub? }` (return the `Response`), and tokens that come along are not kept. @defaultValue `Authorization: Bearer …`
   */
  readonly send?: ((request: Request, credential: Credential) => Promise<Response>) | undefined
  /** A session of this binding is over, here or in another tab: what was kept for it can go. */
  readonly forget?: ((binding: string) => void) | undefined
}

/** What a session had when it ended: to be revoked at the server. */
export interface RevokeRequest {
  /** `null` where the server keeps it in a cookie. */
  readonly refreshToken: string | null
  /** One for each resource that was asked for. */
  readonly accessTokens: readonly string[]
  /** Whose they were, as far as known. */
  readonly subject: string | null
  /** The session's fetch underneath. */
  readonly fetch: typeof globalThis.fetch
  /** Aborts after ten seconds. */
  readonly signal: AbortSignal
}

/** What a request is sent with by a {@link Refresher} that sends requests itself. */
export interface Credential {
  /** `null` where no token is in the browser. */
  readonly accessToken: string | null
  /** As {@link RefreshRequest.binding}; `null` also for a token that is not bound, but a plain Bearer one. */
  readonly binding: string | null
  /** May the request be sent a second time? Not if its body flows once. */
  readonly isRepeatable: boolean
  /** The 401 after which this is sent again with another token; `null` the first time. */
  readonly refused: Response | null
  /** The session's fetch underneath. */
  readonly fetch: typeof globalThis.fetch
}
