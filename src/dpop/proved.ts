import { allowInsecureRequests, customFetch, protectedResourceRequest } from 'oauth4webapi'
import { letGo } from '../fetch/body.ts'
import { challengesOf } from '../fetch/challenge.ts'
import type { Credential } from '../ports.ts'
import { notFollowed } from '../refresh/token-request.ts'
import type { Binding, Prover } from './bindings.ts'
import type { ProofClock } from './proof-clock.ts'

/** Sends with a fresh proof each time (REQ-87), and once more where another proof is what the server wants (REQ-88, REQ-89). */
export interface Proved {
  /** What is asked of the provider's token endpoint. */
  readonly ask: (binding: Binding, url: string, init: RequestInit, fetch: typeof globalThis.fetch) => Promise<Response>
  /** What the app asks an API, with its token. */
  readonly send: (binding: Binding, request: Request, credential: Credential) => Promise<Response>
}

export function proved(clock: ProofClock): Proved {
  /** Answers to what was sent twice already: a call of the app sends three times at most (REQ-90). */
  const repeated = new WeakSet<Response>()

  /** Is it the proof that is the matter, and will the next one be better: by the nonce that came along, or by the server's clock (REQ-91)? */
  function wantsAnother(error: unknown, response: Response, url: string): boolean {
    const hasNonce = nonceIn(response) !== null
    if (error !== 'invalid_dpop_proof') return error === 'use_dpop_nonce' && hasNonce
    return clock.learn(url, response.headers.get('Date')) || hasNonce
  }

  return {
    async ask({ atProvider }, url, init, fetch) {
      const response = await askProved(url, init, atProvider, fetch)
      if (response.ok) return response
      const said: unknown = await response
        .clone()
        .json()
        .catch(() => null)
      if (!wantsAnother((said as { error?: unknown } | null)?.error, response, url)) return response
      return askProved(url, init, atProvider.given(nonceIn(response)), fetch)
    },
    async send({ atApis }, request, { accessToken, fetch, isRepeatable, refused }) {
      const spare = isRepeatable && !(refused && repeated.has(refused)) ? request.clone() : null
      try {
        const response = await sendProved(request, accessToken ?? '', atApis, fetch)
        if (!spare || response.status !== 401) return response
        const challenge = challengesOf(response.headers.get('WWW-Authenticate') ?? '').find(({ scheme }) => scheme === 'dpop')
        if (!wantsAnother(challenge?.params.get('error'), response, request.url)) return response
        letGo(response)
        const second = await sendProved(spare, accessToken ?? '', atApis.given(nonceIn(response)), fetch)
        repeated.add(second)
        return second
      } finally {
        if (spare) letGo(spare)
      }
    },
  }
}

const nonceIn = ({ headers }: Response): string | null => headers.get('DPoP-Nonce')

/** As we made it. */
const askProved = (url: string, init: RequestInit, prover: Prover, fetch: typeof globalThis.fetch): Promise<Response> =>
  withProof(url, 'POST', 'none', prover, ({ dpop = '' }) => {
    const headers = new Headers(init.headers)
    headers.set('DPoP', dpop)
    return fetch(url, { ...init, headers })
  })

/** As the app made it. */
const sendProved = (request: Request, token: string, prover: Prover, fetch: typeof globalThis.fetch): Promise<Response> =>
  withProof(request.url, request.method, token, prover, ({ authorization = '', dpop = '' }) => {
    request.headers.set('Authorization', authorization)
    request.headers.set('DPoP', dpop)
    return fetch(request, notFollowed(request))
  })

/** Of oauth4webapi's own request only the two headers are taken. */
async function withProof(
  url: string,
  method: string,
  token: string,
  { handle, nonces }: Prover,
  send: (headers: Record<string, string>) => Promise<Response>,
): Promise<Response> {
  let response: Response | undefined
  try {
    return await protectedResourceRequest(token, method, new URL(url), undefined, null, {
      DPoP: handle,
      [allowInsecureRequests]: true, // on loopback: `attachTo` and `endpointOf` have seen to it
      async [customFetch](_, { headers }) {
        response = await send(headers)
        const nonce = nonceIn(response)
        if (nonce) nonces.set(new URL(url).origin, nonce)
        return response
      },
    })
  } catch (error) {
    if (response) return response // it throws challenges, which are for the session to judge, and for the app
    throw error
  }
}
