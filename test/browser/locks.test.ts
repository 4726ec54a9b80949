import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { expired, signIn, stage, statusOf } from './scene.ts'

/** The long run has what a refresh may really take: npm run test:long */
const slowness = process.env.LATCHKEY_EXPIRIES ? 30_000 : 12_000

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** What a call came to, and how long that took. */
const timedCall = (page: Page) =>
  page.evaluate(async () => {
    const began = performance.now()
    const came = await window.app.call()
    return { came, took: performance.now() - began }
  })

const queueFor = (page: Page) =>
  page.evaluate(async () => (await navigator.locks.query()).pending?.filter(({ name }) => name === 'latchkey:test').length)

// They do little but wait: side by side.
describe.concurrent('a lock', () => {
  test('that a page holds for ever keeps nobody from a token, and nobody asks for it who has one (F02, REQ-124)', async ({
    expect,
    onTestFinished,
  }) => {
    const { server, open, uncaught } = await stage(browser, onTestFinished)
    const holder = await open('/blank')
    await holder.evaluate(
      () =>
        new Promise<void>((held) => {
          navigator.locks.request('latchkey:test', () => {
            held()
            return new Promise(() => {})
          })
        }),
    )

    const page = await open()
    server.rules.lifetime = 200
    await signIn(page, server)
    const had = await page.evaluate(async () => {
      const { request } = LockManager.prototype
      let asked = 0
      navigator.locks.request = (...args: unknown[]) => {
        asked++
        return Reflect.apply(request, navigator.locks, args)
      }
      const began = performance.now()
      await window.app.session.getToken()
      return { took: performance.now() - began, asked }
    })
    expect(had.took, 'ms').toBeLessThanOrEqual(50)
    expect(had.asked).toBe(0)

    server.rules.lifetime = 1
    await signIn(page, server)
    await expired(page)
    const without = await timedCall(page)
    expect(without.came).toBe(200)
    expect(without.took, 'ms').toBeLessThanOrEqual(15_000)
    expect(server.refreshes).toEqual(['granted'])

    // And as soon as it is free, it is there for the next one.
    await expired(page)
    const waiting = page.evaluate(() => window.app.call().then((came) => ({ came, at: Date.now() })))
    await expect.poll(() => queueFor(page)).toBe(1)
    const freed = Date.now()
    await holder.close()
    const { came, at } = await waiting
    expect(came).toBe(200)
    expect(at - freed, 'ms').toBeLessThanOrEqual(2_000)
    expect(server.refreshes).toEqual(['granted', 'granted'])
    expect(uncaught).toEqual([])
  })

  test(`is not taken from a refresh that takes ${slowness / 1000} s: one request, and both tabs have what it brought (F04, F05, REQ-126)`, async ({
    expect,
    onTestFinished,
  }) => {
    const { server, open, uncaught } = await stage(browser, onTestFinished)
    const options = { refreshTimeout: slowness + 10_000 }
    const [here, there] = [await open('/', options), await open('/', options)]
    server.rules.lifetime = 1
    await signIn(here, server)
    await expect.poll(() => statusOf(there)).toBe('signed-in')
    await Promise.all([expired(here), expired(there)])

    server.rules.lifetime = 300
    server.rules.slowness = slowness
    const first = timedCall(here)
    await expect.poll(() => server.refreshes.length).toBe(1)
    const second = timedCall(there)
    const calls = await Promise.all([first, second])
    expect(calls.map(({ came }) => came)).toEqual([200, 200])
    expect(calls[1]!.took).toBeGreaterThan(6_000) // it has waited longer than anybody waits for a lock
    expect(server.refreshes).toEqual(['granted'])
    for (const tab of [here, there]) expect(await tab.evaluate(() => window.app.ends)).toEqual([])
    expect(uncaught).toEqual([])
  })
})
