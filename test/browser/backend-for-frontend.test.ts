import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { cookie } from '../../demo/backend-parts.ts'
import { listen } from '../../demo/listen.ts'
import { type BackendScene, type BackendSceneOptions, stageBackend } from './backends.ts'
import { launchChromium } from './chromium.ts'

// The example backends of demo/, with a real provider behind them.

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** Four tabs of one profile, signed in by the first. */
async function fourTabs(options: BackendSceneOptions): Promise<BackendScene & { readonly tabs: readonly [Page, Page, Page, Page] }> {
  const scene = await stageBackend(browser, options)
  const first = await scene.open()
  await scene.signIn(first)
  const tabs = [first, await scene.open(), await scene.open(), await scene.open()] as const
  for (const tab of tabs) expect(await stateOf(tab)).toMatchObject({ status: 'signed-in', subject: 'ada' })
  return { ...scene, tabs }
}

const bff: BackendSceneOptions = { pattern: 'backend-for-frontend' }
const mediated: BackendSceneOptions = { pattern: 'token-mediating' }

const stateOf = (tab: Page) => tab.evaluate(() => window.behind.session.state)
const endsOf = (tab: Page) => tab.evaluate(() => window.behind.ends.map(({ reason, by, subject }) => `${reason} ${by} ${subject}`))
const heardBy = (tab: Page) => tab.evaluate(() => window.behind.refreshed())
const call = (tab: Page, url = '/api/me', init?: { readonly method: string; readonly body: string }) =>
  tab.evaluate((given) => window.behind.call(...given), [url, init] as const)
const callAllTheTime = (tab: Page, url = '/api/me') => tab.evaluate((at) => void setInterval(() => window.behind.call(at), 400), url)
const posts = ({ asked }: BackendScene, to: string) => asked.filter(({ method, path }) => method === 'POST' && path === to)

/** Resolves for all when so many have come. */
function meeting(size: number): () => Promise<void> {
  let come = 0
  let open = () => {}
  const all = new Promise<void>((resolve) => {
    open = resolve
  })
  return () => {
    if (++come === size) open()
    return all
  }
}

/** Two expiries, and the backend is asked once for each: all tabs hear of every answer, and no question follows another in less than the ten seconds that a token is kept at the least. */
async function refreshesOnce(scene: BackendScene, tabs: readonly Page[], path: string): Promise<void> {
  const [before, heardBefore] = [posts(scene, path).length, await Promise.all(tabs.map(heardBy))]
  const heard = () => Promise.all(tabs.map(async (tab, index) => (await heardBy(tab)) - heardBefore[index]!))
  await expect.poll(async () => Math.min(...(await heard())), { timeout: 60_000 }).toBeGreaterThanOrEqual(2)
  await expect.poll(async () => new Set([...(await heard()), posts(scene, path).length - before]).size).toBe(1)
  const times = posts(scene, path).map(({ at }) => at)
  const pauses = times.slice(1).map((at, index) => at - times[index]!)
  expect(Math.min(...pauses.slice(before))).toBeGreaterThan(9_000) // a second for clocks
}

describe('a backend for frontend', () => {
  test('REQ-76, F01: four tabs that call all the time renew the session once, the backend its tokens meanwhile, and no token reaches the browser', async () => {
    const scene = await fourTabs({ ...bff, idle: 15, accessTokenLifetime: 6 })
    const { tabs, api, provider, tokens, asked } = scene
    for (const tab of tabs) await callAllTheTime(tab)
    await refreshesOnce(scene, tabs, '/bff/session')
    await expect.poll(() => provider.counters.granted, { timeout: 30_000 }).toBeGreaterThanOrEqual(2)

    expect(provider.counters).toMatchObject({ reused: 0, refused: 0 })
    expect(api.counters).toMatchObject({ anonymous: 0, invalid: 0 })
    expect(api.counters.answered).toBeGreaterThan(20)
    for (const tab of tabs) expect(await endsOf(tab)).toEqual([])
    await expect(tabs[0].evaluate(() => window.behind.session.getToken())).rejects.toThrow('no token')

    expect(tokens.all.size).toBeGreaterThanOrEqual(8) // each time an access, a refresh and an ID token
    expect(await scene.leaked(tokens.all)).toEqual([])
    expect(asked.filter(({ headers }) => headers.authorization)).toEqual([])
  })

  test('F09: a sign-out in one tab is one in all, for the backend and for the provider', async () => {
    const scene = await fourTabs(bff)
    const { tabs, context, provider } = scene
    expect(await tabs[1].evaluate(() => window.behind.session.signOut())).toEqual({ revoked: true })
    for (const tab of tabs) await expect.poll(() => endsOf(tab)).toEqual([`signed-out ${tab === tabs[1] ? 'this-tab' : 'other-tab'} ada`])
    expect(posts(scene, '/bff/logout')).toHaveLength(1)
    expect(provider.counters.revocations).toBe(1)
    expect((await context.cookies()).filter(({ name }) => name === 'session')).toEqual([])
    expect(await call(tabs[2])).toBe('signed_out')

    await scene.signIn(tabs[3], 'bob')
    await expect.poll(() => stateOf(tabs[0])).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect(await call(tabs[0])).toBe(200)
  })

  test('F53: a 401 of the API that the backend knows nothing of: asked once for all tabs, and the calls are made again', async () => {
    const scene = await fourTabs(bff)
    const before = posts(scene, '/bff/session').length
    const allAreOut = meeting(scene.tabs.length) // a call that left after the answer would be about the new session
    for (const tab of scene.tabs)
      await tab.route('**/api/me', (route) => allAreOut().then(() => route.fulfill({ status: 401 })), { times: 1 })
    expect(await Promise.all(scene.tabs.map((tab) => call(tab)))).toEqual([200, 200, 200, 200])
    expect(posts(scene, '/bff/session')).toHaveLength(before + 1)
    for (const tab of scene.tabs) expect(await endsOf(tab)).toEqual([])
  })

  test('F57: when the provider has ended the session: a 401 of the API, one question, a 401 of the backend, and the end in every tab', async () => {
    const scene = await fourTabs({ ...bff, accessTokenLifetime: 2 })
    const { tabs, provider } = scene
    await provider.revokeEverything()
    await expect.poll(() => call(tabs[0]), { timeout: 30_000 }).toBe('session_ended rejected')
    for (const tab of tabs) await expect.poll(() => endsOf(tab)).toHaveLength(1)
    for (const tab of tabs) expect(await stateOf(tab)).toEqual({ status: 'signed-out', reason: 'rejected' })
    expect(provider.counters.refused).toBe(1)
    expect(await scene.leaked(scene.tokens.all)).toEqual([])
  })

  test('F10: another user who signs in on the provider’s page ends the session of the one before in every tab', async () => {
    const { tabs, signIn } = await fourTabs(bff)
    const [first, ...others] = tabs
    await signIn(first, 'bob')
    for (const tab of others) await expect.poll(() => endsOf(tab)).toEqual(['user-changed other-tab ada'])
    for (const tab of tabs) await expect.poll(() => stateOf(tab)).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect(await Promise.all(tabs.map((tab) => call(tab)))).toEqual([200, 200, 200, 200])
  })

  test('REQ-78, REQ-84: the header against CSRF goes to what is listed, whatever the method, and nowhere else', async () => {
    const { tabs, asked, origin } = await fourTabs(bff)
    const elsewhere = await listen(0)
    onTestFinished(elsewhere.close)
    const strangers: object[] = []
    elsewhere.serve(({ headers }, response) => {
      strangers.push(headers)
      response.writeHead(200, { 'access-control-allow-origin': '*', 'access-control-allow-headers': '*' }).end()
    })
    const from = asked.length
    expect(await call(tabs[0], '/api/notes', { method: 'POST', body: 'a note' })).toBe(200)
    expect(await call(tabs[0], `${origin}/api/me`)).toBe(200)
    await call(tabs[0], '/apis')
    await call(tabs[0], `${elsewhere.origin}/api/me`)
    const seen = asked
      .slice(from)
      .map(({ path, headers }) => [path, headers['x-requested-with'], headers['sec-fetch-mode'], headers['sec-fetch-dest']])
    expect(seen).toEqual([
      ['/api/notes', 'latchkey', 'cors', 'empty'],
      ['/api/me', 'latchkey', 'cors', 'empty'],
      ['/apis', undefined, 'cors', 'empty'],
    ])
    expect(strangers).toEqual([expect.not.objectContaining({ 'x-requested-with': expect.anything() })])
  })

  test('REQ-78: what a page of another origin sends with the cookie does nothing', async () => {
    const scene = await fourTabs(bff)
    const evil = await listen(0)
    onTestFinished(evil.close)
    evil.serve((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Evil</title>'))
    const page = await scene.context.newPage()
    await page.goto(evil.origin) // another port: a site knows none, so that the cookie goes along in spite of SameSite
    const came = await page.evaluate(async (origin) => {
      const forged = (path: string, init: RequestInit) =>
        fetch(origin + path, { credentials: 'include', ...init }).then(({ type }) => type, String)
      return [
        await forged('/bff/logout', { method: 'POST', mode: 'no-cors' }),
        await forged('/api/me', { mode: 'no-cors' }),
        await forged('/bff/logout', { method: 'POST', headers: { 'X-Requested-With': 'latchkey' } }),
      ]
    }, scene.origin)
    expect(came).toEqual(['opaque', 'opaque', 'TypeError: Failed to fetch'])
    expect(posts(scene, '/bff/logout').map(({ headers }) => /session=/.test(headers.cookie ?? ''))).toEqual([true])
    expect(scene.api.counters.answered).toBe(0)
    expect(await call(scene.tabs[0])).toBe(200)
  })

  test('REQ-85: the cookie is out of reach of scripts and other sites, and its value is new with each sign-in', async () => {
    const scene = await stageBackend(browser, bff)
    const planted = { name: 'session', value: 'planted-by-somebody', url: scene.origin }
    await scene.context.addCookies([planted])
    const page = await scene.open()
    expect(await stateOf(page)).toMatchObject({ status: 'signed-out' })
    const values = new Set([planted.value])
    for (const name of ['ada', 'bob']) {
      await scene.signIn(page, name)
      const found = (await scene.context.cookies(scene.origin)).find((one) => one.name === 'session')
      expect(found).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/', expires: -1 })
      values.add(found?.value ?? '')
    }
    expect(values.size).toBe(3)
    expect(await page.evaluate(() => document.cookie)).toBe('')
  })
})

describe('a token-mediating backend', () => {
  test('REQ-77, F01: four tabs that call all the time refresh once, and the refresh token reaches none of them', async () => {
    const scene = await fourTabs({ ...mediated, accessTokenLifetime: 15 })
    const { tabs, api, provider, tokens } = scene
    for (const tab of tabs) await callAllTheTime(tab, `${api.origin}/me`)
    await refreshesOnce(scene, tabs, '/auth/refresh')
    expect(provider.counters).toMatchObject({ reused: 0, refused: 0 })
    expect(api.counters).toMatchObject({ anonymous: 0, invalid: 0 })
    expect(await tabs[0].evaluate(() => window.behind.session.getToken())).toMatch(/^ey/)
    expect(await scene.leaked(tokens.refresh)).toEqual([])
    // The same look finds what the page does get.
    expect((await scene.leaked(tokens.all)).length).toBeGreaterThanOrEqual(2)
  })

  test('F09, REQ-61: a sign-out in one tab is one in all, clears the cookies, and is confirmed by the provider', async () => {
    const scene = await fourTabs(mediated)
    const { tabs, context, provider } = scene
    expect(await tabs[0].evaluate(() => window.behind.session.signOut())).toEqual({ revoked: true })
    for (const tab of tabs) await expect.poll(() => endsOf(tab)).toHaveLength(1)
    expect(provider.counters.revocations).toBe(1)
    expect((await context.cookies()).filter(({ name }) => /^(refresh|csrf)$/.test(name))).toEqual([])
  })

  test('REQ-79: without the value of the cookie that only our pages can read, the backend does nothing', async () => {
    const scene = await fourTabs(mediated)
    const { tabs, provider } = scene
    const { refreshes } = provider.counters
    const tried = await tabs[0].evaluate(async () => {
      const status = (headers: HeadersInit) => fetch('/auth/refresh', { method: 'POST', headers }).then((answer) => answer.status)
      return [await status({}), await status({ 'X-CSRF-Token': 'a guess' })]
    })
    expect(tried).toEqual([403, 403])
    expect(provider.counters.refreshes).toBe(refreshes)
    const cookies = await scene.context.cookies(scene.origin)
    expect(
      cookies
        .filter(({ name }) => /^(refresh|csrf)$/.test(name))
        .map(({ name, httpOnly, sameSite }) => `${name} ${httpOnly} ${sameSite}`)
        .sort(),
    ).toEqual(['csrf false Strict', 'refresh true Strict'])
  })

  test('F33: an answer that is lost on the way is given once more', async () => {
    const scene = await fourTabs(mediated)
    const [tab] = scene.tabs
    const [asked, before] = [posts(scene, '/auth/refresh').length, scene.provider.counters.refreshes]
    scene.loseAnswerTo('/auth/refresh')
    expect(await tab.evaluate(() => window.behind.session.refresh().then(() => 'refreshed', String))).toBe('refreshed')
    expect(posts(scene, '/auth/refresh').length - asked).toBe(2)
    expect(scene.provider.counters).toMatchObject({ refreshes: before + 1, reused: 0, refused: 0 })
    expect(await endsOf(tab)).toEqual([])
  })
})

test('REQ-85: over https the cookies are Secure, and no other host of the site can set them', () => {
  expect(cookie('https://app.example.com', 'session').set('a')).toBe('__Host-session=a; Path=/; HttpOnly; SameSite=Strict; Secure')
  expect(cookie('https://app.example.com', 'session').clear).toBe('__Host-session=; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=0')
})
