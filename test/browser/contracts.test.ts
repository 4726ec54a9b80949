import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { contracts } from './page/contracts.ts'
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts'

let browser: Browser
let server: ScriptedServer
let page: Page

beforeAll(async () => {
  browser = await launchChromium()
  server = await startScriptedServer()
  page = await browser.newPage()
  await page.goto(server.origin)
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
})

describe.each(Object.entries(contracts))('the %s of Chromium', (port, cases) => {
  // Here only the names are of interest: the cases run in the page.
  for (const { name } of cases) test(name, () => page.evaluate(([of, one]) => window.app.runContract(of, one), [port, name] as const))
})
