import type { Browser, BrowserContext, Page } from 'playwright-core'
import { onTestFinished } from 'vitest'
import type {} from './page/app.ts'
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts'

/** Tabs of one profile on the test page, and the server they talk to. */
export interface Scene {
  readonly server: ScriptedServer
  readonly context: BrowserContext
  /** Errors that nobody caught, in any tab. */
  readonly uncaught: readonly string[]
  readonly open: (path?: string) => Promise<Page>
}

/** Ends with the test that asks for it. */
export async function stage(browser: Browser | BrowserContext): Promise<Scene> {
  const server = await startScriptedServer()
  const isBrowser = 'newContext' in browser
  const context = isBrowser ? await browser.newContext() : browser
  onTestFinished(async () => {
    if (isBrowser) await context.close()
    await server.close()
  })
  const uncaught: string[] = []
  context.on('weberror', (report) => uncaught.push(String(report.error())))
  return {
    server,
    context,
    uncaught,
    async open(path = '/') {
      const page = await context.newPage()
      await page.goto(server.origin + path)
      return page
    },
  }
}

/** Signs in with what the server grants. */
export async function signIn(page: Pick<Page, 'evaluate'>, server: ScriptedServer, subject?: string): Promise<void> {
  await page.evaluate(({ tokens, who }) => window.app.session.signIn(tokens, { subject: who }), { tokens: server.grant(), who: subject })
}

export const statusOf = (page: Pick<Page, 'evaluate'>): Promise<string> =>
  page.evaluate(() => window.app.session.ready.then(() => window.app.session.state.status))

/** Time for what must not happen to happen. */
export const calm = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
