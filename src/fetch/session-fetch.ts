import type { Credential } from '../ports.ts'
import { refusalOf, type StepUpChallenge } from './challenge.ts'
import type { Match, Target } from './destinations.ts'

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
type Input = Parameters<Fetch>[0]
type Init = Parameters<Fetch>[1]
type Send = ((request: Request, credential: Credential) => Promise<Response>) | undefined

/** `fetch`, plus the credential where it belongs. */
export function sessionFetch(match: Match, grips: Grips, underneath: Fetch, send: Send): Fetch {
  return (input, init) => {
    const target = match(isRequest(input) ? input.url : input)
    if (!target) return underneath(input, init)
    try {
      // A Request as init, or anything else that is more than plain members, is read once, by the platform.
      return isPlain(init) ? go(target, input, init) : go(target, new Request(input, init), undefined)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function go(target: Target, input: Input, init: Init): Promise<Response> {
    const request = isRequest(input) ? input : null
    const given = init?.headers ?? request?.headers
    if (given && hasOwnCredential(given)) return underneath(input, init)
    if ((init?.mode ?? request?.mode) === 'no-cors') {
      throw new TypeError(
        "A request in mode 'no-cors' cannot carry a credential, and this destination wants one. Nothing was sent; use mode 'cors'.",
      )
    }
    const signal = init?.signal ?? request?.signal ?? null
    const again = spare(input, init)
    const grip = grips.take(target, signal)
    return grip instanceof Promise
      ? grip.then((later) => first(target, input, init, signal, again, later))
      : first(target, input, init, signal, again, grip)
  }

  function first(
    target: Target,
    input: Input,
    init: Init,
    signal: AbortSignal | null,
    again: Input | null,
    grip: Grip | null,
  ): Promise<Response> {
    if (!grip) return underneath(input, init)
    const answer = transmit(input, init, signal, grip, again !== null)
    return answer.then((response) => (response.status === 401 ? refused(target, again, init, signal, grip, response) : response))
  }

  /**
   * One retry, after a 401 that is about the token or demands a stronger sign-in, of what can be sent again; anything else is the caller's
   * (REQ-36, REQ-101, F53, F63, F77).
   */
  async function refused(
    target: Target,
    again: Input | null,
    init: Init,
    signal: AbortSignal | null,
    grip: Grip,
    response: Response,
  ): Promise<Response> {
    const from = response.redirected ? match(response.url) : target
    if (!from) return response
    const refusal = refusalOf(response.headers.get('WWW-Authenticate'), from.origin)
    const later =
      typeof refusal === 'string'
        ? grips.instead(target, grip, refusal === 'invalid', signal)
        : refusal && grips.stepUp?.(target, grip, refusal, signal)
    if (!later) return response
    if (again === null) {
      later.catch(() => {}) // the next request will hear of it
      return response
    }
    const next = await later
    if (!next) return response
    response.body?.cancel().catch(() => {})
    return transmit(again, init, signal, next, true, response)
  }

  function transmit(
    input: Input,
    init: Init,
    signal: AbortSignal | null,
    grip: Grip,
    isRepeatable: boolean,
    refused: Response | null = null,
  ): Promise<Response> {
    // Safari before 17.4 cannot join signals: there the answer is held back all the same, but not cut short.
    const both = signal ? (AbortSignal.any?.([signal, grip.signal]) ?? signal) : grip.signal
    // With an init, be it for a header, a Request forgets what it was told of the referrer.
    const told = isRequest(input) ? { referrer: input.referrer, referrerPolicy: input.referrerPolicy, ...init } : init
    const answer = send
      ? send(new Request(input, { ...told, signal: both }), {
          accessToken: grip.token || null,
          binding: grip.binding,
          fetch: underneath,
          isRepeatable,
          refused,
        })
      : underneath(input, {
          ...told,
          headers: withToken(init?.headers ?? (isRequest(input) ? input.headers : undefined), grip.token),
          signal: both,
        })
    return answer.then(
      (response) => {
        grip.signal.throwIfAborted() // an answer of a session that is over belongs to nobody (F10)
        return response
      },
      (error: unknown) => {
        if (!signal?.aborted) grip.signal.throwIfAborted() // not every engine rejects with the signal's reason
        throw error
      },
    )
  }
}

/** One of another frame, too; and not what only looks like one, of which `fetch` makes a text. */
const isRequest = (input: Input): input is Request =>
  typeof input === 'object' && Object.prototype.toString.call(input) === '[object Request]'

const isPlain = (it: object | undefined): boolean => !it || Object.getPrototypeOf(it) === Object.prototype

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

/** What can be sent a second time: a copy of a Request with a body; the input itself; or `null` where the body is a stream, which flows once. */
function spare(input: Input, init: Init): Input | null {
  const body = init?.body
  if (body) return isStream(body) ? null : input
  if (!isRequest(input) || /^(GET|HEAD)$/.test(input.method)) return input
  return input.bodyUsed ? null : input.clone() // Firefox does not say whether a Request has a body
}

const isStream = (body: object | string): boolean => typeof body === 'object' && ('getReader' in body || Symbol.asyncIterator in body)
