import type { IncomingMessage, ServerResponse } from 'node:http'
import * as oauth from 'oauth4webapi'
import type { BackendClient } from './provider.ts'

// What the two example backends have in common: how a user signs in at the provider, and what a cookie must be like.

/** The provider, as a client with a secret sees it. */
export interface CodeFlow {
  /** Where the user signs in, and what proves on the way back that it is this sign-in. */
  readonly begin: () => Promise<{ readonly url: URL; readonly check: Check }>
  /** `null` if the user has declined. */
  readonly finish: (callback: URL, check: Check) => Promise<oauth.TokenEndpointResponse | null>
  /** Rejects with an error of the code `invalid_grant` once the session is over. */
  readonly refresh: (refreshToken: string) => Promise<oauth.TokenEndpointResponse>
  readonly revoke: (refreshToken: string) => Promise<void>
}

interface Check {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/** Authorization code flow with PKCE, state and nonce (REQ-82, RFC 9700 §2.1.1); the ID token is validated. */
export async function codeFlow(issuer: string, { clientId, clientSecret, redirectUri }: BackendClient): Promise<CodeFlow> {
  const options = { [oauth.allowInsecureRequests]: issuer.startsWith('http:') } // the demo's provider is on loopback
  const server = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), options))
  const client: oauth.Client = { client_id: clientId, id_token_signed_response_alg: 'ES256' }
  const secret = oauth.ClientSecretPost(clientSecret)
  return {
    async begin() {
      const check = { state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce(), verifier: oauth.generateRandomCodeVerifier() }
      const url = new URL(server.authorization_endpoint ?? issuer)
      url.search = new URLSearchParams({
        client_id: clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: 'openid api',
        prompt: 'login',
        state: check.state,
        nonce: check.nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(check.verifier),
        code_challenge_method: 'S256',
      }).toString()
      return { url, check }
    },
    async finish(callback, { state, nonce, verifier }) {
      try {
        const params = oauth.validateAuthResponse(server, client, callback, state)
        const answer = await oauth.authorizationCodeGrantRequest(server, client, secret, params, redirectUri, verifier, options)
        return await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce: nonce, requireIdToken: true })
      } catch (error) {
        if (error instanceof oauth.AuthorizationResponseError && error.error === 'access_denied') return null
        throw error
      }
    },
    async refresh(refreshToken) {
      const answer = await oauth.refreshTokenGrantRequest(server, client, secret, refreshToken, options)
      return oauth.processRefreshTokenResponse(server, client, answer)
    },
    async revoke(refreshToken) {
      await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, secret, refreshToken, options))
    },
  }
}

export const isInvalidGrant = (error: unknown): boolean => error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant'

/** One cookie of an origin: how it is set, read and cleared. */
export interface Cookie {
  readonly name: string
  readonly set: (value: string, maxAge?: number) => string
  readonly clear: string
  readonly read: (request: IncomingMessage) => string | null
}

/**
 * As RFC 10017 §6.1.3.2 asks for it: HttpOnly, Secure, SameSite=Strict, and `__Host-`, so that no other host of the site can set it. On
 * http://127.0.0.1, Chromium and Firefox take Secure and `__Host-` all the same, but WebKit drops such a cookie: there it is without both.
 */
export function cookie(origin: string, base: string, attributes = 'HttpOnly; SameSite=Strict'): Cookie {
  const secure = origin.startsWith('https:')
  const name = secure ? `__Host-${base}` : base
  const set = (value: string, maxAge?: number) =>
    `${name}=${value}; Path=/; ${attributes}${secure ? '; Secure' : ''}${maxAge === undefined ? '' : `; Max-Age=${maxAge}`}`
  return {
    name,
    set,
    clear: set('', 0),
    read: ({ headers }) => {
      const found = headers.cookie?.split('; ').find((one) => one.startsWith(`${name}=`))
      return found?.slice(name.length + 1) || null
    },
  }
}

/** Binds a sign-in that has begun to this browser. Lax: the way back from the provider is a navigation from another site. */
export const signInCookie = (origin: string): Cookie => cookie(origin, 'sign-in', 'HttpOnly; SameSite=Lax')

/** Comes from a page of ours, as browsers say themselves (Fetch Metadata, REQ-84; those that do not say it are left to the CSRF header). */
export const isOurPage = ({ headers }: IncomingMessage): boolean => (headers['sec-fetch-site'] ?? 'same-origin') === 'same-origin'

export function answerJson(response: ServerResponse, status: number, body: unknown, cookies: readonly string[] = []): void {
  response
    .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', 'set-cookie': [...cookies] })
    .end(JSON.stringify(body))
}

export function redirect(response: ServerResponse, to: string | URL, cookies: readonly string[]): void {
  response.writeHead(303, { location: String(to), 'cache-control': 'no-store', 'set-cookie': [...cookies] }).end()
}
