import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchChromium } from './chromium.ts'
import { calm, expired, type Scene, signIn, stage, statusOf, stored } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const letter = (index: number) => `a long letter, number ${index}, that nobody wants to write again: ä`

/** Three tabs whose session the server has ended, and in each of them a letter that was to be posted. */
async function holdLetters({ server, open, context }: Scene) {
  let navigations = 0
  const tabs: Page[] = []
  for (let index = 0; index < 3; index++) tabs.push(await open('/', { whenSignedOut: 'hold' }))
  server.rules.lifetime = 1
  await signIn(tabs[0]!, server, 'ada')
  for (const tab of tabs) await expect.poll(() => statusOf(tab)).toBe('signed-in')
  await Promise.all(tabs.map(expired))
  for (const page of context.pages()) page.on('framenavigated', () => navigations++)
  server.rules.lifetime = 300
  server.revokeEverything()
  const letters = tabs.map((tab, index) => tab.evaluate((body) => window.app.call('/api/letters', { method: 'POST', body }), letter(index)))
  for (const tab of tabs)
    await expect.poll(() => tab.evaluate(() => window.app.expirations.map(({ reason }) => reason))).toEqual(['rejected'])
  await calm(500)
  expect(server.calls).toEqual([])
  expect(server.refreshes).toEqual(['refused'])
  return { tabs, letters, navigations: () => navigations }
}

test('letters that meet an expired session are held, and go out once and whole when the same user signs in, here or in another tab (F17, F84)', async () => {
  const scene = await stage(browser)
  const { server, uncaught } = scene
  const { tabs, letters, navigations } = await holdLetters(scene)
  const signedIn = Date.now()
  await signIn(tabs[0]!, server, 'ada')
  expect(await Promise.all(letters)).toEqual([200, 200, 200])
  for (const tab of tabs.slice(1)) {
    const { at, detail } = (await tab.evaluate(() => window.app.notes.filter(({ what }) => what === 'signed-in'))).at(-1)!
    expect(detail).toBe('other-tab')
    expect(at - signedIn, 'ms').toBeLessThanOrEqual(500)
  }
  await calm(500)
  const sent = server.calls.map(({ method, path, credential, body }) => `${method} ${path} ${credential}: ${body}`)
  expect(sent.sort()).toEqual([0, 1, 2].map((index) => `POST /api/letters valid: ${letter(index)}`))
  expect(navigations()).toBe(0)
  expect(uncaught).toEqual([])
})

test('letters of one user are not sent by another: they reject, typed (F10, F17, F84)', async () => {
  const scene = await stage(browser)
  const { server, uncaught } = scene
  const { tabs, letters, navigations } = await holdLetters(scene)
  await signIn(tabs[0]!, server, 'grace')
  expect(await Promise.all(letters)).toEqual(Array.from({ length: 3 }, () => 'session_ended user-changed'))
  await calm(500)
  expect(server.calls).toEqual([])
  expect(await tabs[1]!.evaluate(() => window.app.call())).toBe(200)
  expect(navigations()).toBe(0)
  expect(uncaught).toEqual([])
})

test('a sign-out without a network erases the tokens at once, tells all tabs, and is made good when the network is back (F36, REQ-11, REQ-62, REQ-73)', async () => {
  const { server, open, context, uncaught } = await stage(browser)
  const [here, there] = [await open(), await open()]
  await signIn(here, server)
  await expect.poll(() => statusOf(there)).toBe('signed-in')
  await context.setOffline(true)
  const { answer, status, erasedIn } = await here.evaluate(async () => {
    const { session, deviceStore } = window.app
    const began = performance.now()
    const coming = session.signOut()
    const { status: now } = session.state
    const store = deviceStore()
    while (JSON.parse((await store.read('latchkey:test')) ?? '{}').grant) await new Promise((resolve) => setTimeout(resolve, 1))
    return { erasedIn: performance.now() - began, status: now, answer: await coming }
  })
  expect(status).toBe('signed-out')
  expect(erasedIn, 'ms').toBeLessThanOrEqual(100)
  expect(answer).toEqual({ revoked: false })
  expect(await here.evaluate(() => window.app.session.getToken().catch(window.app.nameOf))).toBe('signed_out')
  await expect
    .poll(() => there.evaluate(() => window.app.ends.map(({ reason, by }) => `${reason} ${by}`)))
    .toEqual(['signed-out other-tab'])

  expect(server.revocations).toEqual([])
  await context.setOffline(false)
  await expect.poll(() => server.revocations, { timeout: 15_000 }).toEqual([server.tokens[1]])
  await calm(1_000)
  expect(await stored(here)).toMatchObject({ status: 'ended', reason: 'signed-out' })
  for (const tab of [here, there]) expect(await statusOf(tab)).toBe('signed-out')
  expect(await statusOf(await open())).toBe('signed-out')
  expect([server.refreshes, server.calls]).toEqual([[], []])
  expect(uncaught).toEqual([])
})

test('a revocation that is answered 503 is tried again, when the server has asked for it; other tabs send none (REQ-62)', async () => {
  const { server, open, uncaught } = await stage(browser)
  const [here, there] = [await open(), await open()]
  await signIn(here, server)
  await expect.poll(() => statusOf(there)).toBe('signed-in')
  server.rules.refusedRevocations = 2
  const { answer, took } = await here.evaluate(async () => {
    const began = performance.now()
    return { answer: await window.app.session.signOut(), took: performance.now() - began }
  })
  // On a machine that halts, the ten seconds may be over before the third try is answered.
  if (took < 10_000) expect(answer).toEqual({ revoked: true })
  expect(took).toBeGreaterThanOrEqual(2_000)
  await expect.poll(() => server.revocations, { timeout: 15_000 }).toEqual([server.tokens[1]])
  await expect.poll(() => statusOf(there)).toBe('signed-out')
  expect(uncaught).toEqual([])
})

// These wait for a slow answer: side by side.
describe.concurrent('side by side,', () => {
  test.for([
    { where: 'in the same tab', answer: 'granted' },
    { where: 'in another tab', answer: 'granted' },
    { where: 'in the same tab', answer: 'refused' },
    { where: 'in another tab', answer: 'refused' },
  ] as const)(
    'a refresh that is $answer after a sign-out, and a sign-in $where, changes nothing of the new session (F66)',
    async ({ where, answer }, { expect, onTestFinished }) => {
      const { server, open, uncaught } = await stage(browser, onTestFinished)
      const [here, other] = [await open(), await open()]
      const there = where === 'in the same tab' ? here : other
      await signIn(here, server, 'ada')
      await expect.poll(() => statusOf(other)).toBe('signed-in')
      const [, first] = server.tokens
      if (answer === 'refused') server.revokeEverything()
      server.rules.slowness = 2_000
      await here.evaluate(() => void window.app.session.refresh().catch(() => {}))
      await expect.poll(() => server.refreshes).toEqual([answer])
      const late = answer === 'granted' ? [server.tokens.at(-1)] : []

      await here.evaluate(() => void window.app.session.signOut())
      await signIn(there, server, 'grace')
      const token = server.tokens.at(-2)
      const began = await stored(there)
      expect(began).toMatchObject({ status: 'active', subject: 'grace', grant: { access: { '': { token } } } })

      // What comes late is given back, and nothing else happens.
      await expect.poll(() => [...server.revocations].sort(), { timeout: 5_000 }).toEqual([first, ...late].sort())
      await calm(answer === 'granted' ? 500 : 2_500)
      expect([...server.revocations].sort()).toEqual([first, ...late].sort())
      expect(await stored(there)).toEqual(began)
      for (const tab of [here, other]) {
        expect(await tab.evaluate(() => window.app.notes.filter(({ what }) => what === 'refreshed'))).toEqual([])
        expect(await tab.evaluate(() => window.app.session.getToken())).toBe(token)
        expect(await tab.evaluate(() => window.app.call())).toBe(200)
      }
      expect(uncaught).toEqual([])
    },
  )
})
