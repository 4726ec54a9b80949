import type { TokenResponse } from 'latchkey'
import type { DemoConfig } from '../wire.ts'

// Authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), as short as it gets. Latchkey begins where the tokens are.

const pending = 'demo-sign-in'

interface Pending {
  readonly state: string
  readonly verifier: string
}

/** Leaves for the provider's sign-in page. */
export async function beginSignIn(config: DemoConfig): Promise<void> {
  const { state, verifier }: Pending = { state: randomText(), verifier: randomText() }
  sessionStorage.setItem(pending, JSON.stringify({ state, verifier }))

  const url = new URL(config.authorizationEndpoint)
  url.search = new URLSearchParams({
    client_id: config.clientId,
    redirect_uri: config.redirectUri,
    response_type: 'code',
    scope: 'openid api',
    state,
    code_challenge: await challengeOf(verifier),
    code_challenge_method: 'S256',
    prompt: 'login', // ask who it is, even if the provider remembers
  }).toString()
  location.assign(url)
}

/** The tokens, if this page load is the return from the provider's page; otherwise `null`. */
export async function finishSignIn(config: DemoConfig): Promise<TokenResponse | null> {
  if (location.pathname !== new URL(config.redirectUri).pathname) return null
  const answer = new URLSearchParams(location.search)
  history.replaceState(null, '', '/')

  const stored = sessionStorage.getItem(pending)
  sessionStorage.removeItem(pending)
  if (!stored) return null
  const { state, verifier }: Pending = JSON.parse(stored) // written above

  const code = answer.get('code')
  if (answer.get('state') !== state || answer.get('iss') !== config.issuer) throw new Error('This answer belongs to another sign-in.')
  if (!code) throw new Error(answer.get('error_description') ?? 'The provider gave no code.')

  const response = await fetch(config.tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: config.clientId,
      redirect_uri: config.redirectUri,
      code,
      code_verifier: verifier,
    }),
  })
  if (!response.ok) throw new Error(`The token server answered ${response.status}.`)
  return response.json()
}

function randomText(): string {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

async function challengeOf(verifier: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))))
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
