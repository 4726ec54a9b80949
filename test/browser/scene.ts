import type { SessionOptions } from 'latchkey'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { fragments } from './database.ts'
import type {} from './page/app.ts'
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts'

/** Tabs of one profile on the test page, and the server they talk to. */
export interface Scene {
  readonly server: ScriptedServer
  readonly context: BrowserContext
  /** Errors that nobody caught, in any tab. */
  readonly uncaught: readonly string[]
  /** `options` are for the session of the page. */
  readonly open: (path?: string, options?: Partial<SessionOptions>) => Promise<Page>
}

/** Ends with the test that asks for it; one that runs beside others says which it is. */
export async function stage(browser: Browser | BrowserContext, finished: typeof onTestFinished = onTestFinished): Promise<Scene> {
  const server = await startScriptedServer()
  const isBrowser = 'newContext' in browser
  const context = isBrowser ? await browser.newContext() : browser
  const shown: string[] = []
  context.on('console', (message) => shown.push(message.text()))
  context.on('request', (request) => shown.push(request.url()))
  finished(async () => {
    for (const page of context.pages()) shown.push(await contentOf(page))
    if (isBrowser) await context.close()
    await server.close()
    const text = shown.join('\n')
    expect(
      fragments(server.tokens).filter((part) => text.includes(part)),
      'seen in a console, an address or a document (REQ-29, F64)',
    ).toEqual([])
  })
  const uncaught: string[] = []
  context.on('weberror', (report) => uncaught.push(String(report.error())))
  return {
    server,
    context,
    uncaught,
    async open(path = '/', options) {
      const page = await context.newPage()
      await page.goto(`${server.origin}${path}${options ? `#${JSON.stringify(options)}` : ''}`)
      return page
    },
  }
}

/** What a page shows; nothing, if it is frozen and does not say. */
const contentOf = (page: Page): Promise<string> => Promise.race([page.content().catch(() => ''), calm(1_000).then(() => '')])

/** Signs in with what the server grants. */
export async function signIn(page: Pick<Page, 'evaluate'>, server: ScriptedServer, subject?: string): Promise<void> {
  await page.evaluate(({ tokens, who }) => window.app.session.signIn(tokens, { subject: who }), { tokens: server.grant(), who: subject })
}

export const statusOf = (page: Pick<Page, 'evaluate'>): Promise<string> =>
  page.evaluate(() => window.app.session.ready.then(() => window.app.session.state.status))

/** Until the token that the tab holds has run out. A hidden tab draws no frames, so a timer looks. */
export const expired = (page: Page) =>
  page.waitForFunction(
    () => {
      const { state } = window.app.session
      return state.status === 'signed-in' && Date.now() > Number(state.expiresAt)
    },
    undefined,
    { polling: 50 },
  )

/** The record, as it lies in the browser's storage. */
export const stored = (page: Page, name = 'test'): Promise<Record<string, unknown> | null> =>
  page.evaluate(async (key) => JSON.parse((await window.app.deviceStore().read(`latchkey:${key}`)) ?? 'null'), name)

/** Time for what must not happen to happen. */
export const calm = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
