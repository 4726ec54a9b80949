import type { Session } from 'latchkey'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { calm, signIn, stage, statusOf } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** Instances on one page, and how often each has heard of a refresh. */
interface Crowd {
  readonly sessions: Session[]
  readonly heard: number[]
}

declare global {
  interface Window {
    crowd: Crowd
  }
}

/** Runs the page's script again, from `path`: `window.app` is then another copy of everything. The one before lives on. */
const loadAgain = (page: Page, path: string) => page.addScriptTag({ url: path })

/** What is in `window.app` joins the crowd. */
const join = (page: Page, another = false) =>
  page.evaluate((isAnother) => {
    window.crowd ??= { sessions: [], heard: [] }
    const { sessions, heard } = window.crowd
    const session = isAnother ? window.app.open() : window.app.session
    const index = sessions.push(session) - 1
    heard[index] = 0
    session.on('refreshed', () => {
      heard[index] = (heard[index] ?? 0) + 1
    })
  }, another)

/** Waits until the token of all has expired, and lets each of them call, but for the first `without`. */
const expireAndCall = (page: Page, without = 0) =>
  page.evaluate(async (count) => {
    const sessions = window.crowd.sessions.slice(count)
    const over = () => sessions.every(({ state }) => state.status === 'signed-in' && Date.now() > Number(state.expiresAt))
    while (!over()) await new Promise((resolve) => setTimeout(resolve, 20))
    return Promise.all(
      sessions.map((session) => session.fetch(`${location.origin}/api/me`).then(({ status }) => status, window.app.nameOf)),
    )
  }, without)

const heard = (page: Page) => page.evaluate(() => window.crowd.heard)

// These wait for tokens to expire: side by side.
describe.concurrent('instances of the same session on one page', () => {
  test('refresh once per expiry, three of them from two builds; closing one leaves the others; nobody is warned, as nothing is ever logged (F14)', async ({
    expect,
    onTestFinished,
  }) => {
    const { server, open, uncaught } = await stage(browser, onTestFinished)
    const page = await open()
    const said: string[] = []
    page.on('console', (message) => said.push(message.text()))
    await join(page)
    await join(page, true)
    await loadAgain(page, '/minified.js')
    await join(page)
    server.rules.lifetime = 2
    await signIn(page, server)
    for (let expiries = 1; expiries <= 5; expiries++) {
      expect(await expireAndCall(page)).toEqual([200, 200, 200])
      await expect.poll(() => heard(page)).toEqual([expiries, expiries, expiries])
      expect(server.refreshes).toHaveLength(expiries)
    }
    await page.evaluate(() => window.crowd.sessions[0]!.close())
    expect(await expireAndCall(page, 1)).toEqual([200, 200])
    await expect.poll(() => heard(page)).toEqual([5, 6, 6])
    expect(server.refreshes).toEqual(Array.from({ length: 6 }, () => 'granted'))
    expect(server.calls.map(({ credential }) => credential)).toEqual(Array.from({ length: 17 }, () => 'valid'))
    expect([said, uncaught]).toEqual([[], []])
  })

  test('refresh once per expiry though a hot reload has left twenty of them alive (F71)', async ({ expect, onTestFinished }) => {
    const { server, open, uncaught } = await stage(browser, onTestFinished)
    const page = await open()
    await join(page)
    for (let evaluations = 2; evaluations <= 20; evaluations++) {
      await loadAgain(page, '/app.js')
      await join(page)
    }
    server.rules.lifetime = 2
    await signIn(page, server)
    for (let expiries = 1; expiries <= 3; expiries++) {
      expect(await expireAndCall(page)).toEqual(Array.from({ length: 20 }, () => 200))
      await expect.poll(() => heard(page)).toEqual(Array.from({ length: 20 }, () => expiries))
      expect(server.refreshes).toHaveLength(expiries)
    }
    expect(new Set(server.refreshes)).toEqual(new Set(['granted']))
    expect(uncaught).toEqual([])
  })

  // What React does with an effect in StrictMode, without React.
  test('that are made and closed ten times over in one tick, with an expired token, refresh once, and the last one works (F70)', async ({
    expect,
    onTestFinished,
  }) => {
    const { server, open, uncaught } = await stage(browser, onTestFinished)
    const page = await open()
    server.rules.lifetime = 1
    await page.evaluate(async (tokens) => {
      const session = window.app.open({ name: 'mounted' })
      await session.signIn(tokens)
      session.close()
    }, server.grant())
    await calm(1_000) // until it has expired: nobody is there who would say so
    server.rules.lifetime = 300
    const found = await page.evaluate(async () => {
      const comes: Promise<string>[] = []
      const call = (session: Session) => session.fetch(`${location.origin}/api/me`).then(({ status }) => String(status), window.app.nameOf)
      for (let mount = 0; mount < 10; mount++) {
        const session = window.app.open({ name: 'mounted' })
        comes.push(call(session))
        session.close()
      }
      const last = window.app.open({ name: 'mounted' })
      comes.push(call(last))
      const came = await Promise.all(comes)
      const began = performance.now()
      for (;;) {
        const { held = [], pending = [] } = await navigator.locks.query()
        const took = performance.now() - began
        if (took > 5_000 || ![...held, ...pending].some(({ name }) => name === 'latchkey:mounted'))
          return { came, freeAfter: took, status: last.state.status }
      }
    })
    expect(found.came).toEqual([...Array.from({ length: 10 }, () => 'closed'), '200'])
    expect(found.status).toBe('signed-in')
    expect(found.freeAfter, 'ms').toBeLessThanOrEqual(100)
    expect(server.refreshes).toEqual(['granted'])
    expect(uncaught).toEqual([])
  })
})

test('a thousand that were made, listened to and closed leave no listener, timer, channel, lock or memory behind (F72, REQ-127)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  await context.addInitScript(() => {
    const left = { timers: new Set<unknown>(), channels: new Set<unknown>() }
    Object.assign(window, { left })
    const { setTimeout: set, clearTimeout: clear, BroadcastChannel: Channel } = window
    Object.assign(window, {
      setTimeout(task: () => void, span: number) {
        const timer = set(() => {
          left.timers.delete(timer)
          task()
        }, span)
        left.timers.add(timer)
        return timer
      },
      clearTimeout(timer: number) {
        left.timers.delete(timer)
        clear(timer)
      },
      BroadcastChannel: class extends Channel {
        constructor(name: string) {
          super(name)
          left.channels.add(this)
        }
        override close(): void {
          left.channels.delete(this)
          super.close()
        }
      },
    })
  })
  const page = await open()
  await signIn(page, server)
  const protocol = await context.newCDPSession(page)
  const listenersOf = async (expression: string): Promise<number> => {
    const { result } = await protocol.send('Runtime.evaluate', { expression })
    return (await protocol.send('DOMDebugger.getEventListeners', { objectId: result.objectId! })).listeners.length
  }
  const leftNow = async () => ({
    window: await listenersOf('window'),
    document: await listenersOf('document'),
    channels: await page.evaluate(() => (window as unknown as { left: { channels: Set<unknown> } }).left.channels.size), // set above
    locks: await page.evaluate(async () => {
      const { held = [], pending = [] } = await navigator.locks.query()
      return held.length + pending.length
    }),
  })
  const timers = () => page.evaluate(() => (window as unknown as { left: { timers: Set<unknown> } }).left.timers.size) // set above
  const heap = async (): Promise<number> => {
    await protocol.send('HeapProfiler.collectGarbage')
    return (await protocol.send('Runtime.getHeapUsage')).usedSize
  }
  const cycle = (times: number) =>
    page.evaluate(async (count) => {
      for (let made = 0; made < count; made++) {
        const session = window.app.open({ name: `cycle ${made % 3}` })
        session.subscribe(() => {})
        session.on('refreshed', () => {})
        session.onSessionExpired(() => {})
        if (made % 2) await session.ready
        session.close()
      }
    }, times)

  await cycle(100) // what is made once, and kept
  await expect.poll(timers).toBeLessThanOrEqual(2)
  const before = await leftNow()
  const heapBefore = await heap()
  expect(before.window).toBeGreaterThan(0) // of the one that lives
  await cycle(1_000)
  await expect.poll(timers).toBeLessThanOrEqual(2)
  expect(await leftNow()).toEqual(before)
  const grown = (await heap()) - heapBefore
  expect(grown).toBeLessThan(1_000_000)
  expect(await statusOf(page)).toBe('signed-in')
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(uncaught).toEqual([])
})
