import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import type {} from './page/worker.ts'
import { calm, expired, signIn, stage, statusOf, stored } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** Uses the API until `expiries` refreshes have been heard of. Resolves with when this tab refreshed itself, and what calls came to. */
const callThrough = (page: Page, expiries: number) =>
  page.evaluate(async (wanted) => {
    const came = new Set<number | string>()
    const refreshes = () => window.app.notes.filter(({ what }) => what === 'refreshed')
    while (refreshes().length < wanted) {
      came.add(await window.app.call())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return { came: [...came], at: refreshes().flatMap(({ detail, at }) => (detail === 'this-tab' ? [at] : [])) }
  }, expiries)

// These wait for tokens to expire: side by side.
describe.concurrent('side by side,', () => {
  test('a session that a tab shares with its duplicate is refreshed once per expiry, and goes on when either is closed (F13)', async ({
    expect,
    onTestFinished,
  }) => {
    const { server, open, context, uncaught } = await stage(browser, onTestFinished)
    const first = await open()
    server.rules.lifetime = 2
    await signIn(first, server)
    await first.evaluate(() => sessionStorage.setItem('mark', 'copied'))
    const opened = context.waitForEvent('page')
    await first.evaluate(() => void window.open(location.href))
    const second = await opened
    await second.waitForLoadState()
    expect(await second.evaluate(() => sessionStorage.getItem('mark'))).toBe('copied')
    expect(await statusOf(second)).toBe('signed-in')

    const found = await Promise.all([first, second].map((tab) => callThrough(tab, 5)))
    expect(found.map(({ came }) => came)).toEqual([[200], [200]])
    const at = found.flatMap((tab) => tab.at).sort()
    expect(server.refreshes).toEqual(at.map(() => 'granted'))
    const pauses = at.slice(1).map((time, index) => time - at[index]!)
    expect(Math.min(...pauses), 'ms').toBeGreaterThan(1_500) // each token was used for most of its life

    await first.close()
    await expired(second)
    expect(await second.evaluate(() => window.app.call())).toBe(200)
    expect(await second.evaluate(() => window.app.ends)).toEqual([])
    expect(new Set(server.refreshes)).toEqual(new Set(['granted']))
    expect(uncaught).toEqual([])
  })

  test.for(['a dedicated worker', 'a service worker'] as const)(
    'a session in %s, on a store that takes half a second, is refreshed once per expiry for a hundred callers (F48)',
    async (kind, { expect, onTestFinished }) => {
      const { server, open, context, uncaught } = await stage(browser, onTestFinished)
      const page = await open('/blank')
      const running = kind === 'a service worker' ? context.waitForEvent('serviceworker') : page.waitForEvent('worker')
      await page.evaluate((service) => {
        if (service) void navigator.serviceWorker.register('/worker.js')
        else Object.assign(window, { kept: new Worker('/worker.js') })
      }, kind === 'a service worker')
      const worker = await running
      await expect.poll(() => worker.evaluate(() => 'inWorker' in globalThis)).toBe(true)
      expect(await worker.evaluate(() => [typeof window, typeof document])).toEqual(['undefined', 'undefined'])

      server.rules.lifetime = 3
      await worker.evaluate((tokens) => globalThis.inWorker.session.signIn(tokens), server.grant())
      const rounds = await worker.evaluate(async (count) => {
        const { session } = globalThis.inWorker
        const found: { readonly tokens: readonly string[]; readonly came: number }[] = []
        while (found.length < count) {
          const { state } = session
          const expiresAt = state.status === 'signed-in' ? Number(state.expiresAt) : Number.NaN
          await new Promise((resolve) => setTimeout(resolve, expiresAt - Date.now() + 1))
          const tokens = await Promise.all(Array.from({ length: 100 }, () => session.getToken()))
          found.push({ tokens: [...new Set(tokens)], came: (await session.fetch(`${location.origin}/api/me`)).status })
        }
        return found
      }, 3)
      const granted = server.tokens.filter((token) => token.startsWith('access')).slice(1)
      expect(rounds).toEqual(granted.map((token) => ({ tokens: [token], came: 200 })))
      expect(server.refreshes).toEqual(['granted', 'granted', 'granted'])
      expect(server.calls.map(({ credential }) => credential)).toEqual(['valid', 'valid', 'valid'])
      expect(uncaught).toEqual([])
    },
  )

  // There has been no other version than this one: what can be said of today is what it does with a record of tomorrow.
  test('a record of a later version is left alone, and ends nothing (F44, REQ-133)', async ({ expect, onTestFinished }) => {
    const { server, open, uncaught } = await stage(browser, onTestFinished)
    const live = await open()
    server.rules.lifetime = 4
    await signIn(live, server, 'ada')
    const later = await live.evaluate(async () => {
      const store = window.app.deviceStore()
      const now = await store.read('latchkey:test')
      const next = JSON.stringify({ ...JSON.parse(now ?? ''), version: 2, generation: 9, novelty: 'something we do not know' })
      await store.replace('latchkey:test', now, next)
      return next
    })
    await calm(1_000)
    await live.evaluate(() => document.dispatchEvent(new Event('visibilitychange')))
    const next = await open()
    expect(await next.evaluate(() => window.app.session.ready)).toEqual({ status: 'signed-out', reason: null })
    expect(await next.evaluate(() => window.app.call())).toBe('signed_out')
    expect(await live.evaluate(() => window.app.call())).toBe(200) // with the token that it has
    await expired(live)
    expect(await live.evaluate(() => window.app.call())).toBe('refresh_unavailable') // whose refresh token is not to be spent by us
    await calm(1_000)
    for (const tab of [live, next]) expect(await tab.evaluate(() => window.app.ends)).toEqual([])
    expect(await live.evaluate(() => window.app.deviceStore().read('latchkey:test'))).toBe(later)
    expect([server.refreshes, server.revocations]).toEqual([[], []])
    expect(uncaught).toEqual([])
  })
})

test('a database that never opens holds nobody up for longer than two seconds (F40)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  await context.addInitScript(() => {
    IDBFactory.prototype.open = () => new EventTarget() as IDBOpenDBRequest // nothing is ever heard of it
  })
  const page = await open()
  const ready = await page.evaluate(async () => {
    await window.app.session.ready
    return performance.now()
  })
  expect(ready, 'ms').toBeLessThanOrEqual(2_000 + 1_000) // the page's own loading included
  expect(await statusOf(page)).toBe('signed-out')
  void signIn(page, server).catch(() => {}) // is in use at once; that other tabs see it is more than this browser can do
  await expect.poll(() => page.evaluate(() => window.app.call())).toBe(200)
  expect(uncaught).toEqual([])
})

/** Until nothing more goes into the storage of the page, not ten bytes. */
const fill = (page: Page) =>
  page.evaluate(async () => {
    const store = window.app.deviceStore()
    for (let size = 1e6, made = 0; size >= 10; made++) {
      if (!(await store.replace(`ballast:${made}`, null, 'x'.repeat(size)).catch(() => false))) size /= 10
    }
  })

test('a disk that is full when a refresh is answered costs no call: the spent token makes room for the new one, and is not sent again after a reload (F39)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  const protocol = await context.newCDPSession(await open('/blank'))
  await protocol.send('Storage.overrideQuotaForOrigin', { origin: server.origin, quotaSize: 3e6 })
  const page = await open()
  await signIn(page, server)
  server.rules.slowness = 5_000
  const refreshed = page.evaluate(() => window.app.session.refresh().then(() => 'refreshed', window.app.nameOf))
  await expect.poll(() => server.refreshes).toEqual(['granted'])
  await fill(page)
  expect(await stored(page)).toMatchObject({ generation: 1, claim: { lasts: expect.any(Number) } }) // the answer has not come yet
  server.rules.slowness = 0
  expect(await refreshed).toBe('refreshed')
  expect(await page.evaluate(() => window.app.call())).toBe(200)

  // On a busy machine what was erased is room only after a moment, and the tab tries again.
  await expect.poll(() => stored(page), { timeout: 15_000 }).toMatchObject({ generation: 2 })
  await page.reload()
  expect(await statusOf(page)).toBe('signed-in')
  await protocol.send('Storage.overrideQuotaForOrigin', { origin: server.origin }) // there is room again
  await page.evaluate(() => window.app.session.refresh())
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(server.refreshes).toEqual(['granted', 'granted'])
  expect(uncaught).toEqual([])
})

test('a page that starts after its storage was cleared is signed out, without a word; a sign-out stays one (F42)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  const page = await open()
  await signIn(page, server)
  await page.goto(`${server.origin}/blank`)
  const protocol = await context.newCDPSession(page)
  await protocol.send('Storage.clearDataForOrigin', { origin: server.origin, storageTypes: 'all' })
  await page.goto(server.origin)
  expect(await page.evaluate(() => window.app.session.ready)).toEqual({ status: 'signed-out', reason: null })
  expect(await page.evaluate(() => window.app.notes)).toEqual([])

  await signIn(page, server)
  await page.evaluate(() => window.app.session.signOut())
  expect(await stored(page)).toMatchObject({ status: 'ended', reason: 'signed-out' })
  await page.reload()
  expect(await page.evaluate(() => window.app.session.ready)).toEqual({ status: 'signed-out', reason: 'signed-out' })
  expect(uncaught).toEqual([])
})
