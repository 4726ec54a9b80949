import type { Browser, Frame, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { signIn, stage, statusOf } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** Uses the API until `expiries` tokens have run out. Resolves with what every call came to. */
const callThrough = (page: Page | Frame, expiries: number) =>
  page.evaluate(async (wanted) => {
    const came: (number | string)[] = []
    const refreshes = () => window.app.notes.filter(({ what }) => what === 'refreshed').length
    while (refreshes() < wanted) {
      came.push(await window.app.call())
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return [...new Set(came)]
  }, expiries)

test('where reading storage throws, a session lives in memory, and nothing is thrown at the app (F38)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  await context.addInitScript(() => {
    for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches', 'cookieStore']) {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException('Access is denied for this document.', 'SecurityError')
        },
      })
    }
  })
  const page = await open()
  expect(await statusOf(page)).toBe('signed-out')
  server.rules.lifetime = 1
  await signIn(page, server)
  expect(await callThrough(page, 2)).toEqual([200])
  expect(await page.evaluate(() => window.app.session.getToken())).toBe(server.tokens.at(-2))
  expect(server.refreshes.every((outcome) => outcome === 'granted')).toBe(true)
  await page.evaluate(() => window.app.session.signOut())
  expect(await page.evaluate(() => window.app.ends.map(({ reason }) => reason))).toEqual(['signed-out'])
  expect(uncaught).toEqual([])
})

test('where IndexedDB refuses to open, a session lives in memory (F38, F41)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  await context.addInitScript(() => {
    IDBFactory.prototype.open = () => {
      throw new DOMException('A mutation operation was attempted on a database that did not allow mutations.', 'InvalidStateError')
    }
  })
  const page = await open()
  await signIn(page, server)
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  await page.evaluate(() => window.app.session.refresh())
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(uncaught).toEqual([])
})

test('in a sandboxed frame without an origin a session works in memory over three expiries (F46, REQ-125)', async () => {
  const { server, open, uncaught } = await stage(browser)
  const page = await open('/blank')
  server.rules.lifetime = 1
  await page.evaluate((origin) => {
    const frame = document.createElement('iframe')
    frame.setAttribute('sandbox', 'allow-scripts')
    frame.srcdoc = `<!doctype html><script src="${origin}/app.js"></script>`
    document.body.append(frame)
  }, server.origin)
  await expect.poll(() => page.frames().length).toBe(2)
  const frame = page.frames()[1]!
  await frame.waitForFunction(() => window.app)
  expect(await frame.evaluate(() => self.origin)).toBe('null')

  await frame.evaluate((tokens) => window.app.session.signIn(tokens), server.grant())
  expect(await callThrough(frame, 3)).toEqual([200])
  expect(server.refreshes).toEqual(['granted', 'granted', 'granted'])
  expect(await frame.evaluate(() => window.app.session.signOut())).toEqual({ revoked: true })
  expect(uncaught).toEqual([])
})

test('on an http origin of a network, which has no WebCrypto and no Web Locks, a session works in memory (F45, REQ-13)', async () => {
  const named = await launchChromium({ flags: ['--host-resolver-rules=MAP device.test 127.0.0.1'] })
  onTestFinished(() => named.close())
  const { server, context, uncaught } = await stage(named)
  const attachTo = [`${server.origin}/api`] // the page's own origin is none that a token may go to (REQ-20)
  const page = await context.newPage()
  await page.goto(`${server.origin.replace('127.0.0.1', 'device.test')}/#${JSON.stringify({ attachTo })}`)
  expect(await page.evaluate(() => [isSecureContext, 'locks' in navigator, 'subtle' in crypto])).toEqual([false, false, false])
  await signIn(page, server)
  for (let round = 0; round < 3; round++) {
    await page.evaluate(() => window.app.session.refresh())
    expect(await page.evaluate((url) => window.app.session.fetch(url).then(({ status }) => status), `${attachTo[0]}/me`)).toBe(200)
  }
  expect(server.refreshes).toEqual(['granted', 'granted', 'granted'])
  await page.reload()
  expect(await statusOf(page)).toBe('signed-out') // nothing was kept
  expect(uncaught).toEqual([])
})

test('without Web Locks four tabs refresh no token twice, and stay signed in (F45, REQ-125)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  await context.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'locks'))
  const tabs = [await open(), await open(), await open(), await open()]
  expect(await tabs[0]!.evaluate(() => 'locks' in navigator)).toBe(false)
  server.rules.lifetime = 1
  await signIn(tabs[0]!, server)
  for (const tab of tabs) await expect.poll(() => statusOf(tab)).toBe('signed-in')

  const came = await Promise.all(tabs.map((tab) => callThrough(tab, 4)))
  expect(came).toEqual([[200], [200], [200], [200]])
  expect(new Set(server.refreshes)).toEqual(new Set(['granted']))
  expect(server.refreshes.length).toBeLessThanOrEqual(4 + 1) // a tab may meet the next expiry while another is still at the last
  for (const tab of tabs) expect(await tab.evaluate(() => window.app.ends)).toEqual([])
  expect(uncaught).toEqual([])
})

test('without BroadcastChannel a sign-out reaches the other tab within three seconds (F47)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  await context.addInitScript(() => Reflect.deleteProperty(window, 'BroadcastChannel'))
  const [here, there] = [await open(), await open()]
  expect(await here.evaluate(() => 'BroadcastChannel' in window)).toBe(false)
  await signIn(here, server)
  await expect.poll(() => statusOf(there), { timeout: 3_000 }).toBe('signed-in')

  await here.evaluate(() => window.app.session.signOut())
  await expect.poll(() => there.evaluate(() => window.app.ends.length), { timeout: 3_000 }).toBe(1)
  expect(await there.evaluate(() => window.app.ends.map(({ reason, by }) => [reason, by]))).toEqual([['signed-out', 'other-tab']])
  expect(server.revocations).toHaveLength(1)
  expect(uncaught).toEqual([])
})

test('nobody has to catch what a closed session leaves behind (F47, F72)', async () => {
  const { server, open, uncaught } = await stage(browser)
  const page = await open()
  await signIn(page, server)
  server.rules.slowness = 2_000
  const came = page.evaluate(() => window.app.session.refresh().then(() => 'refreshed', window.app.nameOf))
  await expect.poll(() => server.refreshes.length).toBe(1)
  await page.evaluate(() => window.app.session.close())
  expect(await came).toBe('closed')
  expect(await page.evaluate(() => window.app.call())).toBe('closed')

  // The refresh that was under way belongs to all tabs: the next page finds its tokens.
  server.rules.slowness = 0
  const next = await open()
  await expect.poll(() => next.evaluate(() => window.app.session.getToken())).toBe(server.tokens.at(-2))
  expect(server.refreshes).toEqual(['granted'])
  expect(uncaught).toEqual([])
})
