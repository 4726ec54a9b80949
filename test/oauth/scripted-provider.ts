import { type Answer, json, listen, type Seen } from '../fetch/listen.ts'

/** A provider over real HTTP that says what a test wants it to say, and is as wrong as it wants. */
export interface ScriptedProvider {
  readonly issuer: string
  readonly seen: readonly Seen[]
  /** May be changed at any time; holds from the next request on. */
  readonly says: Script
  /** The forms that were posted to a path. */
  readonly forms: (path: string) => Readonly<Record<string, string>>[]
}

interface Script {
  metadata: () => Answer | null
  /** Where the user is sent: back at once, unless a test says otherwise. */
  authorize: (asked: URLSearchParams) => Answer
  token: (form: URLSearchParams, count: number) => Answer | null
  revoke: (form: URLSearchParams) => Answer | null
}

/** As a provider that is well says of itself. */
export const wellKnown = (issuer: string): Readonly<Record<string, unknown>> => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  revocation_endpoint: `${issuer}/revoke`,
  end_session_endpoint: `${issuer}/logout`,
  authorization_response_iss_parameter_supported: true,
  code_challenge_methods_supported: ['S256'],
})

export async function scriptedProvider(): Promise<ScriptedProvider> {
  let tokens = 0
  const { origin, seen } = await listen(({ url, body }) => {
    const found = answer(new URL(url, 'http://any'), new URLSearchParams(body.toString()))
    return found && { ...found, headers: { 'Access-Control-Allow-Origin': '*', ...found.headers } }
  })
  function answer({ pathname, searchParams }: URL, form: URLSearchParams): Answer | null {
    if (pathname.includes('/.well-known/')) return says.metadata()
    if (pathname === '/token') return says.token(form, ++tokens)
    if (pathname === '/revoke') return says.revoke(form)
    if (pathname === '/authorize') return says.authorize(searchParams)
    return pathname === '/logout' ? { body: 'Signed out.' } : { status: 404 }
  }
  const says: Script = {
    metadata: () => json(wellKnown(origin)),
    authorize: (asked) => backWith(asked, { code: 'code-1', iss: origin }),
    token: (_, count) =>
      json({ access_token: `access-${count}`, token_type: 'Bearer', expires_in: 300, refresh_token: `refresh-${count + 1}` }),
    revoke: () => json({}),
  }
  return {
    issuer: origin,
    seen,
    says,
    forms: (path) =>
      seen
        .filter(({ url, method }) => method === 'POST' && url === path)
        .map(({ body }) => Object.fromEntries(new URLSearchParams(body.toString()))),
  }
}

/** Sends the user back to the app with this answer, under the `state` that was asked with. */
export function backWith(asked: URLSearchParams, answer: Readonly<Record<string, string>>): Answer {
  const to = new URL(asked.get('redirect_uri') ?? '')
  for (const [name, value] of Object.entries({ state: asked.get('state') ?? '', ...answer })) to.searchParams.set(name, value)
  return { status: 302, headers: { Location: to.href } }
}

/** An ID token as the token endpoint gives it: over TLS nobody asks for its signature (OpenID Connect Core §3.1.3.7). */
export function idToken(claims: Readonly<Record<string, unknown>>, alg = 'RS256'): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg })}.${part({ iat: now, exp: now + 300, ...claims })}.c2lnbmF0dXJl`
}
