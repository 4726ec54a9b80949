import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { callAllTheTime, ends, isSignedIn, letTokensLiveLonger, number, place, signIn, stageDemo, turn } from './demo-tabs.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const text = (page: Page, id: string) => page.locator(`#${id}`).textContent()

/** What the page tells of a tab, the newest first. */
const told = (page: Page, tab: string) =>
  page
    .locator('#timeline li')
    .filter({ has: page.locator(`[data-tab="${tab}"]`) })
    .locator('.text')
    .allTextContents()

test('two tabs show who they are, what both of them do, and what the servers saw of it', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const a = await open()
  expect(await text(a, 'tab-name')).toBe('A')
  await expect.poll(() => text(a, 'tab-count')).toBe('the only one open')
  expect(await a.locator('#sign-out-elsewhere').isDisabled()).toBe(true)
  expect(await text(a, 'countdown')).toBe('–')
  await signIn(a)
  await expect.poll(() => text(a, 'countdown')).toMatch(/^(4 min 5\d|5 min 00) s left$/)
  await expect.poll(() => told(a, 'A')).toContain('signs in as ada, for all tabs')

  const b = await open()
  await isSignedIn(b)
  expect(await text(b, 'tab-name')).toBe('B')
  for (const tab of [a, b]) await expect.poll(() => text(tab, 'tab-count')).toBe('2 are open')

  await b.locator('#refresh-now').click()
  for (const tab of [a, b]) {
    await expect.poll(() => text(tab, 'generation')).toBe('2')
    await expect.poll(() => told(tab, 'B')).toContain('stores generation 2 for all tabs')
    expect(await told(tab, 'B')).toEqual(expect.arrayContaining(['sends the refresh token', 'is answered with new tokens']))
    await expect.poll(() => told(tab, 'A')).toContain('takes over generation 2')
  }
  expect([await number(a, 'refreshes-here'), await number(a, 'refreshes-elsewhere')]).toEqual([0, 1])
  expect([await number(b, 'refreshes-here'), await number(b, 'refreshes-elsewhere')]).toEqual([1, 0])

  await a.locator('#call-now').click()
  const servers = ['refreshes', 'granted', 'reused', 'revocations', 'requests', 'expired', 'anonymous']
  const saw = (tab: Page) => Promise.all(servers.map((name) => number(tab, `server-${name}`)))
  for (const tab of [a, b]) {
    await tab.bringToFront() // a page that is not seen does not ask
    await expect.poll(() => saw(tab)).toEqual([1, 1, 0, 0, 1, 0, 0])
  }

  await a.locator('#clear-timeline').click()
  expect(await a.locator('#timeline li').count()).toBe(0)
  expect(await text(a, 'sign-out-elsewhere')).toBe('Sign out in tab B')
  await a.locator('#sign-out-elsewhere').click()
  for (const tab of [a, b]) await expect.poll(() => text(tab, 'state')).toBe('Signed out')
  expect((await ends(b)).map(({ by, reason }) => `${by} ${reason}`)).toEqual(['this-tab signed-out'])
  expect((await ends(a)).map(({ by, reason }) => `${by} ${reason}`)).toEqual(['other-tab signed-out'])
  await expect.poll(() => told(a, 'B')).toContain('has the tokens revoked at the server')
  expect(demo.provider.counters.revocations).toBe(2)

  await b.close()
  await expect.poll(() => text(a, 'tab-count')).toBe('the only one open')
  expect(faults).toEqual([])
})

test('“Revoke at server” leaves the tokens in use good, and the next refresh ends the session of both tabs, with the reason', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const page = await open()
  await signIn(page)
  const another = await open()
  await isSignedIn(another)

  await page.locator('#revoke').click()
  await page.locator('#call-now').click()
  await expect.poll(() => text(page, 'last-answer')).toContain('"hello":"ada"')
  await page.locator('#refresh-now').click()
  for (const tab of [page, another]) {
    await expect.poll(() => text(tab, 'state')).toBe('Signed out: rejected')
    expect(await text(tab, 'explanation')).toContain('refused the refresh token')
    expect((await ends(tab)).map(({ reason }) => reason)).toEqual(['rejected'])
  }
  await expect
    .poll(() => told(another, 'A'))
    .toEqual(expect.arrayContaining(['is refused for good', 'ends the session, tells its app: rejected']))
  expect(await page.locator('#problem').isHidden()).toBe(true)
  expect(demo.provider.counters).toMatchObject({ refreshes: 1, refused: 1 })
  expect(faults).toEqual([])
})

test('a token server that is gone is trouble, no end; and when it is back, so is the session (F28)', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const page = await open()
  await signIn(page)
  await turn(page, 'condition', 'unreachable')
  await expect.poll(() => text(page, 'condition-help')).toContain('The session must outlive this')
  await page.locator('#refresh-now').click()
  await expect.poll(() => place(page)).toBe('trouble')
  await expect.poll(() => text(page, 'problem')).toContain('refresh_unavailable')
  expect(await text(page, 'explanation')).toContain('The session stays')

  await turn(page, 'condition', 'well')
  await expect.poll(() => place(page), { timeout: 10_000 }).toBe('signed-in')
  expect(demo.provider.counters).toMatchObject({ granted: 1, reused: 0 })
  expect(await ends(page)).toEqual([])
  expect(faults).toEqual([])
})

test('a token server that loses its answers costs the session, under strict rotation, and the end says so (F33)', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const page = await open()
  await signIn(page)
  await turn(page, 'condition', 'losing-answers')
  await page.locator('#refresh-now').click()
  await expect.poll(() => place(page)).toBe('trouble')
  expect(demo.provider.counters.granted).toBe(1)
  await turn(page, 'condition', 'well')
  await expect.poll(() => text(page, 'state'), { timeout: 20_000 }).toBe('Signed out: rejected')
  expect(await ends(page)).toMatchObject([{ reason: 'rejected', answerLost: true }])
  expect(await told(page, 'A')).toContain('sends the same refresh token again')
  expect(demo.provider.counters).toMatchObject({ granted: 1, refused: 0 }) // how often it was presented is up to Chromium, too
  expect(faults).toEqual([])
})

test('a network that is cut for all tabs is trouble, no end, and two seconds after it is back calls succeed in both (F27)', async () => {
  const { demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: 1 })
  const page = await open()
  await signIn(page)
  const another = await open()
  await isSignedIn(another)
  await letTokensLiveLonger(page, demo)
  await turn(page, 'network', 'cut')
  await expect.poll(() => another.locator('input[name="network"][value="cut"]').isChecked()).toBe(true)
  await Promise.all([page, another].map(callAllTheTime))
  for (const tab of [page, another]) await expect.poll(() => place(tab)).toBe('trouble')
  await expect.poll(() => number(another, 'calls-failed')).toBeGreaterThan(2)
  expect(demo.provider.counters.refreshes).toBe(0)
  expect(demo.api.counters.answered).toBe(0)

  await turn(another, 'network', 'up')
  for (const tab of [page, another]) await expect.poll(() => number(tab, 'calls-ok'), { timeout: 2_000 }).toBeGreaterThan(0)
  for (const tab of [page, another]) {
    await expect.poll(() => place(tab)).toBe('signed-in')
    expect(await ends(tab)).toEqual([])
  }
  expect(demo.provider.counters).toMatchObject({ refreshes: 1, granted: 1, reused: 0 })
  expect(demo.api.counters.refused).toBe(0)
  expect(faults).toEqual([])
})
