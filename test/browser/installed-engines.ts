import { firefoxPath, webKitPrograms } from '../../scripts/ensure-browser.ts'
import { launchChromium } from './chromium.ts'
import { drivenByPlaywright } from './driven-by-playwright.ts'
import type { Engine } from './engine.ts'
import { launchFirefox } from './firefox.ts'
import { launchWebKit } from './webkit.ts'

const chromium: Engine = {
  name: 'Chromium',
  keepsPages: false, // Playwright turns that off; page-life.test.ts has a Chromium as users have it
  launch: async () => drivenByPlaywright(await launchChromium({ whole: true })),
}
const firefox: Engine = { name: 'Firefox', keepsPages: true, launch: launchFirefox }
const webKit: Engine = { name: 'WebKit', keepsPages: true, launch: launchWebKit }

/** Chromium is always among them: without it there is no test run. scripts/ensure-browser.ts says which of the others are missing. */
export const installedEngines: readonly Engine[] = [
  chromium,
  ...(firefoxPath() === null ? [] : [firefox]),
  ...(webKitPrograms() === null ? [] : [webKit]),
]
