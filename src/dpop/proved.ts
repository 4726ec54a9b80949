import { allowInsecureRequests, customFetch, type DPoPHandle, protectedResourceRequest, refreshTokenGrantRequest } from 'oauth4webapi'
import { browserClock } from '../adapters/clock.ts'
import { challengesOf } from '../fetch/challenge.ts'
import type { Credential } from '../ports.ts'
import { notFollowed } from '../refresh/token-request.ts'
import type { Binding, ProofClock } from './bindings.ts'

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
  function wantsAnother(error: unknown, { headers }: Response): boolean {
    const hasNonce = headers.has('DPoP-Nonce')
    if (error !== 'invalid_dpop_proof') return error === 'use_dpop_nonce' && hasNonce
    const date = Date.parse(headers.get('Date') ?? '')
    if (!(date >= 0)) return hasNonce
    clock.behind = Math.round((date - browserClock.now().wall) / 1000)
    return true
  }

  return {
    async ask({ atProvider }, url, init, fetch) {
      const response = await askProved(url, init, atProvider, fetch)
      if (response.ok) return response
      const said: unknown = await response
        .clone()
        .json()
        .catch(() => null)
      return wantsAnother((said as { error?: unknown } | null)?.error, response) ? askProved(url, init, atProvider, fetch) : response
    },
    async send({ atApis }, request, { accessToken, fetch, isRepeatable, refused }) {
      const spare = isRepeatable && !(refused && repeated.has(refused)) ? request.clone() : null
      const response = await sendProved(request, accessToken ?? '', atApis, fetch)
      if (!spare || response.status !== 401) return response
      const challenge = challengesOf(response.headers.get('WWW-Authenticate') ?? '').find(({ scheme }) => scheme === 'dpop')
      if (!wantsAnother(challenge?.params.get('error'), response)) return response
      response.body?.cancel().catch(() => {})
      const second = await sendProved(spare, accessToken ?? '', atApis, fetch)
      repeated.add(second)
      return second
    },
  }
}

/** As we made it: of oauth4webapi's own request only the proof is taken. */
const askProved = (url: string, init: RequestInit, DPoP: DPoPHandle, fetch: typeof globalThis.fetch): Promise<Response> =>
  refreshTokenGrantRequest({ issuer: url, token_endpoint: url }, { client_id: url }, () => {}, url, {
    DPoP,
    [allowInsecureRequests]: true, // on loopback: `endpointOf` has seen to it
    [customFetch]: (_, { headers: { dpop = '' } }) => {
      const headers = new Headers(init.headers)
      headers.set('DPoP', dpop)
      return fetch(url, { ...init, headers })
    },
  })

/** As the app made it: of oauth4webapi's own request only the two headers are taken. */
async function sendProved(request: Request, token: string, DPoP: DPoPHandle, fetch: typeof globalThis.fetch): Promise<Response> {
  let response: Response | undefined
  try {
    return await protectedResourceRequest(token, request.method, new URL(request.url), undefined, null, {
      DPoP,
      [allowInsecureRequests]: true, // on loopback: `attachTo` has seen to it
      async [customFetch](_, { headers: { authorization = '', dpop = '' } }) {
        request.headers.set('Authorization', authorization)
        request.headers.set('DPoP', dpop)
        response = await fetch(request, notFollowed(request))
        return response
      },
    })
  } catch (error) {
    if (response) return response // it throws challenges, which are for the session to judge, and for the app
    throw error
  }
}
