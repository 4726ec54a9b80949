import type { AuthorizationServer } from 'oauth4webapi'
import { browserClock } from '../adapters/clock.ts'
import type { Ms } from '../core/time.ts'
import { maySee } from '../fetch/destinations.ts'

/** What a provider says of itself, as often as it is asked for: loaded once for all who ask, and again after a day. */
export type Metadata = (fetch: typeof globalThis.fetch) => Promise<AuthorizationServer>

/** In memory only: a copy in the browser's storage could name somebody else's token endpoint long after the script that put it there has gone (REQ-48). */
const lasts: Ms = 86_400_000

const longestDiscovery: Ms = 10_000

/** Discovery (RFC 8414, OpenID Connect Discovery), `wellKnown` first. What failed is asked for again, unless there is something from the day before. */
export function discovered(issuer: string, wellKnown: 'oidc' | 'oauth2'): Metadata {
  let asked: Promise<AuthorizationServer> | null = null
  let askedAt = 0
  return (fetch) => {
    const now = browserClock.now().mono
    if (asked && now - askedAt < lasts) return asked
    askedAt = now
    const known = asked
    const answer = discover(issuer, wellKnown, fetch).catch((error) => {
      if (asked === answer) asked = known
      return known ?? Promise.reject(error)
    })
    asked = answer
    return answer
  }
}

async function discover(issuer: string, wellKnown: 'oidc' | 'oauth2', fetch: typeof globalThis.fetch): Promise<AuthorizationServer> {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const places = [`${path}/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server${path}`] as const
  const [first, second] = wellKnown === 'oidc' ? places : [places[1], places[0]]
  // oauth4webapi's own request says no more, and costs 1.2 kB where nobody signs in.
  const ask = (place: string) =>
    fetch(origin + place, {
      headers: { Accept: 'application/json' },
      redirect: 'error',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.timeout(longestDiscovery),
    })
  let broken: TypeError | undefined
  /** `undefined` where nothing can be heard, as browsers call a 404 without CORS headers, too. */
  const hear = (place: string) =>
    ask(place).catch((error) => {
      if (!(error instanceof TypeError)) throw error
      broken = error
    })
  let response = await hear(first)
  if (!response || response.status === 404) {
    // Where the second answers a blip is over: the first is asked again beside it, or what it leaves out would be missed all day.
    const [again, other] = await Promise.all([response ?? hear(first), hear(second)])
    response = again && again.status !== 404 ? again : other
  }
  if (!response?.ok) throw broken ?? response // of a place that was not heard of nobody knows that there is nothing
  const found: AuthorizationServer | null = await response.json().catch((cause) => {
    throw new Error('The provider’s metadata is not what discovery asked for: check `issuer`. The session stays.', { cause })
  })
  // To the letter, the last slash included (RFC 8414 §3.3): ID tokens are compared with it.
  if (found?.issuer !== issuer)
    throw new Error('The provider calls itself otherwise than `issuer` says: mind its last slash. The session stays.')
  return found
}

/** An endpoint that tokens and codes may be sent to: https, or http on loopback. `undefined` if the provider has none. */
export function endpointOf(server: AuthorizationServer, name: Endpoint): string | undefined {
  const url = server[name]
  if (url == null) return undefined
  if (!URL.canParse(url) || !maySee(new URL(url)))
    throw new Error(`The provider’s \`${name}\` is not an https URL, so nothing was sent there.`)
  return url
}

/** An endpoint that nothing can be done without. */
export function neededEndpointOf(server: AuthorizationServer, name: Endpoint): string {
  const url = endpointOf(server, name)
  if (!url) throw new Error(`The provider names no \`${name}\`, so nothing was sent. A session stays; check \`issuer\` or \`metadata\`.`)
  return url
}

/** An endpoint and what it is asked, in a query; what is not there or empty is left out, and a list is a parameter for each of its texts. */
export function addressOf(
  endpoint: string,
  parameters: Readonly<Record<string, string | readonly string[] | number | null | undefined>>,
): string {
  const url = new URL(endpoint)
  for (const [name, value] of Object.entries(parameters)) {
    if (value == null || value === '') continue
    url.searchParams.delete(name) // ours replaces the provider's own
    for (const text of [value].flat()) url.searchParams.append(name, String(text))
  }
  return url.href
}

type Endpoint = 'authorization_endpoint' | 'token_endpoint' | 'revocation_endpoint' | 'end_session_endpoint'
