import { setTimeout as pause } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startDemo } from '../../demo/start.ts'
import { launchChromium, launchOnProfile, newProfile, removeProfile } from './chromium.ts'
import { ends, isSignedIn, signIn, stageDemo } from './demo-tabs.ts'
import { expired, signIn as signInWithTokens, stage, statusOf } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** The first thing that a page does: before its session has been read. */
const callAtOnce = (page: Page, api: string) =>
  page.evaluate(async (url) => (await window.latchkeyDemo.session.fetch(`${url}/me`)).status, api)

test('after a reload, and in a new tab, the first call carries the token, and nobody signs in again (F27, F33)', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const page = await open()
  await signIn(page)
  await page.reload()
  await page.waitForFunction(() => window.latchkeyDemo)
  expect(await callAtOnce(page, demo.api.origin)).toBe(200)
  await isSignedIn(page)

  const another = await open()
  expect(await callAtOnce(another, demo.api.origin)).toBe(200)
  expect(demo.api.requestLog.map(({ credential }) => credential)).toEqual(['valid', 'valid'])
  expect(demo.provider.counters).toMatchObject({ signIns: 1, refreshes: 0 })
  expect(await ends(page)).toEqual([])
  expect(faults).toEqual([])
})

test('a page with a stored session opens its database once and reads once, and does nothing else before its first request (F27)', async () => {
  const { server, context, open, uncaught } = await stage(browser)
  await signInWithTokens(await open(), server)
  await context.addInitScript(() => {
    if (!isSecureContext) return // about:blank, before the page
    const did: string[] = []
    Object.assign(window, { did })
    /** Notes each use of a method of the platform, by name and by one of its arguments. */
    const watch = (owner: object, name: string, argument = Number.NaN) => {
      const method = Reflect.get(owner, name)
      Object.assign(owner, {
        [name](this: unknown, ...args: unknown[]) {
          did.push([name, args[argument] ?? []].flat().join(' '))
          return method.apply(this, args)
        },
      })
    }
    watch(IDBFactory.prototype, 'open')
    watch(IDBDatabase.prototype, 'transaction', 1)
    watch(LockManager.prototype, 'request')
    watch(LockManager.prototype, 'query')
    watch(BroadcastChannel.prototype, 'postMessage')
    watch(SubtleCrypto.prototype, 'generateKey')
    watch(SubtleCrypto.prototype, 'encrypt')
    watch(Storage.prototype, 'getItem')
    watch(Storage.prototype, 'setItem')
    watch(window, 'fetch')
  })
  const page = await open()
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  const did = () => page.evaluate(() => (window as unknown as { readonly did: readonly string[] }).did) // set above
  const before = await did()
  expect(before.slice(0, before.indexOf('fetch'))).toEqual(['open', 'transaction readonly'])
  await page.evaluate(() => window.app.session.refresh())
  expect(await did()).toEqual(expect.arrayContaining(['request', 'encrypt', 'transaction readwrite', 'postMessage'])) // they would have been seen
  expect(server.calls.map(({ credential, status }) => `${credential} ${status}`)).toEqual(['valid 200'])
  expect(uncaught).toEqual([])
})

test('after the browser was closed and started again on the same profile, the user is still signed in (F42)', async () => {
  const demo = await startDemo()
  const folder = await newProfile()
  onTestFinished(async () => {
    await demo.close()
    await removeProfile(folder)
  })
  const first = await launchOnProfile(folder)
  const before = await stageDemo(first, { demo })
  await signIn(await before.open(), 'grace')
  await first.close()

  const second = await launchOnProfile(folder)
  onTestFinished(() => second.close())
  const after = await stageDemo(second, { demo })
  const page = await after.open()
  expect(await callAtOnce(page, demo.api.origin)).toBe(200)
  expect(await page.locator('#state').textContent()).toBe('Signed in as grace')
  expect(demo.api.requestLog.map(({ credential }) => credential)).toEqual(['valid'])
  expect(demo.provider.counters).toMatchObject({ signIns: 1, refreshes: 0 })
  expect([...before.faults, ...after.faults]).toEqual([])
})

test('a reload in the middle of a refresh is caught by the grace window of the server, every time (F33)', async () => {
  const { server, open, uncaught } = await stage(browser)
  server.rules.rotation = 'grace'
  const page = await open()
  await signInWithTokens(page, server)
  for (let round = 1; round <= 5; round++) {
    server.rules.slowness = 1_000
    await page.evaluate(() => void window.app.session.refresh().catch(() => {}))
    await expect.poll(() => server.refreshes.length).toBe(2 * round - 1) // the server has rotated, and has not answered
    server.rules.slowness = 0
    await page.reload()
    await page.evaluate(() => window.app.session.refresh())
    expect(await page.evaluate(() => window.app.call())).toBe(200)
    expect(server.refreshes.slice(-2)).toEqual(['granted', 'again'])
  }
  expect(server.refreshes).toHaveLength(10)
  expect(await page.evaluate(() => window.app.ends)).toEqual([])
  expect(uncaught).toEqual([])
})

test('ten tabs that wake together with an expired token refresh once, and every first call succeeds (F16)', async () => {
  const { context, demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  const page = await open()
  await signIn(page)
  const expiresAt = await page.evaluate(() => {
    const { state } = window.latchkeyDemo.session
    return state.status === 'signed-in' ? state.expiresAt : null
  })
  await page.close()
  demo.provider.settings.accessTokenLifetime = 300
  await pause(Math.max(0, expiresAt! - Date.now()))

  const tabs = await Promise.all(Array.from({ length: 10 }, () => context.newPage()))
  await Promise.all(tabs.map((tab) => tab.goto(demo.url)))
  const came = await Promise.all(
    tabs.map(async (tab) => {
      await tab.waitForFunction(() => window.latchkeyDemo)
      return callAtOnce(tab, demo.api.origin)
    }),
  )
  expect(came).toEqual(Array.from({ length: 10 }, () => 200))
  expect(demo.provider.counters).toMatchObject({ signIns: 1, refreshes: 1, granted: 1, reused: 0 })
  expect(demo.api.counters).toMatchObject({ answered: 10, refused: 0 })
  for (const tab of tabs) expect(await ends(tab)).toEqual([])
  expect(faults).toEqual([])
})

/** Tells the page what a machine that wakes makes a browser say: some of it at once, the rest when the page has had time to look. Resolves with how often it has looked within `span` ms. */
const wake = (page: Page, span: number, callsAtOnce: boolean) =>
  page.evaluate(
    async ([time, calls]) => {
      let looked = 0
      const { transaction } = IDBDatabase.prototype
      IDBDatabase.prototype.transaction = function (...args) {
        if (args[1] !== 'readwrite') looked++
        return transaction.apply(this, args)
      }
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
      const over = pause(time)
      document.dispatchEvent(new Event('resume'))
      document.dispatchEvent(new Event('visibilitychange'))
      window.dispatchEvent(new Event('focus'))
      const called = calls ? window.app.call() : null
      await pause(25)
      window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
      await pause(25)
      window.dispatchEvent(new Event('online'))
      await over
      const came = await called
      IDBDatabase.prototype.transaction = transaction
      return { looked, came }
    },
    [span, callsAtOnce] as const,
  )

test('a wake that the browser tells in four ways is one look in each of twelve windows; and one refresh in all, if the token is over (F16)', async () => {
  const { server, open, uncaught } = await stage(browser)
  const tabs = await Promise.all(Array.from({ length: 12 }, () => open()))
  await signInWithTokens(tabs[0]!, server, 'ada')
  for (const tab of tabs) await expect.poll(() => statusOf(tab)).toBe('signed-in')
  await pause(1_100) // a look that is younger than a second would do
  const slept = await Promise.all(tabs.map((tab) => wake(tab, 500, false)))
  expect(slept).toEqual(tabs.map(() => ({ looked: 1, came: null })))
  expect(server.refreshes).toEqual([])

  server.rules.lifetime = 1
  await signInWithTokens(tabs[0]!, server, 'ada')
  const sessionOf = (tab: Page) => tab.evaluate(() => 'sessionId' in window.app.session.state && window.app.session.state.sessionId)
  const newSession = await sessionOf(tabs[0]!)
  for (const tab of tabs) await expect.poll(() => sessionOf(tab)).toBe(newSession)
  await Promise.all(tabs.map(expired))
  server.rules.lifetime = 300
  server.rules.slowness = 200
  const found = await Promise.all(tabs.map((tab) => wake(tab, 1_000, true)))
  expect(found.map(({ came }) => came)).toEqual(tabs.map(() => 200))
  expect(server.refreshes).toEqual(['granted'])
  // Its waking; before and after it waits for the lock; what it is told of. One of them claims and commits.
  expect(found.reduce((sum, { looked }) => sum + looked, 0)).toBeLessThanOrEqual(12 * 4 + 2)
  const heard = await Promise.all(
    tabs.map((tab) => tab.evaluate(() => window.app.notes.flatMap(({ what, at }) => (what === 'refreshed' ? [at] : [])))),
  )
  expect(heard.map(({ length }) => length)).toEqual(tabs.map(() => 1))
  expect(Math.max(...heard.flat()) - Math.min(...heard.flat()), 'ms').toBeLessThanOrEqual(1_000)
  expect(uncaught).toEqual([])
})
