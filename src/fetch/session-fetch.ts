import type { Credential } from '../ports.ts'
import { copyOf, isChangeable, isStream, letGo } from './body.ts'
import { refusalOf, type StepUpChallenge } from './challenge.ts'
import type { Match, Matched, Target } from './destinations.ts'

/** A token that may leave now, and what belongs to it. */
export interface Grip {
  readonly token: string
  /** What it is bound to; `null` for a Bearer token. */
  readonly binding: string | null
  readonly generation: number
  readonly session: string
  /** Aborts when the session ends, with the error that callers shall see. */
  readonly signal: AbortSignal
}

/** Where a request gets its credential from. Each rejects with what `session.fetch` rejects with; `null`: go without. */
export interface Grips {
  /** In the caller's tick if a token is at hand. */
  readonly take: (target: Target, signal: AbortSignal | null) => Grip | null | Promise<Grip | null>
  /** A later one, after an API has refused this one; `null` if none is to be had, and the refusal is the caller's. */
  readonly instead: (target: Target, refused: Grip, invalid: boolean, signal: AbortSignal | null) => Promise<Grip | null>
  /** One of a stronger sign-in; `null` if there is none, and the refusal is the caller's. Without it nobody is asked for one. */
  readonly stepUp:
    | ((target: Target, refused: Grip, challenge: StepUpChallenge, signal: AbortSignal | null) => Promise<Grip | null>)
    | undefined
}

type Fetch = typeof globalThis.fetch
type Init = Parameters<Fetch>[1]
type Send = ((request: Request, credential: Credential) => Promise<Response>) | undefined

/** A call of `session.fetch`, as it was when it was made: what the caller changes afterwards is sent neither late nor again (F78). */
interface Call {
  readonly target: Target
  readonly input: string | Request
  readonly signal: AbortSignal | null
  /** What can be sent a second time, or `null` where the body is a stream, which flows once. */
  readonly again: string | Request | null
}

/** `fetch`, plus the credential where it belongs. */
export function sessionFetch(match: Match, grips: Grips, underneath: Fetch, send: Send): Fetch {
  return (input, init) => {
    try {
      const requested = urlOf(input)
      const url = requested ?? String(input) // read once: what is matched is what is sent
      const given = requested === null ? url : (input as Request) // nothing else has such a URL
      const found = match(url)
      if (!found) return underneath(input, init)
      // A Request as init, or anything else that is more than plain members, is read once, by the platform.
      return isPlain(init) ? go(found, given, init) : go(found, new Request(given, init), undefined)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function go({ target, href }: Matched, given: string | Request, init: Init): Promise<Response> {
    let input = given
    const request = typeof given === 'string' ? null : given
    if (init && !isPlain(init.headers)) init = { ...init, headers: new Headers(init.headers) } // an iterator can be read once; `null` is refused here, as by `fetch`
    const headers = init?.headers ?? request?.headers
    if (headers && hasOwnCredential(headers)) return underneath(input, init)
    if ((init?.mode ?? request?.mode) === 'no-cors') {
      throw new TypeError(
        "A request in mode 'no-cors' cannot carry a credential, and this destination wants one. Nothing was sent; use mode 'cors'.",
      )
    }
    const signal = init?.signal === undefined ? (request?.signal ?? null) : init.signal
    const grip = grips.take(target, signal)
    const isLate = grip !== null && 'then' in grip // zone.js puts a Promise of its own in the place of the one that async functions give
    if (isLate) grip.catch(() => {}) // what `fetch` refuses below fails sooner
    const flowsOnce = isStream(init?.body)
    if (isLate || send || (request && init) || isChangeable(init?.body)) {
      input = new Request(request ?? href, init ?? withReferrer(input, undefined)) // Node has a Request forget it in any case
      init = { ...init, body: undefined, headers: undefined } as object // what only a framework knows; to the platform `undefined` says nothing
    } // else it leaves at once, and a Request would cost more than all the rest of the call
    const again = flowsOnce ? null : typeof input === 'string' ? href : copyOf(input)
    const call: Call = { target, input, signal, again }
    const leave = (lent: Grip | null) => (lent ? transmit(call, input, init, lent, null) : underneath(input, init))
    const answer = isLate ? grip.then(leave) : leave(grip)
    if (typeof input === 'string') return answer
    // What the caller gave is the caller's; what was sent, the business of who has sent it.
    const clear = (it: Call['again']) => {
      if (it !== given && it && typeof it !== 'string') letGo(it)
    }
    const unsent = (error: unknown) => {
      clear(input)
      throw error
    }
    return answer.catch(unsent).finally(() => clear(again))
  }

  /**
   * One retry, after a 401 that is about the token or demands a stronger sign-in, of what can be sent again; anything else is the caller's
   * (REQ-36, REQ-101, F53, F63, F77).
   */
  async function retried(call: Call, told: RequestInit, grip: Grip, response: Response): Promise<Response> {
    const { target, again, signal } = call
    if (response.redirected && !isAsked(call, told, match(response.url)?.target)) return response
    const refusal = refusalOf(response.headers.get('WWW-Authenticate'), target.origin)
    const later =
      typeof refusal === 'string'
        ? grips.instead(target, grip, refusal === 'invalid', signal)
        : refusal && grips.stepUp?.(target, grip, refusal, signal)
    if (!later) return response
    later.catch(() => again && letGo(response)) // of what cannot be sent again, the next request hears
    const next = again && (await later)
    if (!next) return response
    letGo(response)
    return transmit(call, again, told, next, response)
  }

  /** `refused`: the answer to the same call with another token. */
  function transmit(call: Call, input: string | Request, init: Init, grip: Grip, refused: Response | null): Promise<Response> {
    const { signal, again } = call
    // Safari before 17.4 cannot join signals: there the answer is held back all the same, but not cut short.
    const both = signal ? (AbortSignal.any?.([signal, grip.signal]) ?? signal) : grip.signal
    const said = withReferrer(input, init)
    // One spread, and the signal last: in V8 a second spread, another order or a member that is set afterwards makes a call a third slower.
    const told: RequestInit = send
      ? { ...said, signal: both }
      : { ...said, headers: withToken(init?.headers ?? (typeof input !== 'string' ? input.headers : undefined), grip.token), signal: both }
    const answer = send
      ? send(new Request(input, told), {
          accessToken: grip.token || null,
          binding: grip.binding,
          fetch: underneath,
          isRepeatable: again !== null,
          refused,
        })
      : underneath(input, told)
    return answer.then(
      (response) => {
        if (grip.signal.aborted) letGo(response) // an answer of a session that is over belongs to nobody (F10)
        grip.signal.throwIfAborted()
        return response.status === 401 && !refused ? retried(call, told, grip, response) : response
      },
      (error: unknown) => {
        if (!signal?.aborted) grip.signal.throwIfAborted() // not every engine rejects with the signal's reason
        throw error
      },
    )
  }
}

/** Of a Request, one of another frame too, as the platform knows it, whatever a subclass says; `null` for what `fetch` makes a text of. */
function urlOf(input: unknown): string | null {
  try {
    return typeof input === 'object' ? (Reflect.get(Request.prototype, 'url', input) ?? null) : null
  } catch {
    return null
  }
}

/**
 * Has what was redirected been asked of the API that refuses, with this token? To another API none goes along; and the server that has redirected
 * may have done what more than a question told it to (F63, F85).
 */
const isAsked = ({ target, input }: Call, { method }: RequestInit, from: Target | undefined): boolean =>
  from?.origin === target.origin &&
  from.key === target.key &&
  /^(GET|HEAD)$/i.test(method ?? (typeof input === 'string' ? 'GET' : input.method))

const isPlain = (it: object | null | undefined): boolean =>
  it === undefined || (it !== null && Object.getPrototypeOf(it) === Object.prototype)

/** The caller's own credential goes out as it is, and alone (REQ-19). */
const hasOwnCredential = (headers: HeadersInit): boolean =>
  isPlain(headers) ? Object.keys(headers).some((name) => /^authorization$/i.test(name)) : new Headers(headers).has('Authorization')

/** Plain headers stay plain: a Headers costs more than all the rest of a call. */
function withToken(headers: HeadersInit | undefined, token: string): HeadersInit {
  const Authorization = `Bearer ${token}`
  if (isPlain(headers)) return { ...(headers as Record<string, string> | undefined), Authorization } // a Headers or a list is not plain
  const all = new Headers(headers)
  all.set('Authorization', Authorization)
  return all
}

/** With an init, be it for a header, a Request forgets what it was told of the referrer. */
const withReferrer = (input: string | Request, init: Init): Init =>
  typeof input !== 'string' ? { ...init, referrer: input.referrer, referrerPolicy: input.referrerPolicy } : init
