import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { dump, fragments } from './database.ts'
import type { EngineBrowser, Tab } from './engine.ts'
import { installedEngines } from './installed-engines.ts'
import type { App } from './page/app.ts'
import { calm, signIn, statusOf } from './scene.ts'
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts'

declare global {
  interface Window {
    letGo: () => void
    peers: ReturnType<App['broadcastPeers']>
    news: unknown[]
  }
}

// Every engine has locks, channels, a database and a way back of its own making. What needs Chromium's protocol is tested elsewhere.
describe.each(installedEngines)('$name', ({ launch, keepsPages }) => {
  let browser: EngineBrowser

  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(() => browser?.close())

  test('a lock is held by one tab at a time, goes to the next when it is let go, and is free as soon as its tab is gone (F02, F15, F49)', async () => {
    const { open } = await stageIn(browser)
    const [here, there] = [await open(), await open()]
    expect(await acquire(here)).toBe('held')
    const waitingThere = acquire(there)
    await soon(() => lockQueue(here)).toBe(1)
    await here.evaluate(() => window.letGo())
    expect(await waitingThere).toBe('held')

    const waitingHere = acquire(here)
    await soon(() => lockQueue(here)).toBe(1)
    await there.close()
    expect(await waitingHere).toBe('held')
  })

  test('peers are heard in the other tabs, in order, and not in one’s own (F12)', async () => {
    const { open } = await stageIn(browser)
    const tabs = [await open(), await open(), await open()]
    for (const tab of tabs)
      await tab.evaluate(() => {
        window.news = []
        window.peers = window.app.broadcastPeers('room')
        window.peers.listen((news) => window.news.push(news))
      })
    const said = [1, 2, 3].map((generation) => ({ session: 's', generation, missing: false }))
    const [speaker, ...others] = tabs
    await speaker!.evaluate((all) => all.forEach(window.peers.tell), said)
    for (const tab of others) await soon(() => tab.evaluate(() => window.news)).toEqual(said)
    expect(await speaker!.evaluate(() => window.news)).toEqual([])
  })

  test('four tabs that call all the time refresh once per expiry, and no refresh token is used twice (F01, F16)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    server.rules.lifetime = 2
    const tabs = await signedInTabs(server, open, 4)
    const came = Promise.all(tabs.map(callUntilTheTokenLasts))
    await soon(() => server.refreshes.length).toBeGreaterThanOrEqual(2)
    server.rules.lifetime = 300 // from the third on

    expect(await came).toEqual(tabs.map(() => [200]))
    expect(server.refreshes).toEqual(['granted', 'granted', 'granted'])
    const notes = (await Promise.all(tabs.map((tab) => tab.evaluate(() => window.app.notes)))).flat()
    expect(notes.filter(({ what, detail }) => what === 'refreshed' && detail === 'this-tab')).toHaveLength(3)
    expect(notes.filter(({ what }) => what === 'ended')).toEqual([])
    expect(await uncaught()).toEqual([])
  })

  test('four tabs that are refused at the same moment refresh once, and may all ask again without using a token twice (F16, F55)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    server.rules.slowness = 100
    const tabs = await signedInTabs(server, open, 4)
    server.invalidate()
    expect(await Promise.all(tabs.map(call))).toEqual([200, 200, 200, 200])
    expect(server.refreshes).toEqual(['granted'])

    for (let round = 1; round <= 3; round++) await Promise.all(tabs.map((tab) => tab.evaluate(() => window.app.session.refresh())))
    expect(new Set(server.refreshes)).toEqual(new Set(['granted']))
    expect(await Promise.all(tabs.map(call))).toEqual([200, 200, 200, 200])
    expect(await uncaught()).toEqual([])
  })

  test('when the tab that refreshes is closed, the next one has a token within two seconds (F33, F49)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    server.rules.rotation = 'grace'
    const [other, doomed] = await signedInTabs(server, open, 2)
    server.rules.slowness = 60_000
    await doomed!.evaluate(() => void window.app.session.refresh())
    await soon(() => server.refreshes).toEqual(['granted']) // the server has rotated, and has not answered
    const waiting = other!.evaluate(() => window.app.session.refresh().then(() => Date.now()))
    server.rules.slowness = 0
    await doomed!.close()
    const closed = Date.now()

    expect((await waiting) - closed, 'ms').toBeLessThanOrEqual(2_000)
    expect(await call(other!)).toBe(200)
    expect(server.refreshes).toEqual(['granted', 'again'])
    expect(await uncaught()).toEqual([])
  })

  test('a sign-out is told once in each tab within 500 ms, and revoked once; the next sign-in brings all of them back (F09, F17, F58)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    const tabs = await signedInTabs(server, open, 4)
    const [here, ...others] = tabs
    const began = await here!.evaluate(() => {
      const at = Date.now()
      window.app.session.signOut()
      return at
    })
    for (const tab of others) await soon(() => statusOf(tab)).toBe('signed-out')
    await soon(() => server.revocations.length).toBe(1)
    const { length } = server.calls
    for (const tab of tabs) expect(await call(tab)).toBe('signed_out')
    expect(server.calls).toHaveLength(length)

    await signIn(others[0]!, server)
    for (const tab of tabs) await soon(() => statusOf(tab)).toBe('signed-in')
    for (const tab of tabs) {
      expect(await call(tab)).toBe(200)
      const by = tab === here ? 'this-tab' : 'other-tab'
      expect(await tab.evaluate(() => window.app.ends.map((end) => `${end.reason} ${end.by}`))).toEqual([`signed-out ${by}`])
      expect(await tab.evaluate(() => window.app.expirations)).toEqual([]) // somebody wanted it
      const ended = await tab.evaluate(() => window.app.notes.find(({ what }) => what === 'ended')?.at)
      expect(Number(ended) - began, 'ms').toBeLessThanOrEqual(500)
    }
    expect(server.revocations).toHaveLength(1)
    expect(await uncaught()).toEqual([])
  })

  test('the sign-in of somebody else is told as that in the other tabs, which go on with the new token (F10)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    const tabs = await signedInTabs(server, open, 3, 'ada')
    const [here, ...others] = tabs
    await signIn(here!, server, 'grace')
    const token = await here!.evaluate(() => window.app.session.getToken())
    for (const tab of others) {
      await soon(() => tab.evaluate(() => window.app.ends.map(({ reason }) => reason))).toEqual(['user-changed'])
      await soon(() => statusOf(tab)).toBe('signed-in')
      expect(await tab.evaluate(() => window.app.session.getToken())).toBe(token)
    }
    expect(server.refreshes).toEqual([])
    expect(await uncaught()).toEqual([])
  })

  test('a redirect to another origin takes no token there, and what it answers is no news of ours (F63)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    const elsewhere = await startScriptedServer()
    onTestFinished(() => elsewhere.close())
    const tab = await open()
    await signIn(tab, server)
    const away = `/api/away?to=${encodeURIComponent(`${elsewhere.origin}/api/me`)}`
    expect(await tab.evaluate((path) => window.app.call(path), away)).toBe(401)
    expect(elsewhere.calls.map(({ path, headers }) => [path, headers.authorization])).toEqual([['/api/me', undefined]])

    expect(await tab.evaluate((path) => window.app.call(path, { redirect: 'error' }), away)).toBe('TypeError')
    const manual = await tab.evaluate(async (path) => {
      const { type, status } = await window.app.session.fetch(location.origin + path, { redirect: 'manual' })
      return { type, status }
    }, away)
    expect(manual).toEqual({ type: 'opaqueredirect', status: 0 })
    await calm(300)
    expect(server.calls.map(({ credential, status }) => [credential, status])).toEqual(Array.from({ length: 3 }, () => ['valid', 302]))
    expect(elsewhere.calls).toHaveLength(1)
    expect(server.refreshes).toEqual([])
    expect(await statusOf(tab)).toBe('signed-in')
    expect(await uncaught()).toEqual([])
  })

  test('what lies in IndexedDB is sealed, and signs a reloaded page and a new tab in (F27, REQ-05)', async () => {
    const { server, open, uncaught } = await stageIn(browser)
    const tab = await open()
    await signIn(tab, server, 'ada@example.com')
    await tab.evaluate(() => window.app.session.refresh())

    const { bytes, keys } = await dump(tab)
    expect(bytes).toContain('latchkey:test') // the record is there
    expect(bytes.length).toBeGreaterThan(300)
    expect([...fragments(server.tokens), 'ada@example.com', 'Bearer'].filter((part) => bytes.includes(part))).toEqual([])
    expect(keys).toEqual([{ algorithm: 'AES-GCM', extractable: false, exported: false }])

    await tab.reload()
    expect(await call(tab)).toBe(200)
    expect(await statusOf(tab)).toBe('signed-in')
    const another = await open('/?call') // before its session has been read
    await soon(() => another.evaluate(() => window.app.notes.map(({ what, detail }) => `${what} ${detail}`))).toContain('first call 200')
    expect(server.calls.map(({ credential }) => credential)).toEqual(['valid', 'valid'])
    expect(server.refreshes).toEqual(['granted'])
    expect(await uncaught()).toEqual([])
  })

  if (!keepsPages) return

  describe('a page that is kept for the way back', () => {
    /** Signs in, leaves the page, and notes what it is told, and what it can do, as it comes back. */
    async function leave(tab: Tab, server: ScriptedServer): Promise<void> {
      await signIn(tab, server)
      await tab.evaluate(() => {
        for (const type of ['pagehide', 'pageshow'] as const)
          addEventListener(type, ({ persisted }) => window.app.note(type, String(persisted)))
        addEventListener('pageshow', () => {
          window.app.call().then((came) => window.app.note('call', String(came)))
        })
      })
      await tab.goto(`${server.origin}/blank`)
    }

    async function notesAfterTheWayBack(tab: Tab): Promise<readonly string[]> {
      await tab.back()
      const called = () => tab.evaluate(() => window.app.notes.some(({ what }) => what === 'call')).catch(() => false)
      await soon(called).toBe(true)
      return tab.evaluate(() => window.app.notes.map(({ what, detail }) => `${what} ${detail}`))
    }

    test('comes back signed in (F69)', async () => {
      const { server, open, uncaught } = await stageIn(browser)
      const tab = await open()
      await leave(tab, server)
      expect(await notesAfterTheWayBack(tab)).toEqual(['signed-in this-tab', 'pagehide true', 'pageshow true', 'call 200'])
      expect(await uncaught()).toEqual([])
    })

    test('tells its app of a sign-out elsewhere before anything else (F68, REQ-72)', async () => {
      const { server, open, uncaught } = await stageIn(browser)
      const tab = await open()
      await leave(tab, server)
      const other = await open()
      expect(await statusOf(other)).toBe('signed-in')
      await other.evaluate(() => window.app.session.signOut())
      expect(await notesAfterTheWayBack(tab)).toEqual([
        'signed-in this-tab',
        'pagehide true',
        'pageshow true',
        'ended signed-out',
        'call session_ended signed-out',
      ])
      expect(server.calls.filter(({ path }) => path.startsWith('/api'))).toEqual([])
      expect(await uncaught()).toEqual([])
    })

    test('is kept though other tabs refresh meanwhile, and comes back with the new token (F69)', async () => {
      const { server, open, uncaught } = await stageIn(browser)
      const tab = await open()
      await leave(tab, server)
      const other = await open()
      expect(await statusOf(other)).toBe('signed-in')
      await other.evaluate(() => window.app.session.refresh())
      const token = await other.evaluate(() => window.app.session.getToken())
      expect(await notesAfterTheWayBack(tab)).toEqual([
        'signed-in this-tab',
        'pagehide true',
        'pageshow true',
        'refreshed other-tab',
        'call 200',
      ])
      expect(server.calls.filter(({ path }) => path === '/api/me').map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`])
      expect(server.refreshes).toEqual(['granted'])
      expect(await uncaught()).toEqual([])
    })
  })
})

interface EngineScene {
  readonly server: ScriptedServer
  readonly open: (path?: string) => Promise<Tab>
  /** Errors that nobody caught, in the tabs that are still open. */
  readonly uncaught: () => Promise<readonly string[]>
}

/** A server and tabs of one profile. Ends with the test that asks for it. */
async function stageIn(browser: EngineBrowser): Promise<EngineScene> {
  const server = await startScriptedServer()
  onTestFinished(() => server.close())
  const profile = await browser.openProfile()
  onTestFinished(() => profile.close())
  const tabs: Tab[] = []
  return {
    server,
    async open(path = '/') {
      const tab = await profile.open(server.origin + path)
      tabs.push(tab)
      return tab
    },
    uncaught: async () => (await Promise.all(tabs.map((tab) => tab.evaluate(() => window.app.uncaught).catch(() => [])))).flat(),
  }
}

async function signedInTabs(server: ScriptedServer, open: EngineScene['open'], count: number, subject?: string): Promise<readonly Tab[]> {
  const tabs = await Promise.all(Array.from({ length: count }, () => open()))
  await signIn(tabs[0]!, server, subject)
  for (const tab of tabs) await soon(() => statusOf(tab)).toBe('signed-in')
  return tabs
}

const acquire = (tab: Tab) =>
  tab.evaluate(async () => {
    window.letGo = await window.app.webLock('one').acquire(AbortSignal.timeout(30_000))
    return 'held'
  })

const lockQueue = (tab: Tab) => tab.evaluate(async () => (await navigator.locks.query()).pending?.length)

const call = (tab: Tab) => tab.evaluate(() => window.app.call())

/** Resolves with what all the calls came to. */
const callUntilTheTokenLasts = (tab: Tab) =>
  tab.evaluate(async () => {
    const came = new Set<number | string>()
    for (;;) {
      came.add(await window.app.call())
      const { state } = window.app.session
      if (state.status !== 'signed-in' || Number(state.expiresAt) - Date.now() > 60_000) return [...came]
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })

const soon = <T>(look: () => T) => expect.poll(look, { timeout: 30_000 })
