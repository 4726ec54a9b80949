// The key that seals the record is in the same database: it is gone with the records.

import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { calm, expired, signIn, stage, statusOf, stored } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

test('a session whose storage is cleared under live tabs goes on, and is written back, once (F42, REQ-132)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  const tabs = [await open(), await open()]
  await signIn(tabs[0]!, server, 'ada')
  await expect.poll(() => statusOf(tabs[1]!)).toBe('signed-in')
  const before = await stored(tabs[0]!)

  const protocol = await context.newCDPSession(tabs[0]!)
  await protocol.send('Storage.clearDataForOrigin', { origin: server.origin, storageTypes: 'all' })
  expect(await stored(tabs[0]!)).toBeNull()
  for (const tab of tabs) expect(await tab.evaluate(() => window.app.call())).toBe(200)
  await calm(1_000) // a tab that has just looked does not look again
  for (const tab of tabs) await tab.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
  await expect.poll(() => stored(tabs[0]!)).not.toBeNull()
  const after = await stored(tabs[0]!)
  const { session, generation, subject, grant } = before!
  expect(after).toMatchObject({ status: 'active', session, generation, subject, grant })

  for (const tab of tabs) {
    await tab.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    expect(await tab.evaluate(() => window.app.call())).toBe(200)
  }
  await calm(1_000)
  expect(await stored(tabs[0]!)).toEqual(after) // who looked later has found it
  expect(await statusOf(await open())).toBe('signed-in')
  for (const tab of tabs) expect(await tab.evaluate(() => window.app.ends)).toEqual([])
  expect([server.refreshes, server.revocations]).toEqual([[], []])
  expect(uncaught).toEqual([])
})

test('a tab whose storage was cleared refreshes all the same when its token has expired (F42, REQ-132)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  const page = await open('/', { refreshTimeout: 1_000 }) // a request that may still be on its way is waited for, and so long
  server.rules.lifetime = 3
  await signIn(page, server)
  const protocol = await context.newCDPSession(page)
  await protocol.send('Storage.clearDataForOrigin', { origin: server.origin, storageTypes: 'all' })
  await expired(page)
  server.rules.lifetime = 300
  await expect.poll(() => page.evaluate(() => window.app.call()), { timeout: 20_000 }).toBe(200)
  expect(server.refreshes).toEqual(['granted'])
  expect(await stored(page)).toMatchObject({ status: 'active' })
  await page.reload()
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(uncaught).toEqual([])
})
