import { type Destination, matcher, type Target, targetsOf } from '../../src/fetch/destinations.ts'
import { type Grip, type Grips, sessionFetch } from '../../src/fetch/session-fetch.ts'
import type { Refresher } from '../../src/ports.ts'

type Fetch = typeof globalThis.fetch

/** What `session.fetch` was given and what it asked for: a session of one token after another, with nothing behind it. */
export interface ByHand {
  readonly fetch: Fetch
  /** The tokens that were asked for in the place of refused ones. */
  readonly refusals: { readonly refused: string; readonly invalid: boolean }[]
  /** Ends the session with `error`. */
  readonly end: (error: Error) => void
}

interface Options {
  readonly attachTo?: readonly (string | Destination)[]
  readonly underneath: Fetch
  readonly send?: Refresher['send']
  /** Replaces what a session would do. */
  readonly grips?: Partial<Grips>
}

export const api = 'https://api.example.com'

/** `session.fetch` on grips made by hand: `token-1`, and after a refusal `token-2`, and so on. */
export function byHand({ attachTo = [api], underneath, send, grips }: Options): ByHand {
  const over = new AbortController()
  const refusals: ByHand['refusals'] = []
  let generation = 1
  const grip = (): Grip => ({ token: `token-${generation}`, binding: null, generation, session: 's', signal: over.signal })
  const instead = async (_: Target, refused: Grip, invalid: boolean) => {
    refusals.push({ refused: refused.token, invalid })
    if (refused.generation === generation) generation++
    return grip()
  }
  const match = matcher(targetsOf(attachTo, 'reject', null), () => null)
  return {
    fetch: sessionFetch(match, { take: grip, instead, stepUp: undefined, ...grips }, underneath, send),
    refusals,
    end: (error) => over.abort(error),
  }
}

/** One call of the fetch underneath, as it was made. */
export interface Call {
  readonly input: Parameters<Fetch>[0]
  readonly init: Parameters<Fetch>[1]
  readonly request: Request
}

/** A fetch that keeps what it is given, and answers with what `answer` says. */
export function recorder(answer: (call: Call, count: number) => Response | Promise<Response> = () => new Response()): {
  readonly fetch: Fetch
  readonly calls: Call[]
} {
  const calls: Call[] = []
  return {
    calls,
    async fetch(input, init) {
      const call = { input, init, request: input instanceof Request ? copy(input, init) : new Request(input, init) }
      calls.push(call)
      return answer(call, calls.length)
    },
  }
}

/** Without an init a Request is sent as it is. */
const copy = (request: Request, init: RequestInit | undefined): Request => (init ? new Request(request.clone(), init) : request.clone())

export const refusal = (challenge: string | null = 'Bearer error="invalid_token"', status = 401): Response =>
  new Response('refused', { status, headers: challenge === null ? {} : { 'WWW-Authenticate': challenge } })

export const authorizations = (calls: readonly Call[]): (string | null)[] =>
  calls.map(({ request }) => request.headers.get('Authorization'))
