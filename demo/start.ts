import { type DemoApi, startApi } from './api.ts'
import { bundlePage } from './bundle.ts'
import { createControl } from './control.ts'
import { listen } from './listen.ts'
import { type DemoProvider, startProvider } from './provider.ts'
import { webPages } from './web.ts'

export interface DemoOptions {
  /** Of the page; the provider and the API take the two that follow. @defaultValue `0`: any free ports */
  readonly port?: number | undefined
  /** Seconds that access tokens live. @defaultValue `300` */
  readonly accessTokenLifetime?: number | undefined
}

export interface Demo {
  /** Of the page. */
  readonly url: string
  readonly provider: DemoProvider
  readonly api: DemoApi
  close(): Promise<void>
}

/** Starts the page, an OpenID provider and an API, each on an origin of its own. */
export async function startDemo({ port = 0, accessTokenLifetime = 300 }: DemoOptions = {}): Promise<Demo> {
  const bundle = await bundlePage()
  const web = await listen(port)
  const origins = [web.origin]
  const redirectUri = `${web.origin}/callback`

  const provider = await startProvider({ port: port && port + 1, origins, redirectUris: [redirectUri], accessTokenLifetime })
  const { audience, issuer, jwksUri } = provider
  const api = await startApi({ port: port && port + 2, origins, audience, issuer, jwksUri })

  const { authorizationEndpoint, clientId, revocationEndpoint, tokenEndpoint } = provider
  const config = { api: api.origin, issuer, clientId, redirectUri, authorizationEndpoint, tokenEndpoint, revocationEndpoint }
  web.serve(webPages({ origin: web.origin, config, bundle, control: createControl(provider, api) }))

  return {
    url: `${web.origin}/`,
    provider,
    api,
    close: async () => {
      await Promise.all([web.close(), provider.close(), api.close()])
    },
  }
}
