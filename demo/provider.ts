import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair } from 'jose'
import { type ClientMetadata, type Configuration, errors, type KoaContextWithOIDC, Provider } from 'oidc-provider'
import { listen } from './listen.ts'
import { loginPage, loginPath } from './login-page.ts'
import { memoryAdapter } from './memory-adapter.ts'
import {
  type ProviderCounters,
  type ProviderSettings,
  type RefreshRecord,
  revocationPath,
  tokenPath,
  watchTokenEndpoint,
} from './token-endpoint.ts'

export interface ProviderOptions {
  /** `0` takes any free port. */
  readonly port: number
  readonly redirectUris: readonly string[]
  /** Origins whose pages may call the token endpoint. */
  readonly origins: readonly string[]
  /** Seconds; can be changed later in `settings`. */
  readonly accessTokenLifetime: number
  /** The APIs that a sign-in may name, and their scopes, by resource (RFC 8707). @defaultValue one API, which every access token is for */
  readonly resources?: Readonly<Record<string, string>> | undefined
  /** Gives the app no token that is not bound to a key of its own (RFC 9449), and wants a nonce in every proof. */
  readonly demandsDpop?: boolean | undefined
  /** An app's backend, which is a client with a secret (RFC 10017 §6.1). */
  readonly backend?: BackendClient | undefined
}

export interface BackendClient {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUri: string
}

/** An OpenID provider with strict rotation: a refresh token that is presented twice revokes the whole grant. */
export interface DemoProvider {
  readonly port: number
  readonly issuer: string
  readonly clientId: string
  /** The API that access tokens are made for: their `aud`. */
  readonly audience: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  readonly jwksUri: string

  readonly settings: ProviderSettings
  readonly counters: Readonly<ProviderCounters>
  readonly refreshLog: readonly RefreshRecord[]

  /** Revokes every grant, as an administrator would, and resolves with how many there were. Access tokens stay good until they expire. */
  revokeEverything(): Promise<number>
  close(): Promise<void>
}

const clientId = 'latchkey-demo'
const audience = 'urn:latchkey-demo:api'
const apiScope = 'api'
const authorizationPath = '/authorize'
const jwksPath = '/jwks'

export async function startProvider(options: ProviderOptions): Promise<DemoProvider> {
  const { origins } = options
  const settings: ProviderSettings = { accessTokenLifetime: options.accessTokenLifetime, condition: 'well', slowness: 3000 }

  const server = await listen(options.port)
  const issuer = server.origin
  const provider = new Provider(issuer, await configuration(settings, options))
  const { counters, refreshLog } = watchTokenEndpoint(provider, settings, origins)
  const revokeEverything = rememberGrants(provider)
  provider.use(cookiesOfOneSite)

  const login = loginPage(provider, origins)
  const everythingElse = provider.callback()
  server.serve((request, response) => (request.url?.startsWith(loginPath) ? login(request, response) : everythingElse(request, response)))

  return {
    port: server.port,
    issuer,
    clientId,
    audience,
    authorizationEndpoint: issuer + authorizationPath,
    tokenEndpoint: issuer + tokenPath,
    revocationEndpoint: issuer + revocationPath,
    jwksUri: issuer + jwksPath,
    settings,
    counters,
    refreshLog,
    revokeEverything,
    close: server.close,
  }
}

async function configuration(
  settings: ProviderSettings,
  { origins, redirectUris, demandsDpop = false, backend, resources }: ProviderOptions,
): Promise<Configuration> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const hours = (count: number) => count * 3600
  const client = (id: string, uris: readonly string[], secret?: string): ClientMetadata => ({
    client_id: id,
    ...(secret && { client_secret: secret }),
    application_type: 'web',
    token_endpoint_auth_method: secret ? 'client_secret_post' : 'none',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [...uris],
    post_logout_redirect_uris: origins.map((origin) => `${origin}/`),
    id_token_signed_response_alg: 'ES256',
    dpop_bound_access_tokens: demandsDpop && !secret,
  })

  return {
    clients: [client(clientId, redirectUris), ...(backend ? [client(backend.clientId, [backend.redirectUri], backend.clientSecret)] : [])],
    scopes: ['openid'],
    adapter: memoryAdapter(),
    jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig' }] },
    cookies: { keys: [crypto.randomUUID()], long: { sameSite: 'none' } },
    enableHttpPostMethods: true, // an app signs out with a form, so that the ID token is in no address (REQ-139)
    routes: { authorization: authorizationPath, token: tokenPath, revocation: revocationPath, jwks: jwksPath },
    pkce: { required: () => true },
    clientBasedCORS: (_context, origin) => origins.includes(origin),

    // Every sign-in gets a refresh token, good for one use, and good after the provider's own cookie has gone.
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    expiresWithSession: async () => false,
    ttl: {
      AccessToken: () => settings.accessTokenLifetime,
      AuthorizationCode: 60,
      Grant: hours(24),
      IdToken: 600,
      Interaction: 600,
      RefreshToken: hours(24),
      Session: hours(24),
    },

    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true, ...(demandsDpop && { nonceSecret: randomBytes(32), requireNonce: () => true }) },
      revocation: { enabled: true, allowedPolicy: async (_context, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        // Of several APIs none is the default (the types know of no such answer): a token without a resource is good at none of them.
        defaultResource: async (_context, _client, oneOf) => (resources ? (oneOf as unknown as string) : audience),
        useGrantedResource: async () => !resources,
        getResourceServerInfo: async (_context, resource) => {
          const scope = resources ? resources[resource] : apiScope
          if (scope === undefined) throw new errors.InvalidTarget()
          return { scope, audience: resources ? resource : audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }
        },
      },
    },

    interactions: { url: async (_context, interaction) => loginPath + interaction.uid },
    findAccount: async (_context, sub) => ({ accountId: sub, claims: async () => ({ sub }) }),
    loadExistingGrant: (context) => grantWithoutAsking(context, resources ?? { [audience]: apiScope }),
    renderError: async (context, { error, error_description: description }) => {
      context.type = 'text/plain'
      context.body = `${error}: ${description ?? 'no more is known'}\n`
    },
  }
}

/** The place of a consent page. One grant for a user and this client, as is the default: revoking a refresh token takes all of it along. */
async function grantWithoutAsking({ oidc }: KoaContextWithOIDC, resources: Readonly<Record<string, string>>) {
  const known = oidc.session?.grantIdFor(oidc.client?.clientId ?? '')
  const found = known && (await oidc.provider.Grant.find(known))
  if (found) return found
  const grant = new oidc.provider.Grant({ clientId: oidc.client?.clientId, accountId: oidc.session?.accountId })
  grant.addOIDCScope('openid')
  for (const [resource, scope] of Object.entries(resources)) grant.addResourceScope(resource, scope)
  await grant.save()
  return grant
}

/** Forms of other sites want `SameSite=None`, which browsers take over TLS only. On loopback everything is one site. */
async function cookiesOfOneSite({ response }: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  await next()
  const cookies = [response.get('set-cookie')].flat().filter(Boolean)
  if (cookies.length > 0)
    response.set(
      'set-cookie',
      cookies.map((cookie) => cookie.replace('samesite=none', 'samesite=lax')),
    )
}

function rememberGrants(provider: Provider): () => Promise<number> {
  const grants = new Set<string>()
  provider.on('grant.success', ({ oidc }) => {
    if (oidc.entities.Grant) grants.add(oidc.entities.Grant.jti)
  })
  provider.on('grant.revoked', (_context, id) => grants.delete(id))

  return async () => {
    const ids = [...grants]
    grants.clear()
    for (const id of ids) {
      await provider.RefreshToken.revokeByGrantId(id)
      const grant = await provider.Grant.find(id)
      await grant?.destroy()
    }
    return ids.length
  }
}
