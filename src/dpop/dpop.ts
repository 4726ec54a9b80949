import { abortable } from '../abortable.ts'
import { LatchkeyError } from '../errors.ts'
import type { Dpop, Proving } from '../oauth/proving.ts'
import { bindings } from './bindings.ts'
import { proved } from './proved.ts'

/**
 * Binds tokens to a key of this device (RFC 9449): a stolen one is then of no use elsewhere. One key for each session, which no script can read out,
 * shared by the tabs and gone with the session. `prefer` binds them if the provider says that it can, and goes on with Bearer tokens if it cannot, or the browser;
 * `required` accepts no Bearer token.
 * @throws TypeError for any other mode
 * @example
 * ```ts
 * oauth({ issuer: 'https://login.example.com', clientId: 'spa', dpop: dpop('required') })
 * ```
 */
export function dpop(mode: 'prefer' | 'required'): Dpop {
  if (mode !== 'prefer' && mode !== 'required') throw new TypeError("`dpop` takes 'prefer' or 'required'.")
  const isRequired = mode === 'required'
  const { clock, make, keep, find, forget } = bindings()
  const { ask, send } = proved(clock)

  const proving: Proving = {
    bind: (server) => make(server, isRequired),
    keep,
    forget,
    has: async (thumbprint) => (await find(thumbprint)) !== null,
    proven: (thumbprint, fetch) => async (input, init) => {
      const binding = thumbprint && (await find(thumbprint))
      return binding ? ask(binding, String(input), { ...init }, fetch) : fetch(input, init)
    },
    async assertUsable(thumbprint) {
      const binding = thumbprint && (await find(thumbprint).catch(ofTheSession))
      if (!binding && (thumbprint || isRequired))
        throw new LatchkeyError(
          'refresh_rejected',
          thumbprint
            ? 'The key that the tokens are bound to is gone from this browser, so they are of no use. The session has ended; ask the user to sign in.'
            : "The tokens are bound to no key, as `dpop('required')` wants it. The session has ended; ask the user to sign in.",
        )
      if (thumbprint) void keep(thumbprint) // storage that was cleared gets it back from a tab that has it, like the record (protocol, rule 11)
    },
    // The refresh token that came along has to be kept, or the next refresh presents one that is spent; the access token is never sent (REQ-92).
    usable: (tokens) => (isRequired && tokens && !isBound(tokens) ? { ...tokens, expires_in: 0 } : tokens),
    assertBound(tokens) {
      if (isRequired && !isBound(tokens))
        throw new LatchkeyError(
          'sign_in_failed',
          "The provider gave a Bearer token where `dpop('required')` wants a bound one, so it was discarded. Nobody was signed in; let the provider bind this client's tokens.",
        )
    },
    async send(request, credential) {
      const { accessToken, binding: thumbprint, fetch } = credential
      if (!thumbprint && !isRequired) {
        request.headers.set('Authorization', `Bearer ${accessToken}`)
        return fetch(request)
      }
      const binding = thumbprint && (await abortable(find(thumbprint), request.signal))
      return binding ? send(binding, request, credential) : unprovable()
    },
  }
  return Object.freeze(proving) as object as Dpop // opaque outside: its members are ours
}

const isBound = ({ token_type: type }: { readonly token_type?: string | undefined }): boolean => /^dpop$/i.test(type ?? '')

/** From a refresh, `refresh_unavailable` is about one resource alone. */
function ofTheSession({ message, cause }: Error): never {
  throw new Error(message, { cause })
}

/** As an API would answer it. The session then refreshes, hears that this cannot be done, and ends. */
const unprovable = (): Response => new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'DPoP error="invalid_token"' } })
