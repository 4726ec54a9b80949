import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, EmbeddedJWK, type JWK, jwtVerify } from 'jose'
import { createSession, memoryStore, type Session, type SessionEnd, type SessionOptions, type SignInOptions } from 'latchkey'
import { dpop } from 'latchkey/dpop'
import { type OAuthOptions, type OAuthProvider, oauth } from 'latchkey/oauth'
import { onTestFinished } from 'vitest'
import { redeem } from '../../src/oauth/authorization-response.ts'
import type { Pending } from '../../src/oauth/pending.ts'
import { clientOf } from '../../src/oauth/provider.ts'
import { type Answer, json, listen, type Seen } from '../fetch/listen.ts'
import { leaving } from '../refresh/asking.ts'
import { type ScriptedProvider, scriptedProvider, wellKnown } from './scripted-provider.ts'

/** What a proof says, once another implementation of JOSE has found it genuine. */
export interface Proof {
  readonly header: Readonly<Record<string, unknown>>
  readonly jwk: JWK
  readonly thumbprint: string
  readonly claims: Readonly<Record<string, unknown>>
}

export async function proofOf(seen: Seen | undefined): Promise<Proof> {
  const text = String(seen?.headers.dpop)
  const { payload } = await jwtVerify(text, EmbeddedJWK, { typ: 'dpop+jwt' })
  const header = decodeProtectedHeader(text)
  return { header, jwk: header.jwk as JWK, thumbprint: await calculateJwkThumbprint(header.jwk as JWK), claims: payload }
}

export const proofsOf = (seen: readonly Seen[]): Promise<Proof[]> => Promise.all(seen.map(proofOf))

/** What a proof says, as a server reads it that trusts everybody. */
export const claimsIn = (seen: Seen | undefined): Readonly<Record<string, unknown>> =>
  seen?.headers.dpop ? decodeJwt(String(seen.headers.dpop)) : {}

export interface BoundProvider extends ScriptedProvider {
  /** What the token endpoint was asked. */
  readonly asked: () => readonly Seen[]
}

/** A provider that binds tokens. */
export async function boundProvider(said: Readonly<Record<string, unknown>> = {}): Promise<BoundProvider> {
  const script = await scriptedProvider()
  script.says.metadata = () =>
    json({
      ...wellKnown(script.issuer),
      dpop_signing_alg_values_supported: ['ES256'],
      authorization_response_iss_parameter_supported: false,
      ...said,
    })
  script.says.token = (_, count) => tokens(count)
  return { ...script, asked: () => script.seen.filter(({ url, method }) => url === '/token' && method === 'POST') }
}

export const tokens = (count: number, more: object = {}, headers: Readonly<Record<string, string>> = {}): Answer =>
  json(
    { access_token: `access-${count}`, token_type: 'DPoP', expires_in: 300, refresh_token: `refresh-${count + 1}`, ...more },
    200,
    headers,
  )

export const refusal = (error: string, headers: Readonly<Record<string, string>> = {}): Answer => json({ error }, 400, headers)

export const challenge = (error: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  json({}, 401, { 'WWW-Authenticate': `DPoP error="${error}", algs="ES256"`, ...headers })

/** An API that says what a test wants. */
export const api = (answer: (seen: Seen, count: number) => Answer = () => json({})) => listen(answer)

export const found = async (options: Partial<OAuthOptions> & Pick<OAuthOptions, 'issuer'>): Promise<OAuthProvider> => {
  const provider = oauth({ clientId: 'spa', scope: 'files', dpop: dpop('required'), ...options })
  // With the metadata at hand: on a machine that halts, a first refresh may find it too late.
  await provider.revoke?.(leaving({ refreshToken: null, accessTokens: [] }))
  return provider
}

/** What the provider answers to a code, as the sign-in functions hand it on. */
export async function codeAnswered(provider: OAuthProvider) {
  const client = clientOf(provider)
  const pending: Pending = {
    provider: client.id,
    verifier: 'v'.repeat(43),
    nonce: null,
    maxAge: null,
    acrValues: [],
    stepUpFor: null,
    binding: null,
    redirectUri: 'https://app.example.com/',
    returnTo: '/',
    startedAt: 0,
  }
  return redeem(client, 'state', pending, '?code=code-1&state=state')
}

export interface Signed {
  readonly session: Session
  readonly ends: SessionEnd[]
}

export async function signedIn(
  provider: OAuthProvider,
  attachTo: SessionOptions['attachTo'],
  options: Partial<SessionOptions> = {},
  how: SignInOptions = {},
): Promise<Signed> {
  const session = createSession({ attachTo, refresh: provider, store: memoryStore(), keepFresh: 'on-demand', ...options })
  onTestFinished(session.close)
  const ends: SessionEnd[] = []
  session.onSessionEnded((end) => ends.push(end))
  await session.signIn(await codeAnswered(provider), how)
  return { session, ends }
}
