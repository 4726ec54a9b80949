import { firefox } from 'playwright-core'
import { firefoxPath } from '../../scripts/ensure-browser.ts'
import { newProfile, removeProfile } from './chromium.ts'
import { drivenByPlaywright } from './driven-by-playwright.ts'
import type { EngineBrowser } from './engine.ts'

/** As Mozilla builds it, over WebDriver BiDi. Every tab counts as visible; pages are kept for the way back. */
export async function launchFirefox(): Promise<EngineBrowser> {
  const executablePath = firefoxPath()
  if (!executablePath) throw new Error('There is no Firefox here.')
  const home = await newProfile() // Firefox leaves caches in any, and refuses to be run by root in somebody else's
  try {
    const browser = drivenByPlaywright(
      await firefox.launch({ channel: 'moz-firefox', executablePath, env: { ...process.env, HOME: home }, timeout: 60_000 }),
    )
    return {
      ...browser,
      async close() {
        await browser.close()
        await removeProfile(home)
      },
    }
  } catch (error) {
    await removeProfile(home)
    throw error
  }
}
