import type { Session } from 'latchkey'
import type { LimitOptions } from 'latchkey/limits'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { calm, type Scene, stage } from './scene.ts'

declare global {
  interface Window {
    limited: Session
    scripted: number
  }
}

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** A tab with a session of its own that has limits, and notes what it hears. */
async function openLimited(scene: Scene, options: LimitOptions): Promise<Page> {
  const page = await scene.open()
  await page.evaluate((given) => {
    const { app } = window
    window.limited = app.open({ name: 'limited', limits: app.limits(given) })
    window.limited.on('expiring', ({ kind }) => app.note('expiring', kind))
    window.limited.onSessionEnded(({ reason }) => app.note('limited ended', reason))
  }, options)
  return page
}

const statusOf = (page: Page) => page.evaluate(() => window.limited.ready.then(() => window.limited.state.status))
const heard = (page: Page, what: string) =>
  page.evaluate((name) => window.app.notes.filter((one) => one.what === name).map(({ detail, at }) => ({ detail, at })), what)

test('F81, REQ-108, REQ-111: keys in one tab keep both alive, a script that makes events keeps none; then each ends once, after one warning', async () => {
  const scene = await stage(browser)
  const { server, uncaught } = scene
  const idle = 15_000
  const tabs = [await openLimited(scene, { idle }), await openLimited(scene, { idle })] as const
  const [used, unused] = tabs
  await used.evaluate((tokens) => window.limited.signIn(tokens), server.grant())
  for (const tab of tabs) await expect.poll(() => statusOf(tab)).toBe('signed-in')
  await used.bringToFront()
  const begun = Date.now()
  while (Date.now() - begun < 1.4 * idle) {
    await used.keyboard.press('a')
    await calm(500)
  }
  const last = Date.now()
  for (const tab of tabs) expect(await heard(tab, 'limited ended')).toEqual([])
  await unused.evaluate(() => {
    window.scripted = window.setInterval(() => {
      document.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true }))
      document.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true }))
      scrollTo(0, Math.random() * 100)
      window.limited.fetch('/api/me').catch(() => {})
    }, 200)
  })
  for (const tab of tabs) {
    await expect.poll(() => heard(tab, 'limited ended'), { timeout: 60_000 }).toEqual([{ detail: 'idle', at: expect.any(Number) }])
    const [{ at } = { at: 0 }] = await heard(tab, 'limited ended')
    expect(at - last).toBeGreaterThan(idle - 3_000) // a key may have been pressed half a second before
  }
  await calm(500)
  const warnings = [...(await heard(used, 'expiring')), ...(await heard(unused, 'expiring'))]
  expect(warnings.map(({ detail }) => detail)).toEqual(['idle'])
  expect(server.revocations).toHaveLength(1)
  expect(uncaught).toEqual([])
})

test('REQ-46, REQ-109: a page that is opened after the limit shows no session, and sends nothing', async () => {
  const scene = await stage(browser)
  const { server, uncaught } = scene
  const maxAge = 5_000
  const first = await openLimited(scene, { maxAge })
  const keeper = await scene.open() // the profile stays
  await first.evaluate((tokens) => window.limited.signIn(tokens), server.grant())
  await first.close()
  await calm(maxAge + 500)
  const page = await openLimited(scene, { maxAge })
  expect(await statusOf(page)).toBe('signed-out')
  expect(await page.evaluate(() => window.limited.state)).toEqual({ status: 'signed-out', reason: 'max-age' })
  expect(await page.evaluate((url) => window.limited.fetch(url).catch(window.app.nameOf), `${server.origin}/api/me`)).toBe('signed_out')
  expect(server.calls).toEqual([])
  await keeper.close()
  expect(uncaught).toEqual([])
})
