import type { Browser } from 'playwright-core'
import type { EngineBrowser } from './engine.ts'

export const drivenByPlaywright = (browser: Browser): EngineBrowser => ({
  async openProfile() {
    const context = await browser.newContext()
    return {
      async open(url) {
        const page = await context.newPage()
        await page.goto(url)
        return page
      },
      close: () => context.close(),
    }
  },
  close: () => browser.close(),
})
