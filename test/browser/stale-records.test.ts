import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { signIn, stage, statusOf } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const day = 86_400_000

/** What lies in the database under which name, and until when; `null`: as long as it likes. */
const kept = (page: Page): Promise<Readonly<Record<string, number | null>>> =>
  page.evaluate(async () => {
    const promised = <T>(request: IDBRequest<T>) => new Promise<T>((resolve) => (request.onsuccess = () => resolve(request.result)))
    const database = await promised(indexedDB.open('latchkey'))
    const records = () => database.transaction('sessions').objectStore('sessions')
    const [names, values] = [await promised(records().getAllKeys()), await promised(records().getAll())]
    database.close()
    return Object.fromEntries(names.map((name, index) => [String(name), values[index]?.until ?? null]))
  })

test('REQ-140: the first page that comes erases what nobody needs any more, of all names, and nothing else', async () => {
  const { server, open, uncaught } = await stage(browser)
  const first = await open()
  await signIn(first, server)
  const began = Date.now()
  await first.evaluate(
    async ({ now, oneDay }) => {
      const { replace } = window.app.deviceStore()
      for (let index = 0; index < 10; index++)
        await replace(`latchkey:stale-${index}`, null, 'of another version, too', now - index * oneDay - 1)
      await replace('latchkey:cleared', null, 'text')
      await replace('latchkey:cleared', 'text', null)
      await replace('latchkey:living', null, 'text', now + oneDay)
      await replace('latchkey:unknown', null, 'text')
    },
    { now: began, oneDay: day },
  )
  const page = await open()
  expect(await statusOf(page)).toBe('signed-in')
  await expect
    .poll(
      async () => {
        await page.evaluate(() => dispatchEvent(new Event('online'))) // a page looks again
        return Object.keys(await kept(page)).sort()
      },
      { timeout: 60_000, interval: 1_500 },
    )
    .toEqual(['key', 'latchkey:living', 'latchkey:test', 'latchkey:unknown'])
  const { 'latchkey:unknown': unknown, 'latchkey:test': ours } = await kept(page)
  for (const until of [unknown, ours]) expect(until).toBeGreaterThan(began + 399 * day)
  expect(await page.evaluate(() => window.app.session.refresh().then(() => window.app.call()))).toBe(200)

  await page.evaluate(() => window.app.session.signOut())
  const { 'latchkey:test': tombstone } = await kept(page)
  expect(tombstone).toBeGreaterThanOrEqual(began + 30 * day)
  expect(tombstone).toBeLessThanOrEqual(Date.now() + 30 * day)
  expect(uncaught).toEqual([])
})
