import { leaveFor, leaveWith } from '../adapters/address.ts'
import { LatchkeyError } from '../errors.ts'
import { pageHere } from './authorization-request.ts'
import { failure } from './failure.ts'
import { addressOf, endpointOf } from './metadata.ts'
import { clientOf, type Memory, type OAuthProvider } from './provider.ts'

/** Where to go from the provider's sign-out page. */
export interface LogoutOptions {
  /** A URL of yours that is registered at the provider. @defaultValue the provider's page stays */
  readonly returnTo?: string | undefined
}

/**
 * Leaves for the provider's own sign-out page (OpenID Connect RP-Initiated Logout §2). Call `session.signOut()` first: the
 * provider's sign-out need not revoke the refresh token (REQ-67). If the user who signed in on this very page is the last who
 * signed out on it, the ID token goes along as a hint, by form POST; else the provider may ask whether to sign out.
 * The promise stays pending unless it cannot leave, or the user comes back to this very page, or stays on it.
 * @throws LatchkeyError `sign_in_failed` if the provider has no such page, or its metadata cannot be had; `sign_in_cancelled` from the page
 * that the user comes back to: the provider may still know them
 * @example
 * ```ts
 * await session.signOut()
 * await logoutRedirect(provider, { returnTo: 'https://app.example.com/' }).catch(() => {}) // signed out here in any case
 * ```
 */
export async function logoutRedirect(provider: OAuthProvider, { returnTo }: LogoutOptions = {}): Promise<never> {
  const client = clientOf(provider)
  const endpoint = await client
    .metadata(client.fetch)
    .then((server) => endpointOf(server, 'end_session_endpoint'))
    .catch((error) => {
      throw failure(error, 'The provider’s sign-out page was not found, so the provider may still know the user. Offer another try later.')
    })
  if (!endpoint)
    throw new LatchkeyError(
      'sign_in_failed',
      'The provider has no sign-out page. The session is not touched by this; there is nothing to do.',
    )
  pageHere()
  const { hint } = client.memory
  Object.assign(client.memory, { idToken: null, hint: null } satisfies Partial<Memory>)
  const fields = { client_id: client.clientId, ...(returnTo && { post_logout_redirect_uri: returnTo }) }
  // An ID token belongs in no address (REQ-139). Without one a GET does: the provider's `SameSite=Lax` cookies go along with it.
  await (hint ? leaveWith(endpoint, { ...fields, id_token_hint: hint }) : leaveFor(addressOf(endpoint, fields)))
  throw new LatchkeyError(
    'sign_in_cancelled',
    'The user came back from the provider’s sign-out page. The provider may still know them; offer another try.',
  )
}
