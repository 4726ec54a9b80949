import type { OAuthOptions, SignInRequest } from 'latchkey/oauth'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { json } from '../fetch/listen.ts'
import { backWith, idToken, scriptedProvider, wellKnown } from '../oauth/scripted-provider.ts'
import { launchChromium, launchUntouched } from './chromium.ts'
import { returned, stageOAuth, startApp, stateOf } from './oauth-scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** The app, and a provider that sends users back at once and is as wrong as a test wants it. */
async function stageScripted({
  headers = {},
  listsProvider = false,
  ...options
}: Partial<Omit<OAuthOptions, 'dpop'>> & {
  readonly headers?: Readonly<Record<string, string>>
  readonly listsProvider?: boolean
  readonly anotherIssuer?: string
} = {}) {
  const web = await startApp()
  const provider = await scriptedProvider()
  const { issuer, says } = provider
  const asked = () => new URL(provider.seen.findLast(({ url }) => url.startsWith('/authorize?'))?.url ?? '/', issuer).searchParams
  /** The tokens of a sign-in, and what its ID token says otherwise than it should. */
  const grant = (wrong: Readonly<Record<string, unknown>> = {}) => ({
    access_token: 'access-1',
    token_type: 'Bearer',
    expires_in: 300,
    refresh_token: 'refresh-1',
    id_token: idToken({ iss: issuer, aud: 'spa', sub: 'ann', nonce: asked().get('nonce'), ...wrong }),
  })
  says.token = () => json(grant())
  const scene = await stageOAuth(browser, web, { issuer, clientId: 'spa', ...(listsProvider && { api: issuer }), ...options }, headers)
  return { ...scene, provider, grant, asked }
}

async function signIn(page: Page, origin: string, request: SignInRequest = {}) {
  await page.evaluate((how) => void window.oauthApp.redirect(how), request)
  await page.waitForURL(`${origin}/callback`)
  return returned(page)
}

test('REQ-40, REQ-82: the code is redeemed with the verifier whose challenge was sent, in a form without a header of our own', async () => {
  const { open, origin, provider, asked } = await stageScripted({
    scope: 'openid files',
    parameters: { audience: 'urn:api', state: 'mine' },
  })
  const page = await open()
  const { told } = await signIn(page, origin, { prompt: 'login', loginHint: 'ann@example.com' })
  expect(told).toMatchObject({ subject: 'ann' })
  const { code_verifier: verifier, ...form } = provider.forms('/token')[0] ?? {}
  expect(form).toEqual({ grant_type: 'authorization_code', code: 'code-1', redirect_uri: `${origin}/callback`, client_id: 'spa' })
  const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(verifier ?? ''))).toString('base64url')
  expect(Object.fromEntries(asked())).toMatchObject({
    code_challenge: digest,
    audience: 'urn:api',
    scope: 'openid files',
    prompt: 'login',
    login_hint: 'ann@example.com',
  })
  expect(asked().get('state')).not.toBe('mine')
  expect(provider.seen.some(({ method }) => method === 'OPTIONS')).toBe(false)
})

test('a parameter of the provider’s own that we also know stays, unless the sign-in says otherwise', async () => {
  const parameters = { acr_values: 'gold', max_age: '60', login_hint: 'somebody', prompt: 'consent' }
  const { open, origin, asked } = await stageScripted({ parameters })
  await signIn(await open(), origin, { loginHint: 'ann' })
  expect(Object.fromEntries(asked())).toMatchObject({ ...parameters, login_hint: 'ann' })
})

test('F64: what a sign-in gives prints no token', async () => {
  const { open, origin } = await stageScripted()
  const { told } = await signIn(await open(), origin)
  expect(told).toMatchObject({ subject: 'ann', printed: expect.not.stringMatching(/access-1|refresh-1|c2lnbmF0dXJl/) })
})

test('F21, F22: a clock that is a day wrong keeps nobody out', async () => {
  const { open, origin, provider, grant } = await stageScripted()
  const now = Math.floor(Date.now() / 1000)
  provider.says.token = () => json(grant({ iat: now - 86_400, exp: now - 86_100 }))
  const page = await open()
  expect((await signIn(page, origin)).told).toMatchObject({ subject: 'ann' })
  expect(await stateOf(page)).toHaveProperty('status', 'signed-in')
})

test('an OAuth provider that knows no ID token signs in as well', async () => {
  const { open, origin, provider, grant, asked } = await stageScripted({ scope: 'files' })
  provider.says.token = () => json({ ...grant(), id_token: undefined })
  expect((await signIn(await open(), origin)).told).toMatchObject({ subject: null })
  expect(asked().has('nonce')).toBe(false)
})

describe('an answer is refused, no code is redeemed, and nobody is signed in', () => {
  test.each([
    { name: 'REQ-59: of another issuer (mix-up, RFC 9207)', answer: { code: 'code-1', iss: 'https://evil.example.com' } },
    { name: 'REQ-59: without an issuer from a provider that always names it', answer: { code: 'code-1' } },
    { name: 'REQ-82: with the state of another sign-in', answer: { code: 'code-1', state: `redirect.${'x'.repeat(43)}` } },
    { name: 'with two codes', answer: { code: 'code-1' }, more: '&code=code-2' },
    { name: 'with an empty code', answer: { code: '' }, more: '&session_state=1' },
    { name: 'that is an error', answer: { error: 'temporarily_unavailable' } },
  ])('$name', async ({ answer, more = '' }) => {
    const { open, origin, provider } = await stageScripted()
    const iss = more || 'error' in answer ? { iss: provider.issuer } : {}
    provider.says.authorize = (asked) => {
      const { status, headers } = backWith(asked, { ...iss, ...(answer as Readonly<Record<string, string>>) })
      return { status: status ?? 302, headers: { Location: `${headers?.Location}${more}` } }
    }
    const page = await open()
    const { told, isSame } = await signIn(page, origin)
    expect(told).toMatchObject({ code: 'sign_in_failed', cause: expect.not.stringContaining('code-1') })
    expect(isSame).toBe(true)
    expect(provider.forms('/token')).toEqual([])
    expect(await stateOf(page)).toHaveProperty('status', 'signed-out')
  })
})

test('REQ-59: of two providers on one redirect page the other one is sent no code, though it is asked first, and neither says whose it is', async () => {
  const another = await scriptedProvider()
  const { open, origin, provider } = await stageScripted({ anotherIssuer: another.issuer })
  for (const { says, issuer } of [provider, another]) {
    says.metadata = () => json({ ...wellKnown(issuer), authorization_response_iss_parameter_supported: false })
    says.authorize = (asked) => backWith(asked, { code: `code-of-${issuer}` })
  }
  const page = await open()
  expect((await signIn(page, origin)).told).toMatchObject({ subject: 'ann' })
  expect(await page.evaluate(() => window.oauthApp.returnedToAnother)).toBeNull()
  expect(provider.forms('/token').map(({ code }) => code)).toEqual([`code-of-${provider.issuer}`])
  expect(another.seen).toEqual([])
})

describe('REQ-50: an ID token is refused', () => {
  test.each([
    { name: 'with another nonce', wrong: { nonce: 'another' } },
    { name: 'without a nonce', wrong: { nonce: undefined } },
    { name: 'of another issuer', wrong: { iss: 'https://evil.example.com' } },
    { name: 'for another client', wrong: { aud: 'another' } },
    { name: 'for several clients, and nobody says for whom', wrong: { aud: ['spa', 'another'] } },
    { name: 'without a subject', wrong: { sub: undefined } },
  ])('$name', async ({ wrong }) => {
    const { open, origin, provider, grant } = await stageScripted()
    provider.says.token = () => json(grant(wrong))
    const page = await open()
    const { told } = await signIn(page, origin)
    expect(told).toMatchObject({ code: 'sign_in_failed', cause: expect.not.stringMatching(/access-1|refresh-1|evil|another/) })
    expect(await stateOf(page)).toHaveProperty('status', 'signed-out')
  })

  test('that is not there though it was asked for', async () => {
    const { open, origin, provider, grant } = await stageScripted()
    provider.says.token = () => json({ ...grant(), id_token: undefined })
    expect((await signIn(await open(), origin)).told).toHaveProperty('code', 'sign_in_failed')
  })

  const failed = (cause: string) => ({ code: 'sign_in_failed', cause: expect.stringContaining(cause) })
  test.each([
    { name: 'REQ-107: of a sign-in that is older than a step-up asks for', age: 700, told: failed('older') },
    { name: 'REQ-107: that does not say how old the sign-in is', age: undefined, told: failed('older') },
    { name: 'of another strength than a step-up asks for', age: 300, acr: 'bronze', told: failed('strength') },
    { name: 'or not, if it is young and strong enough', age: 300, acr: 'silver', told: { subject: 'ann' } },
    { name: 'or not, if it is young enough and says nothing of its strength: the API will judge', age: 300, told: { subject: 'ann' } },
  ])('REQ-100: $name (RFC 9470, OpenID Connect Core §3.1.3.7)', async ({ age, acr, told }) => {
    const { open, origin, provider, grant, asked } = await stageScripted()
    const iat = Math.floor(Date.now() / 1000)
    provider.says.token = () => json(grant({ iat, acr, auth_time: age === undefined ? undefined : iat - age }))
    const stepUp = { origin, acrValues: ['gold', 'silver'], maxAge: 600_000, scope: 'openid payments' }
    expect((await signIn(await open(), origin, { stepUp })).told).toMatchObject(told)
    expect(Object.fromEntries(asked())).toMatchObject({
      acr_values: 'gold silver',
      max_age: '600',
      scope: 'openid offline_access payments',
    })
  })
})

test('REQ-103: for an API that is not content with a step-up nobody is sent to the provider again within a minute, and for another one at once', async () => {
  const { open, origin, context, provider } = await stageScripted()
  const page = await open()
  const stepUp = { origin, acrValues: ['gold'], maxAge: null, scope: null }
  expect((await signIn(page, origin, { stepUp })).told).toMatchObject({ subject: 'ann' })
  const before = provider.seen.length
  expect(await page.evaluate((how) => window.oauthApp.redirect(how), { stepUp })).toMatchObject({
    code: 'sign_in_failed',
    cause: expect.stringContaining('was not content'),
  })
  expect(provider.seen.slice(before).filter(({ url }) => url.startsWith('/authorize?'))).toEqual([])
  expect((await signIn(page, origin, { stepUp: { ...stepUp, origin: 'https://other.example.com' } })).told).toMatchObject({
    subject: 'ann',
  })
  expect((await signIn(page, origin)).told).toMatchObject({ subject: 'ann' })
  await context.clock.setSystemTime(Date.now() + 61_000)
  expect((await signIn(page, origin, { stepUp })).told).toMatchObject({ subject: 'ann' })
})

test('REQ-103: a clock that is put right after a step-up, by hours, keeps nobody from the next one for hours', async () => {
  const { open, origin, context, provider } = await stageScripted()
  const page = await open()
  const stepUp = { origin, acrValues: ['gold'], maxAge: null, scope: null }
  await context.clock.setSystemTime(Date.now() + 7_200_000)
  expect((await signIn(page, origin, { stepUp })).told).toMatchObject({ subject: 'ann' })
  await context.clock.setSystemTime(Date.now())
  await page.evaluate((how) => void window.oauthApp.redirect(how), { stepUp })
  await expect.poll(() => provider.seen.filter(({ url }) => url.startsWith('/authorize?')).length).toBe(2)
})

describe.each(['redirect', 'logout'] as const)('whoever has left for the provider by %s', (leave) => {
  test('F68: and comes back to that very page has cancelled: nothing there waits for ever', async () => {
    const untouched = await launchUntouched()
    onTestFinished(() => untouched.close())
    const web = await startApp()
    const { issuer, says } = await scriptedProvider()
    says.authorize = () => ({ status: 200, headers: { 'content-type': 'text/html' }, body: '<title>Provider</title>' })
    const { open } = await stageOAuth(untouched.context, web, { issuer, clientId: 'spa' }, { 'cache-control': 'no-cache' })
    const page = await open()
    await page.evaluate((how) => {
      const came = window.oauthApp[how]()
      Object.assign(window, { came })
    }, leave)
    await page.waitForURL(`${issuer}/**`)
    await page.evaluate(() => setTimeout(() => history.back())).catch(() => {})
    await expect.poll(() => page.evaluate(() => 'came' in window).catch(() => false)).toBe(true)
    expect(await page.evaluate(() => (window as unknown as { came: unknown }).came)).toHaveProperty('code', 'sign_in_cancelled')
  })

  test('and would rather stay has cancelled as well, leaves no listener there, and may leave another time', async () => {
    const { open, origin, provider } = await stageScripted()
    const page = await open()
    /** How many listeners look at a page that is shown. */
    const looks = () =>
      page.evaluate(() => {
        let count = 0
        window.dispatchEvent(Object.defineProperty(new Event('pageshow'), 'persisted', { get: () => void count++ }))
        return count
      })
    const before = await looks()
    await page.locator('html').click() // a page that nobody has touched may not ask
    await page.evaluate(() => {
      window.onbeforeunload = (event) => event.preventDefault()
    })
    const asked = page.waitForEvent('dialog')
    await page.evaluate((how) => {
      Object.assign(window, { came: window.oauthApp[how]() })
    }, leave)
    await (await asked).dismiss()
    expect(await page.evaluate(() => (window as unknown as { came: unknown }).came)).toHaveProperty('code', 'sign_in_cancelled')
    expect(provider.seen.filter(({ url }) => /^.(authorize|logout)\b/.test(url))).toEqual([])
    expect(await looks()).toBe(before)
    await page.evaluate(() => {
      window.onbeforeunload = null
    })
    expect((await signIn(page, origin)).told).toMatchObject({ subject: 'ann' })
  })
})

test('whoever leaves while a navigation of the app’s own is under way, which that ends, has not cancelled', async () => {
  const { open, origin } = await stageScripted()
  const page = await open()
  await page.evaluate(() => {
    const router = window.navigation as unknown as EventTarget & { navigate(url: string): { readonly finished: Promise<unknown> } } // of 2022
    const guard = (event: Event) => (event as Event & { intercept(how: object): void }).intercept({ handler: () => new Promise(() => {}) })
    router.addEventListener('navigate', guard, { once: true })
    router.navigate('/settings').finished.catch(() => {})
    sessionStorage.setItem('told', 'nothing')
    void window.oauthApp.redirect().then((told) => sessionStorage.setItem('told', JSON.stringify(told)))
  })
  await page.waitForURL(`${origin}/callback`)
  expect((await returned(page)).told).toMatchObject({ subject: 'ann' })
  expect(await page.evaluate(() => sessionStorage.getItem('told'))).toBe('nothing')
})

test('REQ-11: what a page has come back with is gone with its user: asked again after the sign-out, it brings nobody', async () => {
  const { open, origin } = await stageScripted()
  const page = await open()
  expect((await signIn(page, origin)).told).toMatchObject({ subject: 'ann' })
  const again = () => page.evaluate(() => window.oauthApp.handleRedirect())
  expect(await again()).toMatchObject({ subject: 'ann' })
  await page.evaluate(() => window.oauthApp.session.signOut())
  expect(await again()).toBeNull()
})

test('REQ-82: an answer is used once: the same address again signs nobody in', async () => {
  const { open, origin, provider } = await stageScripted()
  const page = await open()
  const answered = page.waitForRequest(`${origin}/callback?**`)
  await signIn(page, origin)
  await page.goto((await answered).url())
  expect((await returned(page)).told).toMatchObject({ code: 'sign_in_failed', message: expect.stringContaining('no such sign-in') })
  const another = await open()
  await another.goto((await answered).url())
  expect((await returned(another)).told).toHaveProperty('code', 'sign_in_failed')
  expect(provider.forms('/token')).toHaveLength(1)
  expect(another.url()).toBe(`${origin}/callback`)
})

test('a sign-in that began more than an hour ago is forgotten', async () => {
  const { open, origin, context, provider } = await stageScripted()
  provider.says.authorize = () => ({ body: 'Who are you?', headers: { 'Content-Type': 'text/html' } })
  const page = await open()
  const asked = page.waitForRequest(`${provider.issuer}/authorize?**`)
  await page.evaluate(() => void window.oauthApp.redirect())
  const state = new URL((await asked).url()).searchParams.get('state')
  await context.clock.setSystemTime(Date.now() + 3_601_000)
  await page.goto(`${origin}/callback?code=code-1&state=${state}&iss=${encodeURIComponent(provider.issuer)}`)
  expect((await returned(page)).told).toHaveProperty('code', 'sign_in_failed')
  expect(provider.forms('/token')).toEqual([])
})

test.each([
  { name: 'a page of the app', path: '/callback?tab=2' },
  { name: 'another page with an answer of somebody else’s', path: '/shop?code=voucher&state=new' },
  { name: 'the redirect page with an answer that we have not asked for', path: '/callback?code=voucher&state=new' },
  { name: 'another page with an answer like ours', path: `/shop?code=c&state=redirect.${'x'.repeat(43)}` },
])('a load of $name is no return, and its address stays', async ({ path }) => {
  const { open, origin } = await stageScripted()
  const page = await open(path)
  expect(await returned(page)).toEqual({ told: null, isSame: true })
  expect(page.url()).toBe(origin + path)
})

test.each([
  'https://evil.example.com/',
  '//evil.example.com',
  '/\\evil.example.com',
  '/.//evil.example.com',
  'javascript:alert(1)',
  'data:text/html,x',
])('returnTo leads nowhere else: %s', async (returnTo) => {
  const { open, provider } = await stageScripted()
  const page = await open()
  expect(await page.evaluate((to) => window.oauthApp.redirect({ returnTo: to }), returnTo)).toMatchObject({ code: 'TypeError' })
  expect(provider.seen).toEqual([])
})

test('a provider that cannot be discovered is a failed sign-in, and the next one asks again', async () => {
  const { open, origin, provider } = await stageScripted()
  const { metadata } = provider.says
  provider.says.metadata = () => json({}, 503)
  const page = await open()
  expect(await page.evaluate(() => window.oauthApp.redirect())).toMatchObject({
    code: 'sign_in_failed',
    cause: expect.stringContaining('503'),
  })
  expect(await page.evaluate(() => window.oauthApp.silent())).toHaveProperty('code', 'sign_in_failed')
  expect(await page.evaluate(() => window.oauthApp.popup())).toHaveProperty('code', 'sign_in_failed')
  await expect.poll(() => page.context().pages().length).toBe(1)
  provider.says.metadata = metadata
  expect((await signIn(page, origin)).told).toHaveProperty('subject', 'ann')
})

test('REQ-48: what the provider says of itself is found at the second place, though the page may not read that it is not at the first', async () => {
  const { open, origin, provider } = await stageScripted()
  const { metadata } = provider.says
  const withoutCors = { status: 404, headers: { 'Access-Control-Allow-Origin': 'https://elsewhere.example.com' } }
  provider.says.metadata = () => (provider.seen.at(-1)?.url.endsWith('/openid-configuration') ? withoutCors : metadata())
  expect((await signIn(await open(), origin)).told).toHaveProperty('subject', 'ann')
})

test.each(['http://login.example.com/authorize', '/authorize'])(
  'REQ-48: nobody is sent to an authorization endpoint that is no https URL: %s',
  async (url) => {
    const { open, provider } = await stageScripted()
    provider.says.metadata = () => json({ ...wellKnown(provider.issuer), authorization_endpoint: url })
    const page = await open()
    const { href } = new URL(page.url())
    const cause = expect.stringContaining('`authorization_endpoint` is not an https URL')
    for (const way of ['redirect', 'popup', 'silent'] as const)
      expect(await page.evaluate((name) => window.oauthApp[name](), way)).toMatchObject({ code: 'sign_in_failed', cause })
    expect(page.url()).toBe(href)
  },
)

test('REQ-48: what the provider says of itself is kept for a day, and for longer where it cannot be had again', async () => {
  const { open, origin, context, provider, grant } = await stageScripted()
  provider.says.token = (_, count) => json({ ...grant(), access_token: `access-${count}`, refresh_token: `refresh-${count}` })
  await context.clock.install()
  const discoveries = () => provider.seen.filter(({ url }) => url.startsWith('/.well-known/')).length
  const page = await open()
  await signIn(page, origin)
  const refresh = () => page.evaluate(() => window.oauthApp.session.refresh().then(() => true))
  const first = discoveries()
  await context.clock.fastForward('23:00:00')
  expect(await refresh()).toBe(true)
  expect(discoveries()).toBe(first)

  provider.says.metadata = () => json({}, 503)
  await context.clock.fastForward('02:00:00')
  expect(await refresh()).toBe(true)
  const later = discoveries()
  expect(later).toBeGreaterThan(first)
  expect(await refresh()).toBe(true)
  expect(discoveries()).toBe(later) // for another day
})

test('REQ-28: before anything is asked of anybody the address is clean, and no Referer tells of the code', async () => {
  const { open, origin, context, provider } = await stageScripted()
  const page = await open()
  const addresses: Promise<string>[] = []
  await context.route(`${provider.issuer}/**`, async (route) => {
    if (route.request().isNavigationRequest()) return route.continue()
    const isBack = provider.seen.some(({ url }) => url.startsWith('/authorize?'))
    if (isBack) addresses.push(page.evaluate(() => location.href))
    await Promise.all(addresses)
    return route.continue()
  })
  expect((await signIn(page, origin)).told).toHaveProperty('subject', 'ann')
  expect(addresses.length).toBeGreaterThanOrEqual(2) // the metadata, and the code
  expect(new Set(await Promise.all(addresses))).toEqual(new Set([`${origin}/callback`]))
  expect(provider.seen.filter(({ headers }) => headers.referer?.includes('code='))).toEqual([])
})

test('F28: a blip in the place of the metadata, with a code in hand, is waited out: the code is still good', async () => {
  const { open, origin, provider } = await stageScripted()
  const { metadata, authorize } = provider.says
  provider.says.authorize = (asked) => {
    provider.says.metadata = () => {
      provider.says.metadata = metadata
      return json({}, 503)
    }
    return authorize(asked)
  }
  expect((await signIn(await open(), origin)).told).toHaveProperty('subject', 'ann')
  expect(provider.forms('/token')).toHaveLength(1)
})

test('a token endpoint that refuses the code says why', async () => {
  const { open, origin, provider } = await stageScripted()
  provider.says.token = () => json({ error: 'invalid_grant', error_description: 'too late' }, 400)
  const { told } = await signIn(await open(), origin)
  expect(told).toMatchObject({ code: 'sign_in_failed', cause: '{"error":"invalid_grant","error_description":"too late"}' })
})

describe('a window of its own', () => {
  const policy = { 'Cross-Origin-Opener-Policy': 'same-origin' }

  test('whose provider cuts it off from us (COOP) is heard all the same', async () => {
    const { open, provider } = await stageScripted()
    provider.says.authorize = (asked) => ({
      headers: { 'Content-Type': 'text/html', ...policy },
      body: `<a href="${backWith(asked, { code: 'code-1', iss: provider.issuer }).headers?.Location?.replaceAll('&', '&amp;')}">Go on</a>`,
    })
    const page = await open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
    await popup.getByText('Go on').waitFor()
    const closed = popup.waitForEvent('close')
    await popup.getByText('Go on').click()
    expect(await page.evaluate(() => window.popupCame)).toMatchObject({ subject: 'ann' })
    await closed
  })

  test('of an app that keeps to itself (COOP) is heard all the same', async () => {
    const { open } = await stageScripted({ headers: policy })
    const page = await open()
    await page.getByRole('button').click()
    expect(await page.evaluate(() => window.popupCame)).toMatchObject({ subject: 'ann' })
  })

  test('has no hold on ours', async () => {
    const { open, provider } = await stageScripted()
    provider.says.authorize = () => ({ headers: { 'Content-Type': 'text/html' }, body: '<script>document.title = String(opener)</script>' })
    const page = await open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
    await expect.poll(() => popup.title()).toBe('null')
  })

  test('that the user closes before the provider has said where to go is a sign-in that was cancelled', async () => {
    const { open, context, provider } = await stageScripted()
    let go = () => {}
    const told = new Promise<void>((resolve) => {
      go = resolve
    })
    await context.route('**/.well-known/**', (route) => told.then(() => route.continue()))
    const page = await open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
    await popup.close()
    await page.keyboard.press('Shift') // the user is back
    await page.waitForTimeout(1_500)
    go()
    expect(await page.evaluate(() => window.popupCame)).toMatchObject({ code: 'sign_in_cancelled' })
    expect(provider.forms('/token')).toEqual([])
  })

  test('whose opener is gone says that it failed', async () => {
    const { open, origin, provider, context } = await stageScripted()
    provider.says.authorize = () => ({ body: 'Who are you?' })
    const page = await open()
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
    await popup.waitForURL('**/authorize?**')
    const state = new URL(popup.url()).searchParams.get('state')
    await page.close()
    await popup.goto(`${origin}/callback?code=code-1&state=${state}&iss=${encodeURIComponent(provider.issuer)}`)
    expect((await returned(popup)).told).toMatchObject({ code: 'sign_in_failed' })
    expect(popup.url()).toBe(`${origin}/callback`)
    expect(context.pages()).toHaveLength(1)
  })
})

describe.each([
  ['has none', () => Object.assign(window, { BroadcastChannel: undefined })],
  [
    'refuses one',
    () => {
      window.BroadcastChannel = class {
        constructor() {
          throw new DOMException('Access is denied for this document.', 'SecurityError')
        }
      } as never
    },
  ],
] as const)('F46, F47: an answer comes in a BroadcastChannel: where the browser %s', (_, spoil) => {
  test.each(['popup', 'silent'] as const)('a sign-in says so, and leaves nothing open: %s', async (how) => {
    const { open, context } = await stageScripted()
    const page = await open()
    await page.evaluate(spoil)
    const told = await page.evaluate((way) => window.oauthApp[way](), how)
    expect(told).toMatchObject({
      code: 'sign_in_failed',
      message: expect.stringMatching(/no channel between windows.*Nobody was signed in.*signInRedirect/),
    })
    expect(told).toHaveProperty('cause', expect.stringMatching(/not a constructor|denied/))
    await expect.poll(() => context.pages().length).toBe(1)
    expect(await page.locator('iframe').count()).toBe(0)
  })
})

test('the page that a silent sign-in comes back to is gone before it can begin one itself', async () => {
  const { open, provider } = await stageScripted()
  const page = await open()
  const frames: number[] = []
  await page.route(`${provider.issuer}/token`, async (route) => {
    frames.push(await page.locator('iframe').count())
    await route.continue()
  })
  expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ subject: 'ann' })
  expect(frames).toEqual([0])
})

test('a silent sign-in needs no body, which a script in the head runs before', async () => {
  const { open } = await stageScripted()
  const page = await open()
  const told = await page.evaluate(() => {
    document.body.remove()
    return window.oauthApp.silent()
  })
  expect(told).toMatchObject({ subject: 'ann' })
})

test('REQ-107: a `max_age` among the parameters is held against the ID token, as one that an API demands', async () => {
  const { open, origin, provider, grant } = await stageScripted({ parameters: { max_age: '3600' } })
  const now = Math.floor(Date.now() / 1000)
  const cause = expect.stringContaining('older than was asked for')
  for (const wrong of [{}, { auth_time: now - 7_200 }]) {
    provider.says.token = () => json(grant(wrong))
    expect((await signIn(await open(), origin)).told).toMatchObject({ code: 'sign_in_failed', cause })
  }
  provider.says.token = () => json(grant({ auth_time: now - 1_800 }))
  expect((await signIn(await open(), origin)).told).toMatchObject({ subject: 'ann' })
})

test('F56: an app that has put `session.fetch` in the place of `fetch` signs in all the same, at a provider that is listed, too', async () => {
  const { open, origin, provider } = await stageScripted({ listsProvider: true })
  const page = await open()
  await page.addInitScript(() => {
    Object.defineProperty(window, 'oauthPatches', { value: true })
  })
  await page.reload()
  expect((await signIn(page, origin)).told).toMatchObject({ subject: 'ann' })
  expect(provider.forms('/token')).toHaveLength(1)
})

test('F61: a provider that refuses to be framed needs the user, after ten seconds and no more', async () => {
  const { open, provider } = await stageScripted()
  provider.says.authorize = () => ({ headers: { 'X-Frame-Options': 'DENY' }, body: 'No.' })
  const page = await open()
  expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ code: 'interaction_required', cause: '' })
  expect(await page.locator('iframe').count()).toBe(0)
})

test('REQ-64: tokens of which no more would outlive the page than 64 KiB are revoked all the same', async () => {
  const { open, origin, provider, grant } = await stageScripted()
  const [access, refresh] = ['access-1', 'refresh-1'].map((name) => name.padEnd(40_000, '.'))
  provider.says.token = () => json({ ...grant(), access_token: access, refresh_token: refresh })
  const page = await open()
  await signIn(page, origin)
  expect(await page.evaluate(() => window.oauthApp.session.signOut())).toEqual({ revoked: true })
  expect(new Set(provider.forms('/revoke').map(({ token }) => token))).toEqual(new Set([access, refresh]))
})

describe('the provider’s own sign-out', () => {
  test('REQ-66, REQ-139: is told by POST who signs out, after a sign-in on this page', async () => {
    const { open, origin, provider } = await stageScripted()
    const page = await open()
    await signIn(page, origin)
    await page.evaluate(() => window.oauthApp.session.signOut())
    await page.evaluate((to) => void window.oauthApp.logout(to), `${origin}/bye`)
    await page.waitForURL(`${provider.issuer}/logout`)
    expect(provider.forms('/logout')).toEqual([
      { client_id: 'spa', post_logout_redirect_uri: `${origin}/bye`, id_token_hint: expect.stringMatching(/^ey.*c2lnbmF0dXJl$/) },
    ])
  })

  type Tab = Readonly<
    Record<'signIn' | 'popup', (subject: string) => Promise<unknown>> & Record<'signOut' | 'refresh', () => Promise<unknown>>
  >

  /** Ann signs in on a page; then this happens there and in another tab, and the page leaves for the provider’s sign-out. Of whom is the provider told? */
  async function told(happens: (here: Tab, there: Tab) => Promise<unknown>) {
    const { open, origin, provider, grant } = await stageScripted()
    const pages = [await open(), await open('/other')] as const
    const signedIn = async (subject: string, how: (page: Page) => Promise<unknown>, page: Page) => {
      provider.says.token = (_, count) =>
        json({ ...grant({ sub: subject }), access_token: `access-${count}`, refresh_token: `refresh-${count}` })
      await how(page)
      for (const tab of pages) await expect.poll(() => stateOf(tab)).toMatchObject({ status: 'signed-in', subject })
    }
    const tabOf = (page: Page): Tab => ({
      signIn: (subject) => signedIn(subject, (tab) => signIn(tab, origin), page),
      popup: (subject) => signedIn(subject, (tab) => tab.evaluate(() => window.oauthApp.popup()), page),
      refresh: () => page.evaluate(() => window.oauthApp.session.refresh()),
      signOut: () => page.evaluate(() => window.oauthApp.session.signOut()),
    })
    const [here, there] = [tabOf(pages[0]), tabOf(pages[1])]
    await here.signIn('ann')
    await happens(here, there)
    await pages[0].evaluate(() => void window.oauthApp.logout())
    await pages[0].waitForURL(`${provider.issuer}/logout**`)
    const [hint = ''] = provider.forms('/logout').map(({ id_token_hint: token = '' }) => token.split('.')[1] ?? '')
    return hint ? JSON.parse(Buffer.from(hint, 'base64url').toString()).sub : new URL(pages[0].url()).search
  }
  const nobody = '?client_id=spa'

  test('REQ-66: is told of nobody if it is somebody else who signs out, signed in in another tab', async () => {
    const hint = await told(async (here, there) => {
      await there.signIn('grace')
      await here.signOut()
    })
    expect(hint).toBe(nobody)
  })

  test('REQ-66: nor if the one who signed in here had signed out before that', async () => {
    const hint = await told(async (here, there) => {
      await here.signOut()
      await there.signIn('grace')
      await here.signOut()
    })
    expect(hint).toBe(nobody)
  })

  test('REQ-66: nor as long as nobody has signed out here', async () => {
    expect(await told(async () => {})).toBe(nobody)
  })

  test('REQ-66: is told of the one who signs out, whoever has signed in here before, and however often another tab has refreshed', async () => {
    const hint = await told(async (here, there) => {
      await here.popup('grace')
      await there.refresh()
      await here.signOut()
    })
    expect(hint).toBe('grace')
  })

  test('REQ-136: knows of no ID token on the next page: none was kept', async () => {
    const { open, origin, provider } = await stageScripted()
    const page = await open()
    await signIn(page, origin)
    await page.reload()
    await page.evaluate(() => void window.oauthApp.logout())
    await page.waitForURL(`${provider.issuer}/logout?client_id=spa`)
  })

  test('REQ-48: is not gone to where it is no https URL', async () => {
    const { open, provider } = await stageScripted()
    provider.says.metadata = () => json({ ...wellKnown(provider.issuer), end_session_endpoint: 'http://login.example.com/logout' })
    const page = await open()
    expect(await page.evaluate(() => window.oauthApp.logout())).toMatchObject({
      code: 'sign_in_failed',
      cause: expect.stringContaining('`end_session_endpoint` is not an https URL'),
    })
  })

  test('is not to be had everywhere', async () => {
    const { open, provider } = await stageScripted()
    provider.says.metadata = () => json({ ...wellKnown(provider.issuer), end_session_endpoint: undefined })
    expect(await (await open()).evaluate(() => window.oauthApp.logout())).toHaveProperty('code', 'sign_in_failed')
  })
})

test('REQ-100, REQ-102, REQ-103: an API demands a stronger sign-in: one popup for all requests, each goes out once more, and the tokens are those of all tabs', async () => {
  const { open, origin, context, provider, grant, asked, uncaught } = await stageScripted()
  const received: string[] = []
  await context.route(`${origin}/api/**`, (route) => {
    const request = route.request()
    const isStrong = request.headers().authorization === 'Bearer access-strong'
    received.push(`${request.method()} ${request.postData() ?? ''} ${isStrong}`)
    const challenge = 'Bearer error="insufficient_user_authentication", acr_values="gold silver", max_age=300'
    return route.fulfill(isStrong ? { status: 200 } : { status: 401, headers: { 'WWW-Authenticate': challenge } })
  })
  const [page, other] = [await open(), await open('/other')]
  await signIn(page, origin)
  const call = (tab: Page, body: string) =>
    tab.evaluate((text) => window.oauthApp.session.fetch('/api/pay', { method: 'POST', body: text }).then(({ status }) => status), body)
  const calls = ['one', 'two', 'three'].map((body) => call(page, body))
  await expect
    .poll(() => page.evaluate(() => window.oauthApp.demanded()))
    .toEqual({
      origin,
      acrValues: ['gold', 'silver'],
      maxAge: 300_000,
      scope: null,
    })
  const iat = Math.floor(Date.now() / 1000)
  provider.says.token = () => json({ ...grant({ iat, auth_time: iat, acr: 'gold' }), access_token: 'access-strong' })
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
  if (!popup.isClosed()) await popup.waitForEvent('close')
  expect(await Promise.all(calls)).toEqual([200, 200, 200])
  expect(Object.fromEntries(asked())).toMatchObject({ acr_values: 'gold silver', max_age: '300' })
  expect(await page.evaluate(() => window.oauthApp.ends)).toEqual([])
  const strong = received.filter((line) => line.endsWith('true')).sort()
  expect(strong).toEqual(['POST one true', 'POST three true', 'POST two true'])
  expect(received).toHaveLength(6)

  await expect.poll(() => stateOf(other)).toMatchObject({ status: 'signed-in', subject: 'ann' })
  expect(await call(other, 'four')).toBe(200)
  expect(provider.forms('/token').filter(({ grant_type: type }) => type === 'refresh_token')).toEqual([])
  expect(uncaught).toEqual([])
})
