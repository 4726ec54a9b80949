import { setTimeout as pause } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startDemo } from '../../demo/start.ts'
import { launchChromium, launchOnProfile, newProfile, removeProfile } from './chromium.ts'
import { ends, isSignedIn, signIn, stageDemo } from './demo-tabs.ts'
import { signIn as signInWithTokens, stage } from './scene.ts'

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

test('a wake that the browser tells in four ways is one look and one refresh in each of twelve windows (F16)', async () => {
  const { demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  const first = await open()
  await signIn(first)
  demo.provider.settings.accessTokenLifetime = 300
  const tabs = [first, ...(await Promise.all(Array.from({ length: 11 }, open)))]
  await Promise.all(tabs.map(isSignedIn))
  expect(demo.provider.counters.refreshes).toBe(0)
  await expect
    .poll(() =>
      first.evaluate(() => {
        const { state } = window.latchkeyDemo.session
        return state.status === 'signed-in' && Date.now() > Number(state.expiresAt)
      }),
    )
    .toBe(true)

  const looks = await Promise.all(
    tabs.map((tab) =>
      tab.evaluate(async () => {
        const { session } = window.latchkeyDemo
        let looked = 0
        const transaction = IDBDatabase.prototype.transaction
        IDBDatabase.prototype.transaction = function (...args) {
          if (args[1] !== 'readwrite') looked++
          return transaction.apply(this, args)
        }
        // What a machine that wakes makes a browser say.
        document.dispatchEvent(new Event('resume'))
        document.dispatchEvent(new Event('visibilitychange'))
        window.dispatchEvent(new Event('focus'))
        window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
        window.dispatchEvent(new Event('online'))
        const lookedAtOnce = looked
        await session.getToken()
        return lookedAtOnce
      }),
    ),
  )
  expect(Math.max(...looks)).toBeLessThanOrEqual(1)
  expect(demo.provider.counters).toMatchObject({ refreshes: 1, granted: 1, reused: 0 })
  expect(faults).toEqual([])
})
