import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { launchAlone, launchOnProfile, newProfile, removeProfile } from './chromium.ts'
import { callUntilAnswered, notesOf, stageUntouched, stopInMidRefresh } from './frozen-tabs.ts'
import { calm, expired, signIn, stage, statusOf } from './scene.ts'

// These do little but wait, each for a browser of its own: side by side.
describe.concurrent('side by side,', () => {
  test('a tab that is frozen in the middle of its refresh holds nobody up for longer than its claim lasts, and five seconds, and adopts what there is when it thaws (F15, REQ-131)', async ({
    expect,
    onTestFinished,
  }) => {
    const scene = await stageUntouched(onTestFinished)
    const { server, uncaught, freeze } = scene
    server.rules.rotation = 'grace'
    const { holder, other } = await stopInMidRefresh(scene, 1_000)
    const thaw = await freeze(holder)
    const { came, took } = await callUntilAnswered(other)
    expect(came).toBe(200)
    expect(took, 'ms').toBeLessThanOrEqual(10_000 + 5_000) // what a claim lasts, and five seconds
    expect(server.refreshes).toEqual(['granted', 'again'])

    await thaw()
    await expect.poll(() => notesOf(holder)).toContain('refreshed other-tab')
    expect(await notesOf(holder)).toContain('call refresh_unavailable') // its own deadline has long passed
    expect(await holder.evaluate(() => window.app.call())).toBe(200)
    expect(new Set(server.calls.map(({ headers }) => headers.authorization)).size).toBe(1)
    expect(server.calls.map(({ credential }) => credential)).toEqual(['valid', 'valid'])
    expect(server.refreshes).toEqual(['granted', 'again'])
    expect(server.revocations).toEqual([])
    expect(uncaught).toEqual([])
  })

  test('a tab that is frozen in the middle of its refresh costs the session where the server is strict, as its answer is lost, and all tabs are told why (F15, F33)', async ({
    expect,
    onTestFinished,
  }) => {
    const scene = await stageUntouched(onTestFinished)
    const { server, uncaught, freeze } = scene
    const { holder, other } = await stopInMidRefresh(scene, 1_000)
    const thaw = await freeze(holder)
    expect((await callUntilAnswered(other)).came).toBe('session_ended rejected')
    expect(server.refreshes).toEqual(['granted', 'reused'])

    await thaw()
    await expect.poll(() => holder.evaluate(() => window.app.ends.length)).toBe(1)
    for (const tab of [holder, other]) {
      expect(await tab.evaluate(() => window.app.ends.map(({ reason, answerLost }) => ({ reason, answerLost })))).toEqual([
        { reason: 'rejected', answerLost: true },
      ])
    }
    expect(server.refreshes).toEqual(['granted', 'reused'])
    expect(uncaught).toEqual([])
  })

  test('a tab that is frozen for less than its claim lasts keeps the session, with a strict server, too (F15)', async ({
    expect,
    onTestFinished,
  }) => {
    const scene = await stageUntouched(onTestFinished)
    const { server, uncaught, freeze } = scene
    const { holder, other } = await stopInMidRefresh(scene, 1_000)
    const thaw = await freeze(holder)
    const waiting = callUntilAnswered(other)
    const queue = () => other.evaluate(async () => (await navigator.locks.query()).pending?.length)
    await expect.poll(queue).toBe(1)
    await expect.poll(queue).toBe(0) // it has given up the lock, and watches the claim
    await thaw()
    expect((await waiting).came).toBe(200)
    await expect.poll(async () => (await notesOf(holder)).at(-1)).toBe('call 200')
    expect(await notesOf(holder)).toEqual(['signed-in this-tab', 'freeze null', 'resume null', 'refreshed this-tab', 'call 200'])
    expect(await notesOf(other)).toEqual(['refreshed other-tab'])
    expect(server.refreshes).toEqual(['granted'])
    expect(uncaught).toEqual([])
  })

  test('when the tab that refreshed last is frozen, another one refreshes for itself, once, within two seconds (F15)', async ({
    expect,
    onTestFinished,
  }) => {
    const { server, open, uncaught, freeze } = await stageUntouched(onTestFinished)
    server.rules.lifetime = 1
    const leader = await open()
    await signIn(leader, server)
    await expired(leader)
    server.rules.lifetime = 4
    expect(await leader.evaluate(() => window.app.call())).toBe(200)
    const [hidden, visible] = [await open(), await open()]
    for (const tab of [hidden, visible]) await expect.poll(() => statusOf(tab)).toBe('signed-in')
    await visible.bringToFront()
    const thaw = await freeze(leader)
    await Promise.all([expired(visible), expired(hidden)])
    expect(server.refreshes).toEqual(['granted'])

    server.rules.lifetime = 300
    const { came, took } = await callUntilAnswered(visible)
    expect(came).toBe(200)
    expect(took, 'ms').toBeLessThanOrEqual(2_000)
    await thaw()
    for (const tab of [leader, hidden]) expect(await tab.evaluate(() => window.app.call())).toBe(200)
    expect(server.refreshes).toEqual(['granted', 'granted'])
    expect(uncaught).toEqual([])
  })

  test('a page that is rendered ahead of a visit sends nothing until it is visited, and then its call goes out (F86)', async ({
    expect,
    onTestFinished,
  }) => {
    const folder = await newProfile()
    onTestFinished(() => removeProfile(folder))
    const context = await launchOnProfile(folder)
    const { server, open } = await stage(context, onTestFinished)
    server.rules.lifetime = 1
    const page = await open()
    await signIn(page, server)
    await expired(page)
    await context.close()
    server.rules.lifetime = 300

    const before = server.visits.length
    const end = await launchAlone(folder, `${server.origin}/ahead`)
    onTestFinished(end)
    const paths = () => server.calls.map(({ path, credential }) => `${path} ${credential}`)
    const scripts = () => server.visits.slice(before).filter((path) => path === '/app.js')
    await expect.poll(scripts, { timeout: 10_000 }).toHaveLength(1)
    await pause(2_000) // in which its script has run
    expect([paths(), server.refreshes]).toEqual([['/api/held none'], []])
    server.release()
    await expect.poll(paths, { timeout: 5_000 }).toContain('/api/first valid')
    expect(server.refreshes).toEqual(['granted'])
    expect(scripts()).toHaveLength(1) // and not once more for the visit
  })
})

test.each([
  { name: 'grace gives the answer once more', rotation: 'grace', outcome: 'again', came: 200 },
  { name: 'strict ends the session', rotation: 'strict', outcome: 'reused', came: 'session_ended rejected' },
] as const)(
  'a tab that is closed in the middle of its refresh holds nobody up: within two seconds a server with $name (F15, F33)',
  async ({ rotation, outcome, came }) => {
    const scene = await stageUntouched(onTestFinished)
    const { server, uncaught } = scene
    server.rules.rotation = rotation
    const { holder, other } = await stopInMidRefresh(scene, 20_000)
    const waiting = callUntilAnswered(other)
    await expect.poll(() => other.evaluate(async () => (await navigator.locks.query()).pending?.length)).toBe(1)
    const closed = Date.now()
    await holder.close()
    const found = await waiting
    expect(found.came).toBe(came)
    expect(found.at - closed, 'ms').toBeLessThanOrEqual(2_000)
    expect(server.refreshes).toEqual(['granted', outcome])
    expect(uncaught).toEqual([])
  },
)

test('coming and going makes no event and no request while the token is good (F75)', async () => {
  const { server, open, uncaught } = await stageUntouched(onTestFinished)
  server.rules.lifetime = 200
  const page = await open()
  await signIn(page, server)
  const blank = await open('/blank')
  const requests: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  await page.evaluate(() => {
    window.app.session.subscribe(({ status }) => window.app.note('state', status))
    document.addEventListener('visibilitychange', () => window.app.note('shown', document.visibilityState))
  })
  const before = await notesOf(page)
  for (let round = 0; round < 20; round++) {
    await blank.bringToFront()
    await page.bringToFront()
    await page.evaluate(() => window.dispatchEvent(new Event('focus'))) // nobody clicks on a browser without a window
  }
  const since = (await notesOf(page)).slice(before.length)
  expect(since.filter((note) => note === 'shown hidden').length).toBeGreaterThanOrEqual(15)
  expect(since.filter((note) => !note.startsWith('shown'))).toEqual([])
  expect(requests).toEqual([])
  expect([server.refreshes, server.calls]).toEqual([[], []])
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  expect(uncaught).toEqual([])
})

test('a page that says that it is not visited yet asks for no lock, and calls go out when it is (F86)', async () => {
  const { server, open, context, uncaught } = await stageUntouched(onTestFinished)
  server.rules.lifetime = 1
  const first = await open()
  await signIn(first, server)
  await expired(first)
  await first.close()
  server.rules.lifetime = 300
  await context.addInitScript(() => {
    if (!navigator.locks) return // about:blank
    const asked: string[] = []
    const { request } = LockManager.prototype
    navigator.locks.request = (...args: unknown[]) => {
      asked.push(String(args[0]))
      return Reflect.apply(request, navigator.locks, args)
    }
    Object.defineProperty(document, 'prerendering', { value: true, configurable: true })
    Object.assign(window, { asked })
  })
  const page = await open('/?call')
  const asked = () => page.evaluate(() => (window as unknown as { asked: string[] }).asked) // set above
  expect(await statusOf(page)).toBe('signed-in')
  await calm(1_000)
  expect([await asked(), server.refreshes, server.calls]).toEqual([[], [], []])

  const shown = await page.evaluate(() => {
    Object.defineProperty(document, 'prerendering', { value: false })
    document.dispatchEvent(new Event('prerenderingchange'))
    return Date.now()
  })
  await expect.poll(() => page.evaluate(() => window.app.notes.find(({ what }) => what === 'first call')?.detail)).toBe('200')
  const at = await page.evaluate(() => window.app.notes.find(({ what }) => what === 'first call')?.at)
  expect(at! - shown, 'ms').toBeLessThanOrEqual(1_000)
  expect(await asked()).toEqual(['latchkey:test'])
  expect(server.refreshes).toEqual(['granted'])
  expect(uncaught).toEqual([])
})
