import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Demo } from '../../demo/start.ts'
import { launchChromium } from './chromium.ts'
import { callAllTheTime, ends, expirations, isSignedIn, letTokensLiveLonger, number, place, signIn, stageDemo, turn } from './demo-tabs.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const expiresAt = (page: Page) =>
  page.evaluate(() => {
    const { state } = window.latchkeyDemo.session
    return state.status === 'signed-in' ? Number(state.expiresAt) : Number.NaN
  })

/** Until the token that is there has run out. */
const expired = (page: Page) =>
  page.waitForFunction(() => {
    const { state } = window.latchkeyDemo.session
    return state.status === 'signed-in' && Date.now() > Number(state.expiresAt)
  })

/** Calls that follow now are all answered. */
async function answersAgain(page: Page, demo: Demo): Promise<void> {
  const { answered } = demo.api.counters
  await expect.poll(() => demo.api.counters.answered, { timeout: 5_000 }).toBeGreaterThan(answered + 2)
  expect(await place(page)).not.toBe('signed-out')
}

test('signing in over the code flow with PKCE, and out again, with the keyboard alone, under a strict policy', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const page = await open()
  await page.locator('#sign-in').waitFor()
  expect(await place(page)).toBe('signed-out')

  const reach = async (selector: string) => {
    for (let presses = 0; presses < 60; presses++) {
      if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector)) return
      await page.keyboard.press('Tab')
    }
    throw new Error(`The Tab key does not lead to ${selector}`)
  }
  await reach('#sign-in')
  await page.keyboard.press('Enter')
  await page.waitForURL(`${demo.provider.issuer}/login/**`)
  await reach('#name')
  await page.keyboard.press('ControlOrMeta+A')
  await page.keyboard.type('Ada Lovelace')
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('#state').textContent()).toBe('Signed in as Ada Lovelace')
  expect(page.url()).toBe(demo.url) // without code and state

  await reach('#call-now')
  await page.keyboard.press('Enter')
  await expect.poll(() => page.locator('#last-answer').textContent()).toContain('"hello":"Ada Lovelace"')

  await page.locator('#sign-out').focus()
  await page.keyboard.press('Enter')
  await expect.poll(() => place(page)).toBe('signed-out')
  await expect.poll(async () => (await ends(page)).map(({ reason }) => reason)).toEqual(['signed-out'])
  await expect.poll(() => demo.provider.counters.revocations).toBe(2)
  expect(demo.provider.counters).toMatchObject({ signIns: 1, refreshes: 0 })
  expect(demo.api.counters).toMatchObject({ answered: 1, refused: 0 })
  expect(faults).toEqual([])
})

test('with a slow token server no call is lost and no token is sent twice (F05, F32)', async () => {
  const { demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  demo.provider.settings.slowness = 1_500
  const page = await open()
  await signIn(page)
  const another = await open()
  await isSignedIn(another)
  await turn(page, 'condition', 'slow')
  await letTokensLiveLonger(page, demo)
  await expired(page)
  await Promise.all([page, another].map(callAllTheTime))
  await expect.poll(() => demo.provider.counters.granted).toBe(1)
  expect(await place(page)).toBe('refreshing')
  await expect.poll(() => number(another, 'calls-ok'), { timeout: 10_000 }).toBeGreaterThan(2)
  await expect.poll(() => number(page, 'calls-ok')).toBeGreaterThan(2)
  expect(demo.provider.counters).toMatchObject({ refreshes: 1, reused: 0 })
  expect(demo.api.counters).toMatchObject({ refused: 0 })
  for (const tab of [page, another]) expect(await number(tab, 'calls-failed')).toBe(0)
  expect(faults).toEqual([])
})

test('a token server that answers 503 is trouble, no end; and when it is well again, so is the session (F29)', async () => {
  const { demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  const page = await open()
  await signIn(page)
  const another = await open()
  await isSignedIn(another)
  await turn(page, 'condition', 'failing')
  await letTokensLiveLonger(page, demo)
  await expired(page)
  await page.locator('#call-now').click()
  await expect.poll(() => place(page)).toBe('trouble')
  await expect.poll(() => page.locator('#last-answer').textContent()).toContain('refresh_unavailable')
  expect(await page.locator('#state').textContent()).toBe('Signed in as ada, reconnecting')
  expect(demo.api.counters).toMatchObject({ answered: 0, refused: 0 })

  await turn(page, 'condition', 'well')
  await callAllTheTime(page)
  await answersAgain(page, demo)
  await expect.poll(() => place(page)).toBe('signed-in')
  await expect.poll(() => place(another)).toBe('signed-in')
  expect(demo.provider.counters).toMatchObject({ granted: 1, reused: 0 })
  expect(demo.provider.counters.unavailable).toBeLessThanOrEqual(3)
  for (const tab of [page, another]) expect(await ends(tab)).toEqual([])
  expect(faults).toEqual([])
})

test('offline with an expired token is trouble, no end; two seconds after the network is back, calls succeed (F27, F28)', async () => {
  const { context, demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  const page = await open()
  await signIn(page)
  await expired(page)
  await letTokensLiveLonger(page, demo)
  await context.setOffline(true)
  await callAllTheTime(page)
  await expect.poll(() => place(page)).toBe('trouble')
  await expect.poll(() => number(page, 'calls-failed')).toBeGreaterThan(5)
  expect(demo.provider.counters.refreshes).toBe(0)

  const { answered } = demo.api.counters
  await context.setOffline(false)
  await expect.poll(() => demo.api.counters.answered, { timeout: 2_000 }).toBeGreaterThan(answered)
  await expect.poll(() => place(page)).toBe('signed-in')
  expect(demo.provider.counters).toMatchObject({ refreshes: 1, granted: 1, reused: 0 })
  expect(demo.api.counters.refused).toBe(0)
  expect(await ends(page)).toEqual([])
  expect(faults).toEqual([])
})

test('a page that is opened offline with an expired token stays signed in (F27)', async () => {
  const { context, demo, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  const page = await open()
  await signIn(page)
  await expired(page)
  await letTokensLiveLonger(page, demo)
  // Only the page itself can be had, as from the cache of a worker.
  await context.route(/\/(token|revoke|me)$/, (route) => route.abort('internetdisconnected'))
  await page.reload()
  await isSignedIn(page)
  await callAllTheTime(page)
  await expect.poll(() => place(page)).toBe('trouble')
  expect(await ends(page)).toEqual([])

  await context.unroute(/\/(token|revoke|me)$/)
  await page.evaluate(() => window.dispatchEvent(new Event('online')))
  await expect.poll(() => demo.api.counters.answered, { timeout: 2_000 }).toBeGreaterThan(0)
  expect(demo.provider.counters).toMatchObject({ signIns: 1, refreshes: 1, granted: 1 })
  expect(await expirations(page)).toEqual([])
})

test('somebody else who signs in in one tab ends the session of the other, as user-changed, and has it from then on (F10)', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const here = await open()
  await signIn(here, 'ada')
  const there = await open()
  await isSignedIn(there)
  const before = await here.evaluate(() => window.latchkeyDemo.session.state)

  await signIn(there, 'grace', '#switch-user')
  await expect.poll(() => here.locator('#state').textContent()).toBe('Signed in as grace')
  const after = await here.evaluate(() => window.latchkeyDemo.session.state)
  expect(after).toMatchObject({ status: 'signed-in', subject: 'grace' })
  expect(after.status === 'signed-in' && before.status === 'signed-in' && after.sessionId === before.sessionId).toBe(false)
  expect((await expirations(here)).map(({ reason, subject }) => `${reason} ${subject}`)).toEqual(['user-changed ada'])
  await expect.poll(() => demo.provider.counters.revocations).toBe(2) // what ada had: a refresh token and an access token

  await here.locator('#call-now').click()
  await expect.poll(() => here.locator('#last-answer').textContent()).toContain('"hello":"grace"')
  expect(demo.provider.counters).toMatchObject({ signIns: 2, refreshes: 0 })
  expect(demo.api.counters.refused).toBe(0)
  expect(faults).toEqual([])
})

test.each([
  ['an hour fast', '3600000'],
  ['an hour slow', '-3600000'],
] as const)('a clock that goes %s, before the sign-in and after it, makes no loop and no end (F21, F22, F23)', async (_, offset) => {
  const { demo, faults, open } = await stageDemo(browser)
  const page = await open()
  await signIn(page)
  const right = await expiresAt(page)

  // In the middle of a session: the token cannot be judged any more, and one refresh puts it right.
  await Promise.all([page.waitForEvent('load'), turn(page, 'clock', offset)])
  await isSignedIn(page)
  await callAllTheTime(page)
  await answersAgain(page, demo)
  await expect.poll(() => demo.provider.counters.granted).toBe(1)
  await expect.poll(async () => Math.abs((await expiresAt(page)) - right - Number(offset))).toBeLessThan(60_000)

  // And a session that begins with the wrong clock needs none.
  await signIn(page, 'grace', '#switch-user')
  await callAllTheTime(page)
  await answersAgain(page, demo)
  expect(demo.provider.counters).toMatchObject({ signIns: 2, refreshes: 1, reused: 0 })
  expect(demo.api.counters).toMatchObject({ refused: 0, expired: 0 })
  await expect.poll(() => demo.provider.counters.revocations).toBe(2)
  // The page that came back from the provider may have read ada's session before it took grace's, or not.
  expect((await expirations(page)).filter(({ reason }) => reason !== 'user-changed')).toEqual([])
  expect(faults).toEqual([])
})
