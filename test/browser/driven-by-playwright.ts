import type { Browser, Page } from 'playwright-core'
import type { EngineBrowser, Tab } from './engine.ts'

export const drivenByPlaywright = (browser: Browser): EngineBrowser => ({
  async openProfile() {
    const context = await browser.newContext()
    return {
      async open(url) {
        const page = await context.newPage()
        await page.goto(url)
        return tabOf(page)
      },
      close: () => context.close(),
    }
  },
  close: () => browser.close(),
})

const tabOf = (page: Page): Tab => ({
  evaluate: page.evaluate.bind(page),
  goto: (url) => page.goto(url),
  reload: () => page.reload(),
  // Playwright's own goBack waits for a load, and a page that was kept is not loaded. On the way, nobody is there to answer.
  back: () => page.evaluate(() => void setTimeout(() => history.back())).catch(() => {}),
  close: () => page.close(),
})
