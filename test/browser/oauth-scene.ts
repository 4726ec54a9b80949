import type { Destination } from 'latchkey'
import type { OAuthOptions } from 'latchkey/oauth'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import { type Listening, listen } from '../../demo/listen.ts'
import { bundle } from './bundle.ts'
import type { InWords } from './page/oauth.ts'

/** Tabs of one profile on an app that signs in with a provider. */
export interface OAuthScene {
  readonly context: BrowserContext
  /** The app's. */
  readonly origin: string
  readonly open: (path?: string) => Promise<Page>
  /** Errors that nobody caught, in any window. */
  readonly uncaught: readonly string[]
}

let script: Promise<string> | undefined

/** The app's server takes its port first: the provider has to know where users come back to. */
export async function startApp(): Promise<Listening> {
  const web = await listen(0)
  onTestFinished(() => web.close())
  return web
}

export async function stageOAuth(
  browser: Browser | BrowserContext,
  web: Listening,
  options: Omit<OAuthOptions, 'dpop'> & { readonly api?: string; readonly attachTo?: readonly Destination[] } & InWords,
  headers: Readonly<Record<string, string>> = {},
): Promise<OAuthScene> {
  script ??= bundle('page/oauth.ts')
  const config = { redirectUri: `${web.origin}/callback`, api: `${web.origin}/api`, ...options }
  const app = await script
  web.serve(({ url }, response) => {
    if (url === '/app.js') return void response.writeHead(200, { 'content-type': 'text/javascript' }).end(app)
    response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store', ...headers })
    response.end(`<!doctype html><title>App</title><button>Sign in</button>
<script>window.oauthConfig = ${JSON.stringify(config)}</script><script src="/app.js"></script>`)
  })
  const isBrowser = 'newContext' in browser
  const context = isBrowser ? await browser.newContext() : browser
  if (isBrowser) onTestFinished(() => context.close())
  const uncaught: string[] = []
  context.on('weberror', (report) => uncaught.push(String(report.error())))
  return {
    context,
    origin: web.origin,
    uncaught,
    async open(path = '/') {
      const page = await context.newPage()
      await page.goto(web.origin + path)
      return page
    },
  }
}

/** What `handleRedirect` came to on the page that the tab has come back to. */
export async function returned(page: Page) {
  await page.waitForFunction(() => window.oauthApp)
  return page.evaluate(() => window.oauthApp.returned)
}

export const stateOf = (page: Page) => page.evaluate(() => window.oauthApp.session.ready.then(() => window.oauthApp.session.state))

/** Everything that script of this origin can find without asking the library. */
export const inWebStorage = (page: Page): Promise<string> =>
  page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
