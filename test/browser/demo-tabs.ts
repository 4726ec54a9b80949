import type { Session, SessionEnd } from 'latchkey'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'
import { type Demo, startDemo } from '../../demo/start.ts'

/** What one tab of the demo has been told, and when. */
interface Heard {
  readonly ends: (SessionEnd & { readonly heardAt: number })[]
  readonly expirations: SessionEnd[]
  /** Has this page written a record? */
  written: boolean
}

declare global {
  interface Window {
    latchkeyDemo: { readonly session: Session }
    heard: Heard
  }
}

/** The demo and the tabs of one profile on it. */
export interface DemoScene {
  readonly demo: Demo
  readonly context: BrowserContext
  /** Errors that nobody caught, and what the Content Security Policy had to stop, in any tab. */
  readonly faults: readonly string[]
  readonly open: () => Promise<Page>
}

export interface DemoSceneOptions {
  readonly accessTokenLifetime?: number
  /** A demo that is there already, and stays. */
  readonly demo?: Demo
}

/** Ends with the test that asks for it. */
export async function stageDemo(browser: Browser | BrowserContext, options: DemoSceneOptions = {}): Promise<DemoScene> {
  const demo = options.demo ?? (await startDemo({ accessTokenLifetime: options.accessTokenLifetime }))
  const isBrowser = 'newContext' in browser
  const context = isBrowser ? await browser.newContext() : browser
  onTestFinished(async () => {
    if (isBrowser) await context.close()
    if (!options.demo) await demo.close()
  })
  const faults: string[] = []
  context.on('weberror', (report) => faults.push(String(report.error())))
  context.on('console', (message) => {
    if (/Content Security Policy|TrustedScript|TrustedHTML/.test(message.text())) faults.push(message.text())
  })
  await context.addInitScript(listenToSession)
  return {
    demo,
    context,
    faults,
    async open() {
      const page = await context.newPage()
      await page.goto(demo.url)
      await page.waitForFunction(() => window.latchkeyDemo)
      return page
    },
  }
}

/** Runs in the page, before it has a session: listens from the moment there is one. */
function listenToSession(): void {
  const heard: Heard = { ends: [], expirations: [], written: false }
  Object.defineProperty(window, 'latchkeyDemo', {
    configurable: true,
    set(demo: Window['latchkeyDemo']) {
      Object.defineProperty(window, 'latchkeyDemo', { value: demo })
      demo.session.onSessionEnded((end) => heard.ends.push({ ...end, heardAt: Date.now() }))
      demo.session.onSessionExpired((end) => heard.expirations.push(end))
      demo.session.on('diagnostic', ({ type, detail }) => {
        if (type === 'record-read' && detail.by === 'this-tab') heard.written = true
      })
    },
  })
  window.heard = heard
}

/** Over the provider's page, as a user does it with the keyboard, until other tabs can see it. `from`: the button that leads there. */
export async function signIn(page: Page, name = 'ada', from = '#sign-in'): Promise<void> {
  const button = page.locator(from)
  await button.waitFor() // hidden until the session has been read; a key pressed before that goes to nobody
  await button.press('Enter')
  await page.waitForURL('**/login/**')
  await page.getByLabel('Name').focus()
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.type(name)
  await page.keyboard.press('Enter')
  await page.waitForFunction((who) => {
    const state = window.latchkeyDemo?.session.state
    return state?.status === 'signed-in' && state.subject === who && window.heard.written
  }, name)
}

export const isSignedIn = (page: Page) => page.waitForFunction(() => window.latchkeyDemo?.session.state.status === 'signed-in')

/** Every 400 ms, for as long as somebody is signed in. */
export const callAllTheTime = (page: Page): Promise<void> => page.locator('#call-always').check()

/** Eight tabs of one profile, signed in by the first, all of them calling the API. */
export async function eightTabs(open: () => Promise<Page>): Promise<readonly Page[]> {
  const first = await open()
  await signIn(first)
  const tabs = [first, ...(await Promise.all(Array.from({ length: 7 }, open)))]
  await Promise.all(tabs.map(isSignedIn))
  await Promise.all(tabs.map(callAllTheTime))
  return tabs
}

export const ends = (page: Page) => page.evaluate(() => window.heard.ends)

export const expirations = (page: Page) => page.evaluate(() => window.heard.expirations)

export const number = async (page: Page, id: string): Promise<number> => Number(await page.locator(`#${id}`).textContent())

/** Where in the diagram its session is. */
export const place = (page: Page) => page.locator('#session').getAttribute('data-place')

export const turn = (page: Page, knob: string, value: string) => page.locator(`input[name="${knob}"][value="${value}"]`).check()

/** Turned until the provider has it: a page that has not heard of the servers' settings yet shows five minutes, and does nothing when they are chosen. */
export const letTokensLiveLonger = (page: Page, demo: Demo) =>
  expect
    .poll(async () => {
      await turn(page, 'lifetime', '300')
      return demo.provider.settings.accessTokenLifetime
    })
    .toBe(300)
