import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startProvider } from '../../demo/provider.ts'
import { glewlwyd } from '../../scripts/ensure-glewlwyd.ts'
import { launchChromium } from './chromium.ts'
import { startGlewlwyd } from './glewlwyd-server.ts'
import { type OAuthScene, returned, stageOAuth, startApp, stateOf } from './oauth-scene.ts'
import type { InWords } from './page/oauth.ts'

/** A real server, by authors who have never heard of us. Refresh tokens are good for one use; a second one takes all that came of the sign-in along. */
interface Kind {
  readonly name: string
  /** How it refuses, and what the app has to know of that. */
  readonly refuses: readonly [status: number, body: unknown]
  readonly judge: InWords
  /** To a public client: what the revocation endpoint answers. */
  readonly revokes: number
  readonly start: (redirectUri: string, origin: string) => Promise<Server>
}

interface Server {
  readonly issuer: string
  readonly clientId: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  readonly parameters: Readonly<Record<string, string>>
  /** At the server, as a user does it: before the page leaves for it, or once it is there. */
  readonly logIn: (scene: OAuthScene, page: Page) => Promise<void>
  readonly stop: () => Promise<void>
}

const oidcProvider: Kind = {
  name: 'oidc-provider',
  refuses: [400, expect.stringContaining('"invalid_grant"')],
  judge: {},
  revokes: 200,
  async start(redirectUri, origin) {
    const provider = await startProvider({ port: 0, redirectUris: [redirectUri], origins: [origin], accessTokenLifetime: 300 })
    return {
      ...provider,
      parameters: {},
      async logIn(_, page) {
        await page.evaluate(() => void window.oauthApp.redirect())
        await page.waitForURL('**/login/**')
        await page.getByLabel('Name').fill('ada')
        await page.getByLabel('Name').press('Enter')
      },
      stop: provider.close,
    }
  },
}

const here = glewlwyd() // scripts/ensure-glewlwyd.ts says where there is none
const glewlwyds: readonly Kind[] = here
  ? [
      {
        name: 'glewlwyd',
        refuses: [400, ''],
        judge: { rejectsWithoutWords: true },
        revokes: 401, // it takes the word of confidential clients only
        async start(redirectUri) {
          const server = await startGlewlwyd(here, redirectUri)
          return {
            ...server,
            parameters: { g_continue: 'yes' }, // its login page would ask before it lets the user go on
            async logIn({ context }, page) {
              await server.signIn(context.request)
              await page.evaluate(() => void window.oauthApp.redirect())
            },
          }
        },
      },
    ]
  : []

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

interface TokenCall {
  /** What was presented, if it was a refresh. */
  readonly presented: string | null
  readonly status: number
  readonly body: string
}

/** Tabs of an app, a server, and all that passes between the tabs and its token endpoint. */
async function stageWith(kind: Kind, judge = kind.judge) {
  const web = await startApp()
  const server = await kind.start(`${web.origin}/callback`, web.origin)
  onTestFinished(() => server.stop())
  const { issuer, clientId, parameters } = server
  const scene = await stageOAuth(browser, web, { issuer, clientId, parameters, scope: 'openid api', ...judge })
  const calls: Promise<TokenCall>[] = []
  scene.context.on('response', (response) => {
    const request = response.request()
    if (response.url() !== server.tokenEndpoint || request.method() !== 'POST') return
    const presented = new URLSearchParams(request.postData() ?? '').get('refresh_token')
    const status = response.status()
    calls.push(response.text().then((body) => ({ presented, status, body })))
  })
  const refreshes = async () => (await Promise.all(calls)).filter(({ presented }) => presented !== null)
  return { ...scene, server, refreshes, signIn: async () => JSON.parse((await calls[0])?.body ?? '') }
}

type Scene = Awaited<ReturnType<typeof stageWith>>

async function signedIn(scene: Scene): Promise<Page> {
  const page = await scene.open()
  await scene.server.logIn(scene, page)
  await page.waitForURL(`${scene.origin}/callback`)
  expect((await returned(page)).told).toMatchObject({ subject: expect.any(String), returnTo: '/' })
  return page
}

/** What came of a refresh: the code of its error, or nothing. */
const refresh = (page: Page): Promise<unknown> =>
  page.evaluate(() =>
    window.oauthApp.session.refresh().then(
      () => null,
      ({ code }) => code,
    ),
  )

const ends = (page: Page) => page.evaluate(() => window.oauthApp.ends.map(({ reason }) => reason))

/** Somebody presents the refresh token of the sign-in, which is spent. */
async function presentAgain(scene: Scene): Promise<readonly [status: number, body: string]> {
  const { refresh_token } = await scene.signIn()
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, client_id: scene.server.clientId })
  const answer = await fetch(scene.server.tokenEndpoint, { method: 'POST', body })
  return [answer.status, await answer.text()]
}

describe.each([oidcProvider, ...glewlwyds])('at $name', (kind) => {
  test('REQ-82: a sign-in with code and PKCE, and then refreshes, each with a token of its own', async () => {
    const scene = await stageWith(kind)
    const asked = scene.context.waitForEvent('request', (request) => request.url().includes('response_type=code'))
    const page = await signedIn(scene)
    expect(new URL((await asked).url()).searchParams.get('code_challenge_method')).toBe('S256')
    for (let count = 0; count < 5; count++) expect(await refresh(page)).toBeNull()
    const refreshes = await scene.refreshes()
    expect(refreshes.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(new Set(refreshes.map(({ presented }) => presented)).size).toBe(5)
    await page.reload()
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in' })
    expect(scene.uncaught).toEqual([])
  })

  test('F01, F05: three tabs that refresh at the same moment present no token twice, and nobody is signed out', async () => {
    const scene = await stageWith(kind)
    const tabs = [await signedIn(scene), await scene.open(), await scene.open()]
    for (const tab of tabs) expect(await stateOf(tab)).toMatchObject({ status: 'signed-in' })
    for (let round = 0; round < 5; round++) expect(await Promise.all(tabs.map(refresh))).toEqual([null, null, null])
    const refreshes = await scene.refreshes()
    expect(refreshes.length).toBeGreaterThanOrEqual(5)
    expect(refreshes.map(({ status }) => status)).toEqual(refreshes.map(() => 200))
    expect(new Set(refreshes.map(({ presented }) => presented)).size).toBe(refreshes.length)
    for (const tab of tabs) expect(await ends(tab)).toEqual([])
  })

  test('F58: a refresh token that somebody presents again ends the session, once in every tab', async () => {
    const scene = await stageWith(kind)
    const page = await signedIn(scene)
    const other = await scene.open()
    expect(await stateOf(other)).toMatchObject({ status: 'signed-in' })
    expect(await refresh(page)).toBeNull()
    expect(await presentAgain(scene)).toEqual(kind.refuses)
    expect(await refresh(page)).toBe('session_ended')
    for (const tab of [page, other]) {
      await expect.poll(() => stateOf(tab)).toEqual({ status: 'signed-out', reason: 'rejected' })
      expect(await ends(tab)).toEqual(['rejected'])
    }
    expect((await scene.refreshes()).map(({ status }) => status)).toEqual([200, 400])
  })

  test('REQ-61, REQ-62: a sign-out says whether the server has confirmed it, and is one in any case', async () => {
    const scene = await stageWith(kind)
    const page = await signedIn(scene)
    const other = await scene.open()
    expect(await stateOf(other)).toMatchObject({ status: 'signed-in' })
    const answered = page.waitForResponse(scene.server.revocationEndpoint)
    expect(await page.evaluate(() => window.oauthApp.session.signOut())).toEqual({ revoked: kind.revokes === 200 })
    expect((await answered).status()).toBe(kind.revokes)
    for (const tab of [page, other]) await expect.poll(() => stateOf(tab)).toEqual({ status: 'signed-out', reason: 'signed-out' })
  })
})

describe.each(glewlwyds)('at $name, without `isRejected`', (kind) => {
  test('F29: a refusal that has no words is trouble, and ends nothing', async () => {
    const scene = await stageWith(kind, {})
    const page = await signedIn(scene)
    expect(await refresh(page)).toBeNull()
    expect(await presentAgain(scene)).toEqual(kind.refuses)
    expect(await refresh(page)).toBe('refresh_unavailable')
    expect(await stateOf(page)).toMatchObject({ status: 'signed-in', trouble: { retryAt: expect.any(Number) } })
    expect(await ends(page)).toEqual([])
  })
})
