import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { callAllTheTime, ends, expirations, isSignedIn, number, signIn, stageDemo } from './demo-tabs.ts'
import { calm } from './scene.ts'

/** The long run has more of them: npm run test:long */
const expiries = Number(process.env.LATCHKEY_EXPIRIES ?? 5)
const lifetime = 15

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** Eight tabs of one profile, signed in by the first, all of them calling the API. */
async function eightTabs(open: () => Promise<Page>): Promise<readonly Page[]> {
  const first = await open()
  await signIn(first)
  const tabs = [first, ...(await Promise.all(Array.from({ length: 7 }, open)))]
  await Promise.all(tabs.map(isSignedIn))
  await Promise.all(tabs.map(callAllTheTime))
  return tabs
}

test(
  `eight tabs that call all the time refresh once per expiry, ${expiries} times over, and no call fails (F01, F16, F58)`,
  async () => {
    const { demo, faults, open } = await stageDemo(browser, { accessTokenLifetime: lifetime })
    const { counters, refreshLog } = demo.provider
    const tabs = await eightTabs(open)

    await expect.poll(() => counters.refreshes, { timeout: (expiries + 1) * lifetime * 1000 }).toBe(expiries)
    const heardOf = async (tab: Page) => (await number(tab, 'refreshes-here')) + (await number(tab, 'refreshes-elsewhere'))
    for (const tab of tabs) await expect.poll(() => heardOf(tab)).toBeGreaterThanOrEqual(expiries - 1) // a tab that came late missed one
    const answered = demo.api.counters.answered
    await expect.poll(() => demo.api.counters.answered).toBeGreaterThan(answered + 2 * tabs.length)

    expect(counters).toMatchObject({
      signIns: 1,
      refreshes: expiries,
      granted: expiries,
      reused: 0,
      refused: 0,
      unavailable: 0,
      revocations: 0,
    })
    // Each token was used for most of its life before the next one was asked for.
    const pauses = refreshLog.slice(1).map(({ at }, index) => at - refreshLog[index]!.at)
    expect(pauses.filter((pause) => pause < 9_000)).toEqual([])
    expect(demo.api.counters).toMatchObject({ refused: 0, anonymous: 0, expired: 0, invalid: 0 })
    expect(demo.api.counters.answered).toBeGreaterThan(tabs.length * expiries * 10)
    for (const tab of tabs) {
      expect(await ends(tab)).toEqual([])
      expect(await number(tab, 'calls-failed')).toBe(0)
    }
    expect(faults).toEqual([])
  },
  (expiries + 3) * lifetime * 1000,
)

test('a sign-out in one tab is told once in each of the seven others within 500 ms, and revoked once (F09)', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const [here, ...others] = await eightTabs(open)
  await expect.poll(() => demo.api.counters.answered).toBeGreaterThan(20)

  const began = await here!.evaluate(() => {
    const at = Date.now()
    document.getElementById('sign-out')?.click()
    return at
  })
  for (const tab of others) await expect.poll(async () => (await ends(tab)).length).toBe(1)
  const last = Math.max(...(await Promise.all(others.map(async (tab) => (await ends(tab))[0]!.heardAt))))
  expect(last - began).toBeLessThanOrEqual(500)

  await expect.poll(() => demo.provider.counters.revocations).toBe(1)
  const { answered } = demo.api.counters
  await calm(1_200) // three rounds of calls, if anybody still made them
  expect(demo.api.counters.answered).toBe(answered)
  expect(demo.api.counters.refused).toBe(0)
  expect(demo.provider.counters).toMatchObject({ refreshes: 0, revocations: 1 })
  for (const tab of others) {
    expect((await ends(tab)).map(({ reason, by }) => `${reason} ${by}`)).toEqual(['signed-out other-tab'])
    expect(await expirations(tab)).toEqual([]) // somebody wanted it
  }
  expect((await ends(here!)).map(({ reason, by }) => `${reason} ${by}`)).toEqual(['signed-out this-tab'])
  expect(faults).toEqual([])
})

test('when the server has revoked the refresh token, each tab is told once, after one request, and the dead tokens rest (F57, F30)', async () => {
  const { demo, faults, open } = await stageDemo(browser)
  const tabs = await eightTabs(open)
  await demo.provider.revokeEverything()
  await Promise.all(tabs.slice(0, 3).map((tab) => tab.locator('#refresh-now').click()))

  for (const tab of tabs) await expect.poll(async () => (await expirations(tab)).length).toBe(1)
  const { answered } = demo.api.counters
  await calm(1_200)
  expect(demo.api.counters.answered).toBe(answered)
  expect(demo.provider.counters).toMatchObject({ refreshes: 1, refused: 1, reused: 0, granted: 0 })
  for (const tab of tabs) {
    expect((await expirations(tab)).map(({ reason }) => reason)).toEqual(['rejected'])
    expect(await ends(tab)).toHaveLength(1)
    expect(await tab.evaluate(() => window.latchkeyDemo.session.state)).toEqual({ status: 'signed-out', reason: 'rejected' })
  }
  expect(faults).toEqual([])
})
