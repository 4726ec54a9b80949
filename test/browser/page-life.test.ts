import type { Page } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { launchUntouched, type UntouchedChromium } from './chromium.ts'
import { calm, type Scene, signIn, stage, statusOf } from './scene.ts'

// Only a browser without the usual overrides hides tabs, freezes them, and keeps pages for the way back.
let browser: UntouchedChromium
let scene: Scene

beforeEach(async () => {
  browser = await launchUntouched()
  scene = await stage(browser.context)
})
afterEach(() => browser?.close())

/** The way of a page into the back/forward cache and out again is watched from the page itself. */
const watch = (page: Page) =>
  page.evaluate(() => {
    for (const type of ['pagehide', 'pageshow'] as const)
      addEventListener(type, ({ persisted }) => window.app.note(type, String(persisted)))
  })

/** The library of the driver does not follow a page that comes out of the cache: it is asked for by the page's own hand. */
async function goBack(page: Page): Promise<void> {
  await page.evaluate(() => setTimeout(() => history.back())).catch(() => {})
  await expect.poll(() => page.evaluate(() => 'app' in window).catch(() => false), { timeout: 5_000 }).toBe(true)
}

test('a page with a session is kept for the way back, and comes back signed in (F69)', async () => {
  const { server, open } = scene
  const page = await open()
  await signIn(page, server)
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  await watch(page)
  await page.goto(`${server.origin}/blank`)
  await goBack(page)
  expect(
    await page.evaluate(() =>
      window.app.notes.filter(({ what }) => what.startsWith('page')).map(({ what, detail }) => `${what} ${detail}`),
    ),
  ).toEqual(['pagehide true', 'pageshow true'])
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(await page.evaluate(() => window.app.ends)).toEqual([])
})

/** An app that calls as soon as its page is shown again. */
const callWhenShown = (page: Page) =>
  page.evaluate(() =>
    addEventListener('pageshow', () => {
      window.app.call().then((came) => window.app.note('call', String(came)))
    }),
  )

test('a page that comes back after a sign-out elsewhere tells its app before anything else (F68, REQ-72)', async () => {
  const { server, open } = scene
  const page = await open()
  await signIn(page, server)
  await watch(page)
  await callWhenShown(page)
  await page.goto(`${server.origin}/blank`)

  const other = await open()
  expect(await statusOf(other)).toBe('signed-in')
  await other.evaluate(() => window.app.session.signOut())

  await page.bringToFront()
  await goBack(page)
  await expect.poll(() => page.evaluate(() => window.app.notes.some(({ what }) => what === 'call'))).toBe(true)
  const notes = await page.evaluate(() => window.app.notes)
  expect(notes.map(({ what, detail }) => `${what} ${detail}`)).toEqual([
    'signed-in this-tab',
    'pagehide true',
    'pageshow true',
    'ended signed-out',
    'call session_ended signed-out',
  ])
  const at = (name: string) => notes.find(({ what }) => what === name)?.at ?? Number.NaN
  expect(at('ended') - at('pageshow')).toBeLessThanOrEqual(100)
  expect(server.calls.filter(({ path }) => path.startsWith('/api'))).toEqual([])
})

test('a page is kept for the way back though other tabs refresh meanwhile, and comes back with the new token (F69, REQ-131)', async () => {
  const { server, open } = scene
  const page = await open()
  await signIn(page, server)
  await watch(page)
  await callWhenShown(page)
  await page.goto(`${server.origin}/blank`)

  const other = await open()
  expect(await statusOf(other)).toBe('signed-in')
  await other.evaluate(() => window.app.session.refresh())
  const token = await other.evaluate(() => window.app.session.getToken())

  await page.bringToFront()
  await goBack(page)
  await expect.poll(() => page.evaluate(() => window.app.notes.some(({ what }) => what === 'call'))).toBe(true)
  expect(await page.evaluate(() => window.app.notes.map(({ what, detail }) => `${what} ${detail}`))).toEqual([
    'signed-in this-tab',
    'pagehide true',
    'pageshow true',
    'refreshed other-tab',
    'call 200',
  ])
  expect(server.calls.filter(({ path }) => path === '/api/me').map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`])
  expect(server.refreshes).toEqual(['granted'])
})

async function freeze(page: Page): Promise<() => Promise<void>> {
  await expect.poll(() => page.evaluate(() => document.visibilityState)).toBe('hidden')
  const protocol = await browser.context.newCDPSession(page)
  await protocol.send('Page.setWebLifecycleState', { state: 'frozen' })
  return async () => {
    await protocol.send('Page.setWebLifecycleState', { state: 'active' })
  }
}

/** An app that calls as soon as it can after it was frozen. */
const callOnResume = (page: Page) =>
  page.evaluate(() => {
    document.addEventListener('freeze', () => window.app.note('freeze'))
    document.addEventListener('resume', () => {
      window.app.note('resume')
      window.app.call().then((came) => window.app.note('call', String(came)))
    })
  })

test('a frozen tab that slept through a sign-out tells its app before anything else (F09, REQ-65)', async () => {
  const { server, open } = scene
  const asleep = await open()
  await signIn(asleep, server)
  expect(await asleep.evaluate(() => window.app.call())).toBe(200)
  await callOnResume(asleep)

  const awake = await open()
  expect(await statusOf(awake)).toBe('signed-in')
  await awake.bringToFront()
  const thaw = await freeze(asleep)
  await awake.evaluate(() => window.app.session.signOut())
  const callsBefore = server.calls.length
  await thaw()

  await expect.poll(() => asleep.evaluate(() => window.app.notes.some(({ what }) => what === 'call'))).toBe(true)
  expect(await asleep.evaluate(() => window.app.notes.map(({ what, detail }) => `${what} ${detail}`))).toEqual([
    'signed-in this-tab',
    'freeze null',
    'resume null',
    'ended signed-out',
    'call session_ended signed-out',
  ])
  await calm(500)
  expect(await asleep.evaluate(() => window.app.ends.length)).toBe(1)
  expect(server.calls.length).toBe(callsBefore)
  expect(server.revocations).toHaveLength(1)
})

test('a frozen tab that slept through a sign-out and the sign-in of somebody else writes nothing back (F11)', async () => {
  const { server, open } = scene
  const asleep = await open()
  await signIn(asleep, server, 'ada')
  await callOnResume(asleep)

  const awake = await open()
  expect(await statusOf(awake)).toBe('signed-in')
  await awake.bringToFront()
  const thaw = await freeze(asleep)
  const began = Date.now()
  await awake.evaluate(() => window.app.session.signOut())
  await signIn(awake, server, 'grace')
  expect(Date.now() - began).toBeLessThanOrEqual(2_000) // a frozen tab has nothing open in the database that others would wait for
  const token = await awake.evaluate(() => window.app.session.getToken())
  await thaw()

  await expect.poll(() => asleep.evaluate(() => window.app.notes.some(({ what }) => what === 'call'))).toBe(true)
  expect(await asleep.evaluate(() => window.app.notes.map(({ what, detail }) => `${what} ${detail}`).slice(1))).toEqual([
    'freeze null',
    'resume null',
    'ended user-changed',
    'signed-in other-tab',
    'call session_ended user-changed',
  ])
  expect(await asleep.evaluate(() => window.app.session.getToken())).toBe(token)
  expect(await awake.evaluate(() => window.app.ends.map(({ reason }) => reason))).toEqual(['signed-out'])
  expect(server.refreshes).toEqual([])
  expect(server.calls).toEqual([])
})

test('a hidden tab renews nothing ahead of need, and shows itself with one refresh (F19, REQ-47)', async () => {
  const { server, open } = scene
  server.rules.lifetime = 11 // renewal ahead of need comes ten seconds after the token, at the earliest
  const hidden = await open()
  await signIn(hidden, server)
  const blank = await open('/blank')
  await blank.bringToFront()
  await expect.poll(() => hidden.evaluate(() => document.visibilityState)).toBe('hidden')
  await expect
    .poll(() => hidden.evaluate(() => Date.now() > Number((window.app.session.state as { expiresAt: number }).expiresAt)), {
      timeout: 15_000,
    })
    .toBe(true)
  expect(server.refreshes).toEqual([])

  await hidden.bringToFront()
  const came = await hidden.evaluate(() => Promise.all(Array.from({ length: 6 }, () => window.app.call())))
  expect(came).toEqual([200, 200, 200, 200, 200, 200])
  expect(server.refreshes).toEqual(['granted'])
  expect(server.calls.map(({ credential }) => credential)).toEqual(Array.from({ length: 6 }, () => 'valid'))
})

test('when the tab that refreshes crashes, the next one has a token within two seconds (F49)', async () => {
  const { server, open } = scene
  server.rules.lifetime = 1
  server.rules.rotation = 'grace'
  const doomed = await open()
  await signIn(doomed, server)
  const other = await open()
  expect(await statusOf(other)).toBe('signed-in')
  await expect
    .poll(() => other.evaluate(() => Date.now() > Number((window.app.session.state as { expiresAt: number }).expiresAt)))
    .toBe(true)

  server.rules.slowness = 20_000
  await doomed.evaluate(() => void window.app.call())
  await expect.poll(() => server.refreshes.length).toBe(1)
  const waiting = other.evaluate(() => window.app.call().then((came) => ({ came, at: Date.now() })))
  server.rules.slowness = 0
  server.rules.lifetime = 300
  const protocol = await browser.context.newCDPSession(doomed)
  const crashed = Date.now()
  protocol.send('Page.crash').catch(() => {}) // there is nobody left to answer

  const { came, at } = await waiting
  expect(came).toBe(200)
  expect(at - crashed).toBeLessThanOrEqual(2_000)
  expect(server.refreshes).toEqual(['granted', 'again'])
  await other.evaluate(() => window.app.session.refresh()) // and nothing blocks the one after that
  expect(server.refreshes).toEqual(['granted', 'again', 'granted'])
})
