import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startProvider } from '../../demo/provider.ts'
import { startBoundApi } from './bound-api.ts'
import { launchChromium } from './chromium.ts'
import { type OAuthScene, returned, stageOAuth, startApp, stateOf } from './oauth-scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

/** The app, a real OpenID provider that demands DPoP with nonces and rotates strictly, and an API that checks every proof. */
async function stageBound() {
  const web = await startApp()
  const provider = await startProvider({
    port: 0,
    redirectUris: [`${web.origin}/callback`],
    origins: [web.origin],
    accessTokenLifetime: 300,
    demandsDpop: true,
  })
  onTestFinished(() => provider.close())
  const api = await startBoundApi(provider, web.origin)
  const { issuer, clientId } = provider
  const scene = await stageOAuth(browser, web, { issuer, clientId, scope: 'openid api', dpop: 'required', api: api.origin })
  return { ...scene, provider, api }
}

async function signIn(page: Page, { origin }: OAuthScene, name = 'ada') {
  await page.evaluate(() => void window.oauthApp.redirect())
  await page.waitForURL('**/login/**')
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Name').press('Enter')
  await page.waitForURL(`${origin}/callback`)
  return returned(page)
}

const call = (page: Page, url: string, init: { readonly method?: string; readonly body?: string; readonly keepalive?: boolean } = {}) =>
  page.evaluate(([to, how]) => window.oauthApp.session.fetch(to, how).then(({ status }) => status), [url, init] as const)

/** The keys that the origin keeps, and whether script can take them out. */
const keysOf = (page: Page) =>
  page.evaluate(async () => {
    const promised = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const { name } = (await indexedDB.databases()).find((it) => it.name === 'latchkey-proof-keys') ?? {}
    if (!name) return []
    const database = await promised(indexedDB.open(name))
    const found: { thumbprint: string; pair: CryptoKeyPair }[] = await promised(database.transaction('keys').objectStore('keys').getAll())
    database.close()
    return Promise.all(
      found.map(async ({ thumbprint, pair: { privateKey } }) => {
        const isOut = await crypto.subtle.exportKey('jwk', privateKey).then(
          () => true,
          () => false,
        )
        return { thumbprint, extractable: privateKey.extractable, isOut, usages: privateKey.usages }
      }),
    )
  })

/** Keeps another one, which was used later than those that are there. */
const keepAnother = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        indexedDB.open('latchkey-proof-keys').onsuccess = ({ target }) => {
          const { result: database } = target as IDBOpenDBRequest // which has just been opened
          const keys = database.transaction('keys', 'readwrite').objectStore('keys')
          keys.getAll().onsuccess = ({ target: all }) => {
            const [key] = (all as IDBRequest<{ order: number }[]>).result
            keys.put({ ...key, thumbprint: 'another', order: 1_000 }, 'another')
          }
          keys.transaction.oncomplete = () => resolve(database.close())
        }
      }),
  )

/** What putting a text of that size into the storage of the page comes to. */
const putText = (page: Page, size: number) =>
  page.evaluate(
    (length) =>
      new Promise<string>((resolve) => {
        const opened = indexedDB.open('ballast')
        opened.onupgradeneeded = () => opened.result.createObjectStore('texts')
        opened.onsuccess = () => {
          const { transaction } = opened.result.transaction('texts', 'readwrite').objectStore('texts').put('x'.repeat(length), 0)
          transaction!.oncomplete = () => resolve('written')
          transaction!.onabort = () => resolve(transaction!.error?.name ?? '')
        }
      }),
    size,
  )

describe('where the provider demands DPoP', () => {
  test('REQ-86, REQ-88, REQ-97: a sign-in whose code is bound, twenty refreshes, calls of the API, and a sign-out that revokes', async () => {
    const scene = await stageBound()
    const { provider, api, uncaught } = scene
    const page = await scene.open()
    const asked = page.waitForRequest(`${provider.authorizationEndpoint}**`)
    const { told } = await signIn(page, scene)
    expect(told).toMatchObject({ subject: 'ada' })

    const [key] = await keysOf(page)
    expect(new URL((await asked).url()).searchParams.get('dpop_jkt')).toBe(key?.thumbprint)
    expect(key).toMatchObject({ extractable: false, isOut: false, usages: ['sign'] }) // REQ-07

    expect(await call(page, `${api.origin}/me?of=ada`)).toBe(200)
    await page.evaluate(async () => {
      for (let count = 0; count < 20; count++) await window.oauthApp.session.refresh()
    })
    expect(await call(page, `${api.origin}/notes`, { method: 'POST', body: 'a note' })).toBe(200)
    expect(api.callers).toEqual([key?.thumbprint, key?.thumbprint])
    expect(api.nonceless()).toBe(1)
    // One demand for a nonce, at the code: from then on each answer brings what the next proof needs.
    expect(provider.counters).toMatchObject({ signIns: 1, refreshes: 20, granted: 20, reused: 0 })
    expect(await page.evaluate(() => window.oauthApp.ends)).toEqual([])

    expect(await page.evaluate(() => window.oauthApp.session.signOut())).toEqual({ revoked: true })
    expect(provider.counters.revocations).toBeGreaterThanOrEqual(2)
    await expect.poll(() => keysOf(page)).toEqual([])
    await page.reload()
    await page.evaluate(() => void window.oauthApp.logout())
    await page.waitForURL(`${provider.issuer}/session/end**`)
    await page.getByRole('button', { name: 'Yes' }).click()
    await page.waitForURL('**/session/end/success**')
    expect(uncaught).toEqual([])
  })

  test('REQ-93: two tabs share one key, which outlives a reload and goes with the session, whichever tab ends it', async () => {
    const scene = await stageBound()
    const { api, provider } = scene
    const one = await scene.open()
    await signIn(one, scene)
    const two = await scene.open()
    await expect.poll(() => stateOf(two)).toMatchObject({ status: 'signed-in' })
    await one.reload()
    for (const tab of [one, two]) expect(await call(tab, `${api.origin}/me`)).toBe(200)
    await Promise.all([one, two].map((tab) => tab.evaluate(() => window.oauthApp.session.refresh())))
    for (const tab of [one, two]) expect(await call(tab, `${api.origin}/me`)).toBe(200)
    const kept = await keysOf(one)
    expect(kept).toHaveLength(1)
    expect(new Set(api.callers)).toEqual(new Set([kept[0]?.thumbprint]))
    expect(provider.counters).toMatchObject({ reused: 0 }) // a demand for a nonce counts as refused

    await two.evaluate(() => window.oauthApp.session.signOut())
    await expect.poll(() => stateOf(one)).toMatchObject({ status: 'signed-out' })
    await expect.poll(() => keysOf(one)).toEqual([])
  })

  test('REQ-93: on a full disk the key is there after a reload, and goes with the session (F39)', async () => {
    const scene = await stageBound()
    const protocol = await scene.context.newCDPSession(await scene.context.newPage())
    const limit = (quotaSize: number) => protocol.send('Storage.overrideQuotaForOrigin', { origin: scene.origin, quotaSize })
    await limit(3e6) // Chromium heeds what comes later only where there has been one from the start
    const page = await scene.open()
    await signIn(page, scene)
    await keepAnother(page)
    await limit(1)
    await putText(page, 5e6) // so that it looks at what is left: of little it believes for a while that there is room
    expect(await putText(page, 1)).toBe('QuotaExceededError')
    await page.reload()
    expect(await call(page, `${scene.api.origin}/me`)).toBe(200)
    expect(await keysOf(page)).toHaveLength(2)
    await page.evaluate(() => window.oauthApp.session.signOut())
    await expect.poll(async () => (await keysOf(page)).map(({ thumbprint }) => thumbprint)).toEqual(['another'])
    expect(await putText(page, 1)).toBe('QuotaExceededError')
    expect(scene.uncaught).toEqual([])
  })

  test('REQ-93: another sign-in has another key; a refusal for good takes it away', async () => {
    const scene = await stageBound()
    const page = await scene.open()
    await signIn(page, scene)
    const [first] = await keysOf(page)
    await signIn(page, scene, 'grace').catch(() => {}) // the provider knows the user, and asks nothing
    await page.waitForURL(`${scene.origin}/callback`)
    await expect.poll(async () => (await keysOf(page)).map(({ thumbprint }) => thumbprint)).not.toContain(first?.thumbprint)
    expect(await keysOf(page)).toHaveLength(1)
    await scene.provider.revokeEverything()
    await page.evaluate(() => window.oauthApp.session.refresh().catch(() => {}))
    expect(await stateOf(page)).toEqual({ status: 'signed-out', reason: 'rejected' })
    await expect.poll(() => keysOf(page)).toEqual([])
  })

  test('REQ-90: a token that the API calls invalid is replaced once, and the call is sent again with it', async () => {
    const scene = await stageBound()
    const { api, provider } = scene
    const page = await scene.open()
    await signIn(page, scene)
    expect(await call(page, `${api.origin}/me`)).toBe(200)
    api.refuseOnce()
    expect(await call(page, `${api.origin}/notes`, { method: 'POST', body: 'a note' })).toBe(200)
    expect(provider.counters).toMatchObject({ refreshes: 1, granted: 1 })
    expect(api.nonceless()).toBe(1)
    const note = 'text/plain;charset=UTF-8 6 a note' // whole, and not as a stream of unknown length
    expect(api.posted).toEqual([note, note])
    expect(await call(page, `${api.origin}/notes`, { method: 'POST', body: 'a note', keepalive: true })).toBe(200)
    expect(api.posted).toEqual([note, note, note])
  })

  test('REQ-93: a silent sign-in that comes to nothing leaves no key behind, and one that succeeds has one of its own', async () => {
    const scene = await stageBound()
    const page = await scene.open()
    expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ code: 'interaction_required' })
    expect(await keysOf(page)).toEqual([])
    await signIn(page, scene)
    expect(await page.evaluate(() => window.oauthApp.silent())).toMatchObject({ subject: 'ada' })
    await expect.poll(async () => (await keysOf(page)).length).toBe(1) // the one before has gone with its session
    await page.evaluate(() => window.oauthApp.session.refresh())
    expect(await call(page, `${scene.api.origin}/me`)).toBe(200)
  })

  test('REQ-93: a sign-in that the user declines leaves no key behind', async () => {
    const scene = await stageBound()
    const page = await scene.open()
    await page.evaluate(() => void window.oauthApp.redirect())
    await page.waitForURL('**/login/**')
    await page.getByLabel('Name').evaluate((input: HTMLInputElement) => {
      input.required = false
      input.value = ' '
      input.form?.submit()
    })
    await page.waitForURL(`${scene.origin}/callback`)
    expect((await returned(page)).told).toMatchObject({ code: 'sign_in_cancelled' })
    await expect.poll(() => keysOf(page)).toEqual([])
  })

  test('REQ-93: where IndexedDB is refused the key lives in memory, and a sign-in by redirect works all the same', async () => {
    const scene = await stageBound()
    await scene.context.addInitScript(() => {
      Object.defineProperty(window, 'indexedDB', {
        get() {
          throw new DOMException('Refused.', 'SecurityError')
        },
      })
    })
    const page = await scene.open()
    const asked = page.waitForRequest(`${scene.provider.authorizationEndpoint}**`)
    expect((await signIn(page, scene)).told).toMatchObject({ subject: 'ada' })
    expect(new URL((await asked).url()).searchParams.has('dpop_jkt')).toBe(false) // the page that comes back has another key
    await page.evaluate(() => window.oauthApp.session.refresh())
    expect(await call(page, `${scene.api.origin}/me`)).toBe(200)
    expect(scene.uncaught).toEqual([])
  })
})

test('REQ-92: `prefer` is content with a provider that gives Bearer tokens', async () => {
  const web = await startApp()
  const provider = await startProvider({
    port: 0,
    redirectUris: [`${web.origin}/callback`],
    origins: [web.origin],
    accessTokenLifetime: 300,
  })
  onTestFinished(() => provider.close())
  const { issuer, clientId, authorizationEndpoint, tokenEndpoint, revocationEndpoint } = provider
  // As a provider that has never heard of DPoP describes itself.
  const metadata = {
    authorization_endpoint: authorizationEndpoint,
    token_endpoint: tokenEndpoint,
    revocation_endpoint: revocationEndpoint,
    id_token_signing_alg_values_supported: ['ES256'],
  }
  const scene = await stageOAuth(browser, web, { issuer, clientId, scope: 'openid api', dpop: 'prefer', metadata })
  const page = await scene.open()
  await signIn(page, scene)
  await page.evaluate(() => window.oauthApp.session.refresh())
  expect(await page.evaluate(() => window.oauthApp.session.signOut())).toEqual({ revoked: true })
  expect(await keysOf(page)).toEqual([])
  expect(provider.counters).toMatchObject({ granted: 1 })
})
