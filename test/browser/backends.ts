import { type IncomingHttpHeaders, type IncomingMessage, type RequestListener, ServerResponse } from 'node:http'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { type DemoApi, startApi } from '../../demo/api.ts'
import { backendForFrontend } from '../../demo/backend-for-frontend.ts'
import { type CodeFlow, codeFlow } from '../../demo/backend-parts.ts'
import { listen } from '../../demo/listen.ts'
import { type DemoProvider, startProvider } from '../../demo/provider.ts'
import { tokenMediatingBackend } from '../../demo/token-mediating-backend.ts'
import { bundle } from './bundle.ts'
import type {} from './page/backend.ts'

/** A request as the backend saw it. */
interface Asked {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
}

/** One of the example backends with its page, a provider and an API behind it, and tabs of one profile. */
export interface BackendScene {
  readonly origin: string
  readonly provider: DemoProvider
  readonly api: DemoApi
  readonly context: BrowserContext
  readonly asked: readonly Asked[]
  /** What the provider has given the backend: all of them, and the refresh tokens among them. */
  readonly tokens: { readonly all: Set<string>; readonly refresh: Set<string> }
  /** Tokens of `those` in anything that a page of ours was sent, stored, was told or shows. */
  readonly leaked: (those: Iterable<string>) => Promise<readonly string[]>
  /** The next request to this path is dealt with, and its answer is lost. */
  readonly loseAnswerTo: (path: string) => void
  readonly open: () => Promise<Page>
  /** Over the provider's page, until this tab says who it is. */
  readonly signIn: (page: Page, name?: string) => Promise<void>
}

export interface BackendSceneOptions {
  readonly pattern: 'backend-for-frontend' | 'token-mediating'
  /** Seconds. */
  readonly accessTokenLifetime?: number
  /** Seconds, of a session of the backend for frontend. */
  readonly idle?: number
}

let script: Promise<string> | undefined

/** Ends with the test that asks for it. */
export async function stageBackend(
  browser: Browser,
  { pattern, accessTokenLifetime = 300, idle = 300 }: BackendSceneOptions,
): Promise<BackendScene> {
  script ??= bundle('page/backend.ts')
  const text = await script
  const web = await listen(0)
  const { origin } = web
  const client = { clientId: 'app-backend', clientSecret: 'a secret of a test', redirectUri: `${origin}/callback` }
  const provider = await startProvider({
    port: 0,
    origins: [origin],
    redirectUris: [client.redirectUri],
    accessTokenLifetime,
    backend: client,
  })
  const { audience, issuer, jwksUri } = provider
  const api = await startApi({ port: 0, origins: [origin], audience, issuer, jwksUri })
  const { flow, tokens } = watched(await codeFlow(issuer, client))
  const isMediated = pattern === 'token-mediating'
  const backend = isMediated
    ? tokenMediatingBackend({ origin, provider: flow })
    : backendForFrontend({ origin, provider: flow, api: api.origin, idle })

  const asked: Asked[] = []
  let losing = ''
  const page = `<!doctype html><title>Behind a backend</title><script src="/app.js"${isMediated ? ` data-api="${api.origin}"` : ''}></script>`
  const answer: RequestListener = (request, response) => {
    const { method = '', url: path = '', headers } = request
    if (path === '/') return void response.writeHead(200, { 'content-type': 'text/html' }).end(page)
    if (path === '/app.js') return void response.writeHead(200, { 'content-type': 'text/javascript' }).end(text)
    asked.push({ at: Date.now(), method, path, headers })
    backend(request, path === losing ? lost(request, response) : response)
    if (path === losing) losing = ''
  }
  web.serve(answer)

  const context = await browser.newContext()
  onTestFinished(async () => {
    await context.close()
    await Promise.all([web.close(), provider.close(), api.close()])
  })
  const received: Promise<string>[] = []
  context.on('response', (response) => {
    if (response.url() === `${origin}/app.js`) return
    const body = response.text().catch(() => '') // a redirect has none
    received.push(Promise.all([response.url(), response.headersArray().catch(() => []), body]).then((parts) => JSON.stringify(parts)))
  })

  async function open(): Promise<Page> {
    const tab = await context.newPage()
    await tab.goto(`${origin}/`)
    await tab.waitForFunction(() => window.behind)
    await tab.evaluate(() => window.behind.session.ready.then(() => {}))
    return tab
  }

  return {
    origin,
    provider,
    api,
    context,
    asked,
    tokens,
    open,
    loseAnswerTo(path) {
      losing = path
    },
    async leaked(those) {
      const pages = context.pages().filter((tab) => tab.url().startsWith(origin))
      const seen = (await Promise.all([...received, ...pages.map((tab) => tab.evaluate(() => window.behind.received()))])).join('\n')
      return [...those].filter((token) => partsOf(token).some((part) => seen.includes(part)))
    },
    async signIn(tab, name = 'ada') {
      await tab.goto(`${origin}/${isMediated ? 'auth' : 'bff'}/login`)
      await tab.getByLabel('Name').fill(name)
      await tab.keyboard.press('Enter')
      await tab.waitForURL(`${origin}/`)
      await tab.waitForFunction(() => window.behind)
      // What the page that a login returns to does; where another user was signed in, their session ends by it.
      await tab.evaluate(() => window.behind.session.refresh().catch(() => {}))
      await tab.waitForFunction((who) => {
        const { state } = window.behind.session
        return state.status === 'signed-in' && state.subject === who
      }, name)
    },
  }
}

/** What is answered into breaks the connection. */
function lost(request: IncomingMessage, response: ServerResponse): ServerResponse {
  const nowhere = new ServerResponse(request)
  nowhere.end = () => {
    response.destroy()
    return nowhere
  }
  return nowhere
}

/** The same flow, whose tokens are noted. */
function watched(flow: CodeFlow): { readonly flow: CodeFlow; readonly tokens: BackendScene['tokens'] } {
  const tokens = { all: new Set<string>(), refresh: new Set<string>() }
  const note = <Answer extends Awaited<ReturnType<CodeFlow['finish']>>>(answer: Answer): Answer => {
    const { access_token: access, refresh_token: refresh, id_token: id } = answer ?? {}
    for (const token of [access, refresh, id]) if (token) tokens.all.add(token)
    if (refresh) tokens.refresh.add(refresh)
    return answer
  }
  return {
    tokens,
    flow: { ...flow, finish: (...given) => flow.finish(...given).then(note), refresh: (token) => flow.refresh(token).then(note) },
  }
}

/** Of a JWT each part: its claims alone, or its signature, are a leak, too. What it begins with is that of every other. */
const partsOf = (token: string): readonly string[] => (token.includes('.') ? token.split('.').slice(1) : [token])
