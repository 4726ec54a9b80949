import type { Page } from 'playwright-core'
import { expect, type onTestFinished } from 'vitest'
import { launchUntouched } from './chromium.ts'
import { expired, type Scene, signIn, stage, statusOf } from './scene.ts'

export interface UntouchedScene extends Scene {
  /** Needs another tab in front. Resolves with what thaws it again. */
  readonly freeze: (page: Page) => Promise<() => Promise<void>>
}

/** Only a browser without the usual overrides hides tabs and freezes them: one for each test, so that tests can wait side by side. */
export async function stageUntouched(finished: typeof onTestFinished): Promise<UntouchedScene> {
  const browser = await launchUntouched()
  finished(() => browser.close())
  const scene = await stage(browser.context, finished)
  return {
    ...scene,
    async freeze(page) {
      await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe('hidden')
      const protocol = await browser.context.newCDPSession(page)
      await protocol.send('Page.setWebLifecycleState', { state: 'frozen' })
      return async () => {
        await protocol.send('Page.setWebLifecycleState', { state: 'active' })
      }
    },
  }
}

/** A hidden tab that has sent a refresh, which the server has not answered; and one in front, whose token has expired, too. */
export async function stopInMidRefresh({ server, open }: UntouchedScene, slowness: number) {
  server.rules.lifetime = 1
  const holder = await open()
  await signIn(holder, server)
  await holder.evaluate(() => {
    for (const type of ['freeze', 'resume']) document.addEventListener(type, () => window.app.note(type))
  })
  const other = await open()
  await expect.poll(() => statusOf(other)).toBe('signed-in')
  await other.bringToFront()
  await Promise.all([expired(holder), expired(other)])

  server.rules.lifetime = 300
  server.rules.slowness = slowness
  await holder.evaluate(() => void window.app.call().then((came) => window.app.note('call', String(came))))
  await expect.poll(() => server.refreshes).toEqual(['granted'])
  server.rules.slowness = 0
  return { holder, other }
}

/** Calls until one is answered, or the session is over. Resolves with what the last came to, when, and how long it all took. */
export const callUntilAnswered = (page: Page) =>
  page.evaluate(async () => {
    const began = Date.now()
    let came = await window.app.call()
    while (came === 'refresh_unavailable') {
      await new Promise((resolve) => setTimeout(resolve, 50))
      came = await window.app.call()
    }
    return { came, at: Date.now(), took: Date.now() - began }
  })

export const notesOf = (page: Page) => page.evaluate(() => window.app.notes.map(({ what, detail }) => `${what} ${detail}`))
