import {
  clockTolerance,
  generateRandomState,
  getValidatedIdTokenClaims,
  type IDToken,
  processAuthorizationCodeResponse,
  validateAuthResponse,
} from 'oauth4webapi'
import { browserClock } from '../adapters/clock.ts'
import { seal } from '../core/secret.ts'
import type { Ms } from '../core/time.ts'
import { readTokens, type TokenResponse } from '../core/tokens.ts'
import type { LatchkeyError } from '../errors.ts'
import { formRequest } from '../refresh/token-request.ts'
import { failure } from './failure.ts'
import { neededEndpointOf } from './metadata.ts'
import type { Pending } from './pending.ts'
import type { Client, Memory } from './provider.ts'
import type { IdTokenClaims, SignIn } from './sign-in.ts'

const longestExchange: Ms = 30_000

/**
 * Checks the provider's answer (state, RFC 9207 `iss`; or why there is none), redeems the code, and checks the ID token (OpenID Connect Core §3.1.3.7).
 * @throws LatchkeyError `sign_in_failed`, `sign_in_cancelled`, `interaction_required`
 */
export async function redeem(client: Client, state: string, pending: Pending, answer: string | LatchkeyError): Promise<SignIn> {
  const { dpop } = client
  let { binding } = pending
  try {
    if (typeof answer !== 'string') throw answer
    const ask = () => client.metadata(client.fetch)
    // The code is lost if nobody knows where to redeem it: a blip is waited out (F28).
    const server = await ask().catch(() =>
      new Promise<void>((resolve) => browserClock.wakeAt(browserClock.now().wall + 1_000, resolve)).then(ask),
    )
    const endpoint = neededEndpointOf(server, 'token_endpoint')
    // The nonce says that the ID token was made for this sign-in, which is all that its times would say: a wrong clock here keeps nobody out (F21, F22).
    const us = { client_id: client.clientId, [clockTolerance]: 2 ** 40 }
    const [code, ...others] = validateAuthResponse(server, us, new URLSearchParams(answer), state).getAll('code')
    if (!code || others.length > 0) throw new Error('The provider’s answer has no code, or several.')
    const hasKey = binding && (await dpop?.has(binding).catch(() => false))
    if (!hasKey) binding = (await dpop?.bind(server)) ?? null
    const fetch = dpop?.proven(binding, client.fetch) ?? client.fetch
    const sent = browserClock.now()
    // The form is all that oauth4webapi's own request would have of us, and that request costs 0.4 kB.
    const response = await fetch(endpoint, {
      ...formRequest({
        grant_type: 'authorization_code',
        code,
        redirect_uri: pending.redirectUri,
        code_verifier: pending.verifier,
        client_id: client.clientId,
      }),
      headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(longestExchange),
    })
    const given: TokenResponse | null = await response.json().catch(() => null) // or any other JSON, which is refused below
    const tokens = await processAuthorizationCodeResponse(
      server,
      us,
      new Response(judged(given), response.ok ? {} : response), // any 2xx is good for a refresh
      pending.nonce === null ? {} : { expectedNonce: pending.nonce, requireIdToken: true },
    )
    readTokens(given) // while it can still be said that the sign-in has failed
    dpop?.assertBound(tokens)
    const claims = getValidatedIdTokenClaims(tokens)
    if (claims) satisfied(claims, pending)
    if (binding) await dpop?.keep(binding)
    Object.assign(client.memory, { idToken: tokens.id_token ?? null, hint: null } satisfies Partial<Memory>)
    // The session counts from `sent`, however long the app keeps this; and is one, however often it is given (F72).
    const issued = { ...given, binding, sent, session: generateRandomState() }
    return seal({ claims: (claims as IdTokenClaims | undefined) ?? null, returnTo: pending.returnTo }, issued) as SignIn // what `SealedTokens` asks for is in its seal
  } catch (error) {
    if (binding) void dpop?.forget(binding)
    throw failure(error)
  }
}

/**
 * What oauth4webapi is to judge: the kind of token, and the ID token. The code is spent, so the rest is read as after a refresh, by the session,
 * with the habits that servers have (F50).
 */
const judged = (given: Partial<TokenResponse> | null): string =>
  JSON.stringify(
    { ...given, token_type: given?.token_type || 'Bearer', expires_in: null, refresh_token: null, scope: null },
    (_, value) => value || undefined,
  )

/** Is it the sign-in that was asked for? Both moments are the provider's own, and half a minute is for its own clocks. A provider need not tell the `acr` (§2). */
function satisfied({ iat, auth_time: authTime = -Infinity, acr }: IDToken, { maxAge, acrValues }: Pending): void {
  if (maxAge !== null && iat - authTime > maxAge + 30) throw new Error('The user’s sign-in at the provider is older than was asked for.')
  if (acr !== undefined && acrValues.length > 0 && !acrValues.includes(String(acr)))
    throw new Error('The user’s sign-in at the provider is not of the strength that was asked for.')
}
