import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import type { App } from './page/app.ts'
import { stage } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** What a test leaves in a page for its next step. */
interface Kept {
  release: () => void
  heard: unknown[]
  deaf: () => void
  peers: ReturnType<App['broadcastPeers']>
  woken: number[]
}

declare global {
  interface Window {
    kept: Kept
  }
}

describe('a Web Lock', () => {
  const acquire = (page: Page) =>
    page.evaluate(async () => {
      const release = await window.app.webLock('one').acquire(AbortSignal.timeout(10_000))
      window.kept = { release } as Kept // the rest belongs to other tests
      return 'held'
    })
  const queue = (page: Page) =>
    page.evaluate(async () => (await navigator.locks.query()).pending?.filter(({ name }) => name === 'one').length)

  test('is held by one tab at a time, and goes to the next when it is let go', async () => {
    const { open } = await stage(browser)
    const [here, there] = [await open(), await open()]
    expect(await acquire(here)).toBe('held')
    const waiting = acquire(there)
    await expect.poll(() => queue(here)).toBe(1)
    await here.evaluate(() => window.kept.release())
    expect(await waiting).toBe('held')
  })

  test('is free as soon as its tab is gone (F02, F15, F49)', async () => {
    const { open } = await stage(browser)
    const [here, there] = [await open(), await open()]
    expect(await acquire(here)).toBe('held')
    const waiting = acquire(there)
    await expect.poll(() => queue(there)).toBe(1)
    await here.close()
    expect(await waiting).toBe('held')
  })

  test('is not waited for after the signal, and not taken later', async () => {
    const { open } = await stage(browser)
    const [here, there] = [await open(), await open()]
    expect(await acquire(here)).toBe('held')
    const came = await there.evaluate(() =>
      window.app
        .webLock('one')
        .acquire(AbortSignal.timeout(100))
        .then(
          () => 'held',
          (error: Error) => error.name,
        ),
    )
    expect(came).toBe('TimeoutError')
    expect(await queue(there)).toBe(0)
    await here.evaluate(() => window.kept.release())
    expect(await acquire(here)).toBe('held')
  })
})

describe('peers over a BroadcastChannel', () => {
  const listen = (page: Page) =>
    page.evaluate(() => {
      const heard: unknown[] = []
      const peers = window.app.broadcastPeers('room')
      window.kept = { heard, peers, deaf: peers.listen((news) => heard.push(news)) } as unknown as Kept // the rest belongs to other tests
    })
  const heard = (page: Page) => page.evaluate(() => window.kept.heard)
  const tell = (page: Page, generation: number) =>
    page.evaluate((number) => window.kept.peers.tell({ session: 's', generation: number, missing: false }), generation)
  const news = (generation: number) => ({ session: 's', generation, missing: false })

  test('are heard in the other tabs, in order, and not in one’s own (F12)', async () => {
    const { open } = await stage(browser)
    const tabs = [await open(), await open(), await open()]
    for (const tab of tabs) await listen(tab)
    for (const generation of [1, 2, 3]) await tell(tabs[0]!, generation)
    for (const tab of tabs.slice(1)) await expect.poll(() => heard(tab)).toEqual([news(1), news(2), news(3)])
    expect(await heard(tabs[0]!)).toEqual([])
  })

  test('pay no heed to what is not news, as any script may say anything (F65, REQ-12)', async () => {
    const { open, uncaught } = await stage(browser)
    const [here, there] = [await open(), await open()]
    await listen(here)
    await there.evaluate(() => {
      const channel = new BroadcastChannel('room')
      for (const nonsense of [
        null,
        'text',
        7,
        [],
        {},
        { session: 7, generation: 1 },
        { session: 's', generation: '1' },
        { session: 's', generation: 1.5 },
      ])
        channel.postMessage(nonsense)
      channel.postMessage({ session: 's', generation: 9, missing: 'yes', access_token: 'not asked for' })
    })
    await expect.poll(() => heard(here)).toEqual([news(9)])
    expect(uncaught).toEqual([])
  })

  test('are heard no more by who has gone, or sleeps, and again by who wakes (F47, F69)', async () => {
    const { open } = await stage(browser)
    const [here, there, gone] = [await open(), await open(), await open()]
    for (const tab of [here, there, gone]) await listen(tab)
    await gone.evaluate(() => window.kept.deaf())
    await there.evaluate(() => document.dispatchEvent(new Event('freeze')))
    await tell(here, 1)
    await there.evaluate(() => document.dispatchEvent(new Event('resume')))
    await tell(here, 2)
    await expect.poll(() => heard(there)).toEqual([news(2)])
    expect(await heard(gone)).toEqual([])
    await tell(gone, 3) // who listens no more may still speak
    await expect.poll(() => heard(there)).toEqual([news(2), news(3)])
  })
})

describe('the clock', () => {
  const wakeIn = (page: Page, ms: number) =>
    page.evaluate((span) => {
      const { browserClock } = window.app
      const woken: number[] = []
      window.kept = { woken } as unknown as Kept // the rest belongs to other tests
      browserClock.wakeAt(browserClock.now().wall + span, () => woken.push(Date.now()))
    }, ms)
  const wakes = (page: Page) => page.evaluate(() => window.kept.woken.length)

  test('does not take a month for no time (F18)', async () => {
    const { open } = await stage(browser)
    const page = await open()
    await page.clock.install()
    await wakeIn(page, 30 * 86_400_000)
    await page.clock.runFor(60_000)
    expect(await wakes(page)).toBe(0)
    for (const days of [20, 9]) await page.clock.fastForward(days * 86_400_000)
    expect(await wakes(page)).toBe(0)
    await page.clock.fastForward(86_400_000)
    expect(await wakes(page)).toBe(1)
  })

  test('wakes soon after a sleep in which no timer ran (F20)', async () => {
    const { open } = await stage(browser)
    const page = await open()
    await page.clock.install()
    await wakeIn(page, 3_600_000)
    await page.clock.setSystemTime(Date.now() + 8 * 3_600_000) // the wall clock goes on, timers have stood still
    await page.clock.runFor(20_000)
    expect(await wakes(page)).toBe(1)
  })

  test('lets nobody wait longer because the wall clock was set back (F23)', async () => {
    const { open } = await stage(browser)
    const page = await open()
    await page.clock.install()
    await wakeIn(page, 60_000)
    await page.clock.setSystemTime(Date.now() - 86_400_000)
    await page.clock.runFor(61_000)
    expect(await wakes(page)).toBe(1)
  })
})
