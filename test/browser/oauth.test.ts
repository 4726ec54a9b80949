import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startProvider } from '../../demo/provider.ts'
import { launchChromium } from './chromium.ts'
import { inWebStorage, type OAuthScene, returned, stageOAuth, startApp, stateOf } from './oauth-scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** The app, and a real OpenID provider with strict rotation. */
async function stageWithProvider() {
  const web = await startApp()
  const provider = await startProvider({
    port: 0,
    redirectUris: [`${web.origin}/callback`],
    origins: [web.origin],
    accessTokenLifetime: 300,
  })
  onTestFinished(() => provider.close())
  const scene = await stageOAuth(browser, web, { issuer: provider.issuer, clientId: provider.clientId, scope: 'openid api' })
  return { ...scene, provider }
}

/** At the provider, as a user does it. */
async function logIn(page: Page, name = 'ada'): Promise<void> {
  await page.waitForURL('**/login/**')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Name').press('Enter')
}

async function signIn(page: Page, { origin }: OAuthScene, name = 'ada', returnTo?: string) {
  await page.evaluate((path) => void window.oauthApp.redirect({ returnTo: path }), returnTo)
  await logIn(page, name)
  await page.waitForURL(`${origin}/callback`)
  return returned(page)
}

describe('a sign-in by redirect', () => {
  test('REQ-82: then twenty refreshes, a sign-out that revokes, and the provider’s own sign-out (REQ-66, REQ-67): no cookie is written by us (REQ-03), and nobody else is asked for anything (REQ-137)', async () => {
    const scene = await stageWithProvider()
    const { context, provider, uncaught } = scene
    const asked = new Set<string>()
    context.on('request', (request) => {
      if (!request.isNavigationRequest() && request.frame().url().startsWith(scene.origin)) asked.add(new URL(request.url()).origin)
    })
    await context.addInitScript(() => {
      const { set } = Object.getOwnPropertyDescriptor(Document.prototype, 'cookie') ?? {}
      Object.defineProperty(Document.prototype, 'cookie', {
        set(value) {
          sessionStorage.setItem('cookie', value)
          set?.call(this, value)
        },
      })
    })
    const page = await scene.open('/inbox?folder=2#top')
    const leaving = page.waitForRequest(`${provider.authorizationEndpoint}**`)
    const granted: Promise<{ readonly refresh_token: string }>[] = []
    page.on('response', (response) => {
      if (response.url() === provider.tokenEndpoint) granted.push(response.json())
    })
    const { told, isSame } = await signIn(page, scene)
    expect(told).toMatchObject({ subject: 'ada', returnTo: '/inbox?folder=2#top' })
    expect(isSame).toBe(true)
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', subject: 'ada' })

    const { searchParams } = new URL((await leaving).url())
    expect(Object.fromEntries(searchParams)).toMatchObject({ response_type: 'code', code_challenge_method: 'S256', scope: 'openid api' })
    for (const name of ['state', 'nonce', 'code_challenge']) expect(searchParams.get(name)?.length).toBeGreaterThanOrEqual(43)
    expect(page.url()).toBe(`${scene.origin}/callback`)
    expect(await inWebStorage(page)).toBe('[{},{}]')

    await page.evaluate(async () => {
      for (let count = 0; count < 20; count++) await window.oauthApp.session.refresh()
    })
    expect(provider.counters).toMatchObject({ signIns: 1, refreshes: 20, granted: 20, reused: 0 })
    expect(await page.evaluate(() => window.oauthApp.ends)).toEqual([])

    expect(await page.evaluate(() => window.oauthApp.session.signOut())).toEqual({ revoked: true })
    expect(provider.counters.revocations).toBeGreaterThanOrEqual(2)
    const last = (await Promise.all(granted)).at(-1)?.refresh_token ?? ''
    const form = { grant_type: 'refresh_token', refresh_token: last, client_id: provider.clientId }
    const refused = await fetch(provider.tokenEndpoint, { method: 'POST', body: new URLSearchParams(form) })
    expect(await refused.json()).toHaveProperty('error', 'invalid_grant')
    expect(granted).toHaveLength(21)
    const left = page.waitForRequest(`${provider.issuer}/session/end`)
    await page.evaluate((to) => void window.oauthApp.logout(to), `${scene.origin}/`)
    expect(new URLSearchParams((await left).postData() ?? '').get('id_token_hint')).toMatch(/^ey/)
    await page.getByRole('button', { name: 'Yes' }).click()
    await page.waitForURL(`${scene.origin}/`)
    const again = await scene.open()
    expect(await again.evaluate(() => window.oauthApp.silent())).toMatchObject({ code: 'interaction_required' })
    expect(await inWebStorage(page)).toBe('[{},{}]')
    expect([...asked].sort()).toEqual([scene.origin, provider.issuer].sort())
    expect(uncaught).toEqual([])
  })

  test('F42: after a reload the session is there, is refreshed, and nobody is asked again', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    await signIn(page, scene)
    await page.reload()
    expect(await returned(page)).toEqual({ told: null, isSame: true })
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', subject: 'ada' })
    await page.evaluate(() => window.oauthApp.session.refresh())
    expect(scene.provider.counters).toMatchObject({ signIns: 1, granted: 1, reused: 0 })
  })

  test('REQ-64: on a page that was just opened, a sign-out that leaves it at once is heard by the provider', async () => {
    const scene = await stageWithProvider()
    const { context, origin, provider } = scene
    const page = await scene.open()
    await signIn(page, scene)
    const known = page.waitForResponse('**/.well-known/**')
    await page.reload()
    await (await known).finished()
    await context.route('**/.well-known/**', (route) => route.abort())
    // The page lives until there is another one: however slow the machine, it is time enough to write and to send.
    await context.route(`${origin}/bye`, async (route) => {
      await expect
        .poll(() => provider.counters.revocations, { timeout: 20_000 })
        .toBeGreaterThan(0)
        .catch(() => {})
      await route.fulfill({ contentType: 'text/html', body: 'Bye.' })
    })
    await page.evaluate((to) => {
      void window.oauthApp.session.signOut()
      location.assign(to)
    }, `${origin}/bye`)
    await page.waitForURL('**/bye')
    await expect.poll(() => provider.counters.revocations, { timeout: 20_000 }).toBeGreaterThanOrEqual(2)
  })

  test('F10: of two users in two tabs at once: neither disturbs the other, and the last one stays', async () => {
    const scene = await stageWithProvider()
    const [one, two] = [await scene.open(), await scene.open()]
    for (const tab of [one, two])
      await tab.evaluate(() => void window.oauthApp.redirect({ prompt: 'login', returnTo: `/of/${document.title}` }))
    await one.waitForURL('**/login/**')
    await two.waitForURL('**/login/**')
    await logIn(one, 'ada')
    expect((await returned(one)).told).toMatchObject({ subject: 'ada' })
    await logIn(two, 'grace')
    expect((await returned(two)).told).toMatchObject({ subject: 'grace' })
    for (const tab of [one, two]) await expect.poll(() => stateOf(tab)).toMatchObject({ status: 'signed-in', subject: 'grace' })
    await expect.poll(() => one.evaluate(() => window.oauthApp.ends.map(({ reason }) => reason))).toEqual(['user-changed'])
  })

  test('F70: the way back and forth leads to no address with a code in it, and signs nobody in again', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open('/start')
    await signIn(page, scene)
    await page.evaluate(() => history.pushState(null, '', '/app'))
    await page.goBack()
    expect(page.url()).toBe(`${scene.origin}/callback`)
    expect((await returned(page)).told).toMatchObject({ subject: 'ada' }) // the same page load: the same answer
    await page.goBack()
    expect(page.url()).not.toContain('code=')
    await page.goForward()
    await page.waitForURL(`${scene.origin}/callback`)
    expect((await returned(page)).told).toBeNull()
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', subject: 'ada' })
    expect(scene.provider.counters.signIns).toBe(1)
  })

  test('that the user declines is cancelled', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    await page.evaluate(() => void window.oauthApp.redirect())
    await page.waitForURL('**/login/**')
    await page.getByLabel('Name').evaluate((input: HTMLInputElement) => {
      input.required = false
      input.value = ' '
      input.form?.submit()
    })
    await page.waitForURL(`${scene.origin}/callback`)
    const { told, isSame } = await returned(page)
    expect(told).toMatchObject({ code: 'sign_in_cancelled', cause: expect.stringContaining('access_denied') })
    expect(isSame).toBe(true)
    expect(await stateOf(page)).toEqual({ status: 'signed-out', reason: null })
  })
})

describe('a sign-in in a window of its own', () => {
  test('is the opener’s, and the window is closed', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
    const closed = popup.waitForEvent('close')
    await logIn(popup, 'grace')
    expect(await page.evaluate(() => window.popupCame)).toMatchObject({ subject: 'grace', returnTo: '/' })
    await closed
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', subject: 'grace' })
    expect(await inWebStorage(page)).toBe('[{},{}]')
    expect(page.url()).toBe(`${scene.origin}/`)
    expect(scene.uncaught).toEqual([])
  })

  test('that the user closes is cancelled, once they are back', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
    await popup.waitForURL('**/login/**')
    await popup.close()
    await page.keyboard.press('Escape')
    expect(await page.evaluate(() => window.popupCame)).toMatchObject({ code: 'sign_in_cancelled' })
  })

  test('that the browser does not open is said to be blocked', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    await page.evaluate(() => {
      window.open = () => null
    })
    expect(await page.evaluate(() => window.oauthApp.popup())).toMatchObject({ code: 'popup_blocked' })
  })
})

describe('a silent sign-in', () => {
  test('succeeds where the provider knows the user, and leaves no frame behind', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    await signIn(page, scene)
    await page.evaluate(() => window.oauthApp.session.signOut())
    expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ subject: 'ada', returnTo: '/callback' })
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', subject: 'ada' })
    expect(await page.locator('iframe').count()).toBe(0)
  })

  test('of who is signed in replaces the session, at a provider that revokes all that a user has with one refresh token (RFC 7009 §2.1)', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    await signIn(page, scene)
    expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ subject: 'ada' })
    expect(await page.evaluate(() => window.oauthApp.session.refresh().then(() => window.oauthApp.session.state))).toMatchObject({
      status: 'signed-in',
      subject: 'ada',
    })
    await page.evaluate(() => window.oauthApp.session.signOut())
    expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ subject: 'ada' })
    expect(await page.evaluate(() => window.oauthApp.session.refresh().then(() => window.oauthApp.session.state.status))).toBe('signed-in')
  })

  test('F61: says at once that the user has to be asked', async () => {
    const scene = await stageWithProvider()
    const page = await scene.open()
    expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({
      code: 'interaction_required',
      cause: expect.stringContaining('login_required'),
    })
    expect(await page.locator('iframe').count()).toBe(0)
  })
})
