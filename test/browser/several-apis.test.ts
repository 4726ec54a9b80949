import type { Destination } from 'latchkey'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type DemoApi, startApi } from '../../demo/api.ts'
import { startProvider } from '../../demo/provider.ts'
import { launchChromium } from './chromium.ts'
import { type OAuthScene, returned, stageOAuth, startApp, stateOf } from './oauth-scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const scopes = { files: 'files:read files:write', mail: 'mail', calendar: 'calendar' }
type Name = keyof typeof scopes
const names = Object.keys(scopes) as Name[]
const resourceOf = (name: string) => `https://${name}.example.com/`

/** The app, three APIs that take no token but their own, and a provider with strict rotation that makes a token for each. */
async function stageApis(more: (origins: Readonly<Record<Name, string>>) => readonly Destination[] = () => []) {
  const web = await startApp()
  const provider = await startProvider({
    port: 0,
    redirectUris: [`${web.origin}/callback`],
    origins: [web.origin],
    accessTokenLifetime: 300,
    resources: Object.fromEntries(names.map((name) => [resourceOf(name), scopes[name]])),
  })
  onTestFinished(() => provider.close())
  const { issuer, jwksUri } = provider
  const apis = {} as Record<Name, DemoApi>
  for (const name of names) {
    apis[name] = await startApi({ port: 0, issuer, jwksUri, audience: resourceOf(name), origins: [web.origin] })
    onTestFinished(() => apis[name].close())
  }
  const origins = {
    files: apis.files.origin,
    mail: apis.mail.origin.replace('127.0.0.1', 'localhost'),
    calendar: apis.calendar.origin,
  }
  const scene = await stageOAuth(browser, web, {
    issuer,
    clientId: provider.clientId,
    scope: `openid ${Object.values(scopes).join(' ')}`,
    parameters: { resource: names.map(resourceOf) },
    attachTo: [...names.map((name) => ({ url: origins[name], resource: resourceOf(name) })), ...more(origins)],
  })
  return { ...scene, provider, apis, urls: names.map((name) => `${origins[name]}/me`), origins }
}

async function signIn(page: Page, { origin }: OAuthScene): Promise<void> {
  await page.evaluate(() => void window.oauthApp.redirect())
  await page.waitForURL('**/login/**')
  await page.getByLabel('Name').fill('ada')
  await page.getByLabel('Name').press('Enter')
  await page.waitForURL(`${origin}/callback`)
  expect((await returned(page)).told).toMatchObject({ subject: 'ada' })
}

/** What all of these answer, asked in one tick. */
const askAll = (page: Page, urls: readonly string[]): Promise<readonly number[]> =>
  page.evaluate((all) => Promise.all(all.map((url) => window.oauthApp.session.fetch(url).then(({ status }) => status))), urls)

/** What a caller of `getToken` may read in the token, or the error that it gets. */
const tokenFor = (page: Page, want: Partial<Destination>) =>
  page.evaluate(
    (named) =>
      window.oauthApp.session.getToken(named).then(
        (token) => {
          const { aud, scope } = JSON.parse(atob((token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/')))
          return { aud, scope, token }
        },
        (error) => ({ code: error.code ?? error.name, cause: String(error.cause?.message) }),
      ),
    want,
  )

describe('several APIs, one sign-in', () => {
  test('F60, REQ-25: of three that two tabs call in one tick, each gets its own token, from three refreshes, one after the other', async () => {
    const scene = await stageApis()
    const { provider, apis } = scene
    const one = await scene.open()
    const asked = one.waitForRequest(`${provider.authorizationEndpoint}**`)
    await signIn(one, scene)
    expect(new URL((await asked).url()).searchParams.getAll('resource')).toEqual(names.map(resourceOf))
    const two = await scene.open()
    expect(await stateOf(two)).toMatchObject({ status: 'signed-in', subject: 'ada' })
    expect(provider.counters).toMatchObject({ refreshes: 0 })

    provider.settings.condition = 'slow' // two that are on their way together would meet
    provider.settings.slowness = 300
    const answers = await Promise.all([one, two].map((tab) => askAll(tab, scene.urls)))

    expect(answers).toEqual([
      [200, 200, 200],
      [200, 200, 200],
    ])
    expect(provider.counters).toMatchObject({ refreshes: 3, granted: 3, reused: 0, atOnce: 1 })
    expect(provider.refreshLog.map(({ resource }) => resource).sort()).toEqual(names.map(resourceOf).sort())
    // Each API takes tokens of its own alone: had it seen another's, or the session's, it would have refused that.
    for (const name of names) expect(apis[name].counters).toEqual({ answered: 2, refused: 0, anonymous: 0, expired: 0, invalid: 0 })
    expect(scene.uncaught).toEqual([])

    // They are all there after a reload.
    await one.reload()
    await returned(one)
    expect(await askAll(one, scene.urls)).toEqual([200, 200, 200])
    expect(provider.counters).toMatchObject({ refreshes: 3 })
    expect(await one.evaluate(() => window.oauthApp.session.signOut())).toEqual({ revoked: true })
    expect(provider.counters.revocations).toBeGreaterThanOrEqual(5) // the refresh token, the session's own, and three
  })

  test('REQ-25: two destinations of one API with another scope have a token each, and each token has no more than that', async () => {
    const scene = await stageApis(({ files }) => [
      { url: `${files}/drafts`, resource: resourceOf('files'), scope: 'files:read' },
      { url: `${files}/admin`, resource: resourceOf('files'), scope: 'files:write' },
    ])
    const page = await scene.open()
    await signIn(page, scene)
    const { files } = scene.origins
    expect(await askAll(page, [`${files}/drafts/1`, `${files}/admin/1`])).toEqual([200, 200])
    expect(scene.provider.counters).toMatchObject({ refreshes: 2, granted: 2, reused: 0 })

    const resource = resourceOf('files')
    const [read, write, both] = [
      await tokenFor(page, { resource, scope: 'files:read' }),
      await tokenFor(page, { resource, scope: 'files:write' }),
      await tokenFor(page, { resource }),
    ]
    expect(read).toMatchObject({ aud: resource, scope: 'files:read' })
    expect(write).toMatchObject({ aud: resource, scope: 'files:write' })
    expect(both).toMatchObject({ aud: resource, scope: scopes.files })
    expect(scene.provider.counters).toMatchObject({ refreshes: 3, granted: 3, reused: 0 })
  })

  test('REQ-25: a scope that the sign-in did not ask for stops no other destination, and is asked for once', async () => {
    const scene = await stageApis(({ files }) => [{ url: `${files}/trash`, resource: resourceOf('files'), scope: 'files:delete' }])
    const page = await scene.open()
    await signIn(page, scene)
    const overreaching = { resource: resourceOf('files'), scope: 'files:delete' }
    const refused = { code: 'refresh_unavailable', cause: expect.stringMatching(/files\.example\.com.*invalid_scope/) }
    expect(await tokenFor(page, overreaching)).toEqual(refused)
    expect(await askAll(page, scene.urls)).toEqual([200, 200, 200])
    expect(await tokenFor(page, overreaching)).toEqual(refused)
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', trouble: null })
    expect(scene.provider.counters).toMatchObject({ refreshes: 4, granted: 3, refused: 1, reused: 0 })
  })

  test('F60: this provider spends the refresh token before it refuses a resource, so that one it does not know ends the session', async () => {
    const unknown = 'https://unknown.example.com/'
    const scene = await stageApis(({ files }) => [{ url: `${files}/unknown`, resource: unknown }])
    const page = await scene.open()
    await signIn(page, scene)
    expect(await tokenFor(page, { resource: unknown })).toMatchObject({ cause: expect.stringMatching(/unknown.*invalid_target/) })
    expect(await tokenFor(page, { resource: resourceOf('mail') })).toMatchObject({ code: 'session_ended' })
    await expect.poll(() => page.evaluate(() => window.oauthApp.ends.map(({ reason }) => reason))).toEqual(['rejected'])
  })
})
