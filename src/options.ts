import type { Ms } from './core/time.ts'
import type { SignInInput } from './core/tokens.ts'
import type { StepUpChallenge } from './fetch/challenge.ts'
import { type Destination, type Target, targetsOf, type WhenSignedOut } from './fetch/destinations.ts'
import type { Limiting, Limits } from './limiter.ts'
import type { Refresher, RefreshFunction, Store } from './ports.ts'

/** What {@link createSession} must and may be told. Read once, at the call; `undefined` means the default. */
export interface SessionOptions {
  /**
   * Where the session's credential may go, and nowhere else. A string is a URL prefix: an origin
   * (`https://api.example.com`), an origin with a path (`https://example.com/api`, matched on whole segments), or a path
   * of this page's own origin (`/api`). https only; loopback may be http.
   */
  readonly attachTo: readonly (string | Destination)[]

  /**
   * How to get new tokens: a strategy of `latchkey/refresh` or `latchkey/oauth`, or any function. A function may return
   * the server's `Response` as it is; status, `Retry-After` and `invalid_grant` are then understood.
   *
   * @example
   * ```ts
   * refresh: ({ refreshToken, signal }) =>
   *   fetch('/auth/refresh', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ refreshToken }), signal })
   * ```
   */
  readonly refresh: RefreshFunction | Refresher

  /**
   * Tells sessions on one origin apart (two accounts, two issuers). Names the record, the lock and the channel.
   * @defaultValue the strategy's `id`; for a plain function the first destination. Two projects on one localhost port stay apart.
   */
  readonly name?: string | undefined

  /** Where the session is kept. Give none on a server that renders pages: with one a session starts there, too. @defaultValue `deviceStore()` */
  readonly store?: Store | undefined

  /**
   * The fetch underneath, for tests, instrumentation, or a framework's own. It is given a string and an init, or a Request.
   * @defaultValue the global `fetch`, looked up at each call. `session.fetch` has to be put in its place last: a wrapper around it that is put there afterwards would
   * be what the session calls, and so call itself, without end. If one must come afterwards, give here the fetch that it shall end in
   */
  readonly fetch?: typeof globalThis.fetch | undefined

  /**
   * When tokens are renewed ahead of need: while a tab of the session is visible or in use, always, or only when a
   * request needs one. A forgotten background tab should not keep a session alive, hence the default.
   * @defaultValue `'while-visible'`
   */
  readonly keepFresh?: 'while-visible' | 'always' | 'on-demand' | undefined

  /**
   * How long a refresh is waited for, in ms, from 1000 to 120 000. It goes on for a minute more: a late answer is kept, or revoked. A caller that waits for a token gets it, or `refresh_unavailable`, at most
   * 2 s after this.
   * @defaultValue `10_000`
   */
  readonly refreshTimeout?: Ms | undefined

  /** What listed requests do while nobody is signed in; see {@link WhenSignedOut}. A destination may say otherwise. @defaultValue `'reject'` */
  readonly whenSignedOut?: WhenSignedOut | undefined

  /** Idle and absolute limits, shared by all tabs: `limits('aal2')` of `latchkey/limits`. @defaultValue only what the server tells */
  readonly limits?: Limits | undefined

  /**
   * Called when an API demands a stronger or fresher sign-in (RFC 9470). Return what the new sign-in gave and the request
   * goes out once more; return `null` and the caller gets the API's 401. Asked once at a time, at most once a minute per API.
   *
   * The sign-in is committed as by {@link Session.signIn}, for all tabs: somebody else's ends the session, and one that does not say whose it
   * is counts as somebody else's. Where yours does not, call `session.signIn` with a `subject`, or `session.refresh()`, and return `null`: a
   * request goes out once more if there is a later token of the same user. An exception is reported as a listener's is.
   * @defaultValue the caller gets the 401
   */
  readonly onStepUp?: ((challenge: StepUpChallenge) => Promise<SignInInput | null>) | undefined
}

/** The options, checked and complete: nothing inside asks again what the caller meant. */
export interface Settings {
  readonly targets: readonly Target[]
  readonly refresher: Refresher
  readonly name: string
  readonly store: Store | null
  readonly fetch: typeof globalThis.fetch | null
  readonly keepFresh: 'while-visible' | 'always' | 'on-demand'
  readonly refreshTimeout: Ms
  readonly limits: Limiting | null
  readonly onStepUp: ((challenge: StepUpChallenge) => Promise<SignInInput | null>) | null
}

/** @throws TypeError naming the option that is missing or unusable, and printing no secret. */
export function resolveOptions(options: SessionOptions, base: string | null): Settings {
  const {
    attachTo,
    refresh,
    name,
    store,
    fetch,
    keepFresh = 'while-visible',
    refreshTimeout = 10_000,
    whenSignedOut = 'reject',
    limits,
    onStepUp,
  } = options
  if (!Array.isArray(attachTo)) refuse('attachTo', "must be a list of URL prefixes, such as ['https://api.example.com']")
  const strategy = typeof refresh === 'function' ? null : refresh
  if (strategy ? typeof strategy.refresh !== 'function' || typeof strategy.id !== 'string' || !strategy.id : !refresh) {
    refuse('refresh', 'must be a function, or a strategy such as those of latchkey/refresh')
  }
  if (name !== undefined && (typeof name !== 'string' || !name)) refuse('name', 'must be a text that is not empty')
  if (store && (typeof store.read !== 'function' || typeof store.replace !== 'function'))
    refuse('store', 'must have the functions `read` and `replace`')
  const { presents = 'refresh-token' } = strategy ?? {}
  oneOf('refresh.presents', presents, ['refresh-token', 'cookie'])
  callable('fetch', fetch)
  callable('onStepUp', onStepUp)
  for (const member of ['revoke', 'send', 'isSameUser', 'prepare', 'forget'] as const) callable(`refresh.${member}`, strategy?.[member])
  oneOf('keepFresh', keepFresh, ['while-visible', 'always', 'on-demand'])
  if (typeof refreshTimeout !== 'number' || !(refreshTimeout >= 1_000 && refreshTimeout <= 120_000))
    refuse('refreshTimeout', 'must be from 1000 to 120000 ms')
  const limiting = (limits || null) as Limiting | null // what `latchkey/limits` makes is one, under a name that shows nothing of it
  if (limiting && typeof limiting.start !== 'function') refuse('limits', 'must be made by limits(…) of latchkey/limits')
  const targets = targetsOf(attachTo, whenSignedOut, base)
  for (const target of targets) oneOf('whenSignedOut', target.whenSignedOut, ['reject', 'send', 'hold'])
  const refresher = strategy ?? { refresh: refresh as RefreshFunction, id: targets[0] ? targets[0].origin + targets[0].path : '' } // no strategy: a function
  if (!refresher.id && !name) refuse('name', 'must be given where `attachTo` names no destination')
  return {
    targets,
    refresher,
    name: name ?? refresher.id,
    store: store ?? null,
    fetch: fetch ?? null,
    keepFresh,
    refreshTimeout,
    limits: limiting,
    onStepUp: onStepUp ?? null,
  }
}

const oneOf = (option: string, value: string, words: readonly string[]): void => {
  if (!words.includes(value)) refuse(option, `must be one of: ${words.join(', ')}`)
}

const callable = (option: string, given: unknown): void => {
  if (given && typeof given !== 'function') refuse(option, 'must be a function')
}

function refuse(option: string, how: string): never {
  throw new TypeError(`\`${option}\` ${how}.`)
}
