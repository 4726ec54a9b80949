import { calculatePKCECodeChallenge, generateRandomCodeVerifier, generateRandomNonce, generateRandomState } from 'oauth4webapi'
import { here } from '../adapters/address.ts'
import { browserClock } from '../adapters/clock.ts'
import { LatchkeyError } from '../errors.ts'
import { failure } from './failure.ts'
import { addressOf, neededEndpointOf } from './metadata.ts'
import { hasJustSteppedUp, keepPending, type Pending } from './pending.ts'
import type { Client } from './provider.ts'
import type { SignInRequest } from './sign-in.ts'

/** How the answer comes back: to this tab, or to a popup or frame that relays it. The `state` says so, for the page it comes to. */
export type Way = 'redirect' | 'relay'

export interface AuthorizationRequest {
  readonly url: string
  readonly state: string
  readonly pending: Pending
}

/**
 * Code flow with PKCE S256, state and nonce (RFC 9700 §2.1, OpenID Connect Core §3.1.2.1). What comes back to another page of this tab is kept for it.
 * @throws TypeError for a `returnTo` that is no path of this origin; LatchkeyError `sign_in_failed`, where there is no page, too
 */
export async function authorizationRequest(
  client: Client,
  way: Way,
  { returnTo, prompt, loginHint, stepUp }: Omit<SignInRequest, 'prompt'> & { readonly prompt?: SignInRequest['prompt'] | 'none' },
): Promise<AuthorizationRequest> {
  const back = pathOf(returnTo)
  try {
    if (stepUp && hasJustSteppedUp(stepUp.origin)) throw new Error('The API was not content with the last one.')
    const server = await client.metadata(client.fetch)
    const endpoint = neededEndpointOf(server, 'authorization_endpoint')
    const state = `${way}.${generateRandomState()}`
    const scope = [...new Set(`${client.scope} ${stepUp?.scope ?? ''}`.match(/\S+/g))].join(' ')
    const key = (await client.dpop?.bind(server)) ?? null
    const maxAge = stepUp?.maxAge == null ? client.parameters.max_age : stepUp.maxAge / 1000
    // The next page has to find the key; where the browser does not keep it, that page makes one.
    const binding = key && way === 'redirect' && !(await client.dpop?.keep(key)) ? null : key
    const pending: Pending = {
      provider: client.id,
      verifier: generateRandomCodeVerifier(),
      nonce: scope.split(' ').includes('openid') ? generateRandomNonce() : null,
      maxAge: maxAge === undefined ? null : Math.floor(Number(maxAge)),
      acrValues: stepUp?.acrValues ?? [],
      stepUpFor: stepUp?.origin ?? null,
      binding,
      redirectUri: redirectUriOf(client),
      returnTo: back,
      startedAt: browserClock.now().wall,
    }
    const url = addressOf(addressOf(endpoint, client.parameters), {
      response_type: 'code',
      client_id: client.clientId,
      redirect_uri: pending.redirectUri,
      scope,
      state,
      nonce: pending.nonce,
      code_challenge: await calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      dpop_jkt: pending.binding,
      prompt,
      login_hint: loginHint,
      max_age: pending.maxAge,
      acr_values: pending.acrValues.join(' '),
    })
    if (way === 'redirect') keepPending(state, pending)
    return { url, state, pending }
  } catch (error) {
    throw failure(error)
  }
}

/** Where the provider sends its answers. */
export const redirectUriOf = ({ redirectUri }: Client): string => new URL(redirectUri ?? '/', here() ?? undefined).href

/** @throws LatchkeyError `sign_in_failed` on a server, and in a worker */
export function pageHere(): URL {
  const page = here()
  if (!page) throw new LatchkeyError('sign_in_failed', 'There is no page here, so nothing was sent. Make this call in the browser.')
  return page
}

/** A path that stays one wherever it is put: `//host` would be another site (no open redirect). */
function pathOf(returnTo: string | undefined): string {
  const page = pageHere()
  const to = new URL(returnTo ?? page, page)
  const path = to.pathname + to.search + to.hash
  if (to.origin !== page.origin || !/^\/(?!\/)/.test(path)) throw new TypeError('`returnTo` must be a path of this origin.')
  return path
}
