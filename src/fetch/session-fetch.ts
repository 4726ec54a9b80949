import type { Credential } from '../ports.ts'
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
  readonly init: Init
  readonly signal: AbortSignal | null
  /** What can be sent a second time, or `null` where the body is a stream, which flows once. */
  readonly again: string | Request | null
}

/** `fetch`, plus the credential where it belongs. */
export function sessionFetch(match: Match, grips: Grips, underneath: Fetch, send: Send): Fetch {
  return (input, init) => {
    try {
      const given = isRequest(input) ? input : String(input) // read once: what is matched is what is sent
      const found = match(isRequest(given) ? given.url : given)
      if (!found) return underneath(input, init)
      // A Request as init, or anything else that is more than plain members, is read once, by the platform.
      return isPlain(init) ? go(found, given, init) : go(found, new Request(given, init), undefined)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  function go({ target, href }: Matched, input: string | Request, init: Init): Promise<Response> {
    const request = isRequest(input) ? input : null
    const headers = init?.headers ?? request?.headers
    if (headers && hasOwnCredential(headers)) return underneath(input, init)
    if ((init?.mode ?? request?.mode) === 'no-cors') {
      throw new TypeError(
        "A request in mode 'no-cors' cannot carry a credential, and this destination wants one. Nothing was sent; use mode 'cors'.",
      )
    }
    const signal = init?.signal === undefined ? (request?.signal ?? null) : init.signal
    const grip = grips.take(target, signal)
    const flowsOnce = isStream(init?.body)
    if (grip instanceof Promise || send || isChangeable(init?.body)) {
      input = new Request(request ?? href, withReferrer(input, init))
      init = { ...init, body: undefined, headers: undefined } as object // what only a framework knows; to the platform `undefined` says nothing
    } // else it leaves at once, and a Request would cost more than all the rest of the call
    const call: Call = { target, input, init, signal, again: flowsOnce ? null : isRequest(input) ? copyOf(input) : href }
    return grip instanceof Promise ? grip.then((lent) => first(call, lent)) : first(call, grip)
  }

  function first(call: Call, grip: Grip | null): Promise<Response> {
    const { input, init } = call
    if (!grip) return underneath(input, init)
    const told = dressed(input, init, call.signal, grip)
    const answer = transmit(call, input, told, grip, null)
    return answer.then((response) => (response.status === 401 ? refused(call, told, grip, response) : response))
  }

  /**
   * One retry, after a 401 that is about the token or demands a stronger sign-in, of what can be sent again; anything else is the caller's
   * (REQ-36, REQ-101, F53, F63, F77).
   */
  async function refused(call: Call, told: RequestInit, grip: Grip, response: Response): Promise<Response> {
    const { target, again, signal } = call
    const from = response.redirected ? match(response.url)?.target : target
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
    return transmit(call, again, dressed(again, told, signal, next), next, response)
  }

  /** What `fetch` is told beside the input: a copy of its own, headers included. */
  function dressed(input: string | Request, init: Init, signal: AbortSignal | null, grip: Grip): RequestInit {
    // Safari before 17.4 cannot join signals: there the answer is held back all the same, but not cut short.
    const both = signal ? (AbortSignal.any?.([signal, grip.signal]) ?? signal) : grip.signal
    const told = withReferrer(input, init)
    if (send) return { ...told, signal: both }
    return { ...told, headers: withToken(init?.headers ?? (isRequest(input) ? input.headers : undefined), grip.token), signal: both }
  }

  function transmit(
    { again, signal }: Call,
    input: string | Request,
    init: RequestInit,
    grip: Grip,
    refused: Response | null,
  ): Promise<Response> {
    const answer = send
      ? send(new Request(input, init), {
          accessToken: grip.token || null,
          binding: grip.binding,
          fetch: underneath,
          isRepeatable: again !== null,
          refused,
        })
      : underneath(input, init)
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
const isRequest = (input: unknown): input is Request =>
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

/** With an init, be it for a header, a Request forgets what it was told of the referrer. */
const withReferrer = (input: string | Request, init: Init): Init =>
  isRequest(input) ? { referrer: input.referrer, referrerPolicy: input.referrerPolicy, ...init } : init

/** To be sent a second time: Firefox does not say whether there is a body, so a copy is made wherever there may be one. One that is used up is refused by `fetch`. */
const copyOf = (request: Request): Request | null =>
  /^(GET|HEAD)$/.test(request.method) ? request : request.bodyUsed ? null : request.clone()

type Body = BodyInit | null | undefined

const isStream = (body: Body): boolean => typeof body === 'object' && body !== null && ('getReader' in body || Symbol.asyncIterator in body)

/** A buffer, a form or its parameters may be another by the time it is sent again. */
const isChangeable = (body: Body): boolean => typeof body === 'object' && body !== null && !(body instanceof Blob) && !isStream(body)
