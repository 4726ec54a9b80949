import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { eightTabs, ends, expirations, stageDemo } from './demo-tabs.ts'
import { calm } from './scene.ts'

// What is promised in ms to many tabs at once takes all of a small machine: no other file runs beside this one.

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium({ whole: true })
})
afterAll(() => browser?.close())

test('a sign-out in one tab is told once in each of the seven others within 500 ms, and each of its tokens revoked once (F09, REQ-61, REQ-65)', async () => {
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
  expect(last - began, 'ms').toBeLessThanOrEqual(500)

  await expect.poll(() => demo.provider.counters.revocations).toBe(2)
  const { answered } = demo.api.counters
  await calm(1_200) // three rounds of calls, if anybody still made them
  expect(demo.api.counters.answered).toBe(answered)
  expect(demo.api.counters.refused).toBe(0)
  expect(demo.provider.counters).toMatchObject({ refreshes: 0, revocations: 2 })
  for (const tab of others) {
    expect((await ends(tab)).map(({ reason, by }) => `${reason} ${by}`)).toEqual(['signed-out other-tab'])
    expect(await expirations(tab)).toEqual([]) // somebody wanted it
  }
  expect((await ends(here!)).map(({ reason, by }) => `${reason} ${by}`)).toEqual(['signed-out this-tab'])
  expect(faults).toEqual([])
})
