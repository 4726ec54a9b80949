import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { launchChromium, launchOnProfile, newProfile, removeProfile } from './chromium.ts'
import { dump, fragments } from './database.ts'
import { signIn, stage, statusOf } from './scene.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

test('what lies in IndexedDB has no fragment of a token in it, and a key that script cannot read out (REQ-05)', async () => {
  const { server, open } = await stage(browser)
  const page = await open()
  await signIn(page, server, 'ada@example.com')
  await page.evaluate(() => window.app.session.refresh())

  const { bytes, keys } = await dump(page)
  expect(bytes).toContain('latchkey:test') // the record is there
  expect(bytes.length).toBeGreaterThan(300)
  expect([...fragments(server.tokens), 'ada@example.com', 'Bearer'].filter((part) => bytes.includes(part))).toEqual([])
  expect(keys).toEqual([{ algorithm: 'AES-GCM', extractable: false, exported: false }])
})

test('each write is sealed with a vector of its own (REQ-05)', async () => {
  const { server, open } = await stage(browser)
  const page = await open()
  await signIn(page, server)
  const seen = new Set<string>()
  for (let round = 0; round < 40; round++) {
    await page.evaluate(() => window.app.session.refresh())
    for (const vector of (await dump(page)).vectors) seen.add(vector)
  }
  expect(seen.size).toBe(40)
  expect(server.refreshes).toHaveLength(40)
})

test('what lies in the files of the profile has no token in it (REQ-05)', async () => {
  const folder = await newProfile()
  onTestFinished(() => removeProfile(folder))
  const context = await launchOnProfile(folder)
  const { server, open } = await stage(context)
  const page = await open()
  await signIn(page, server)
  await page.evaluate(() => window.app.session.refresh())
  expect(await page.evaluate(() => window.app.call())).toBe(200)
  await context.close()

  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const leaks: string[] = []
  let records = 0
  for (const { name, parentPath } of files) {
    const content = await readFile(join(parentPath, name), 'latin1')
    if (parentPath.includes('IndexedDB') && content.includes('vector')) records++
    if (server.tokens.some((token) => content.includes(token.slice(8, 32)))) leaks.push(name)
  }
  expect(records).toBeGreaterThan(0)
  expect(leaks).toEqual([])
})

test.each(['vector', 'content'] as const)(
  'a record with a flipped bit in its %s counts as absent, and is written over at the next sign-in (F43, REQ-12)',
  async (part) => {
    const { server, open, uncaught } = await stage(browser)
    const page = await open()
    await signIn(page, server)
    await page.goto(`${server.origin}/blank`)
    await page.evaluate(async (which) => {
      const database = await new Promise<IDBDatabase>((resolve) => {
        const request = indexedDB.open('latchkey')
        request.onsuccess = () => resolve(request.result)
      })
      await new Promise<void>((resolve) => {
        const transaction = database.transaction('sessions', 'readwrite')
        transaction.oncomplete = () => resolve()
        const store = transaction.objectStore('sessions')
        store.get('latchkey:test').onsuccess = ({ target }) => {
          const sealed = (target as IDBRequest<{ vector: Uint8Array; content: ArrayBuffer }>).result
          const bytes = which === 'vector' ? sealed.vector : new Uint8Array(sealed.content)
          bytes[3] = (bytes[3] ?? 0) ^ 1
          store.put(sealed, 'latchkey:test')
        }
      })
      database.close()
    }, part)

    await page.goto(server.origin)
    expect(await statusOf(page)).toBe('signed-out')
    expect(await page.evaluate(() => window.app.call())).toBe('signed_out')
    expect(server.calls).toEqual([])
    expect(server.refreshes).toEqual([])

    await signIn(page, server)
    await page.reload()
    expect(await statusOf(page)).toBe('signed-in')
    expect(await page.evaluate(() => window.app.call())).toBe(200)
    expect(uncaught).toEqual([])
  },
)

test('nothing is kept in Web Storage, cookies, caches or the name of the window (REQ-05)', async () => {
  const { server, open, context } = await stage(browser)
  const page = await open()
  await signIn(page, server)
  await page.evaluate(() => window.app.session.refresh())
  expect(
    await page.evaluate(async () => ({
      local: localStorage.length,
      session: sessionStorage.length,
      cookie: document.cookie,
      caches: await caches.keys(),
      name: window.name,
      state: history.state,
      databases: (await indexedDB.databases()).map(({ name }) => name),
    })),
  ).toEqual({ local: 0, session: 0, cookie: '', caches: [], name: '', state: null, databases: ['latchkey'] })
  expect(await context.cookies()).toEqual([])
})

test('no message between tabs, and nothing else that another script can hear, carries a token (F65)', async () => {
  const { server, open, context } = await stage(browser)
  await context.addInitScript(() => {
    const heard: string[] = []
    Object.assign(window, { heard })
    const channel = new BroadcastChannel('latchkey:test')
    channel.onmessage = ({ data }) => heard.push(JSON.stringify(data))
    addEventListener('message', ({ data }) => heard.push(`window ${JSON.stringify(data)}`))
    addEventListener('storage', ({ key, newValue }) => heard.push(`storage ${key} ${newValue}`))
  })
  const page = await open()
  const listener = await open()
  await signIn(page, server)
  for (let round = 0; round < 10; round++) await page.evaluate(() => window.app.session.refresh())
  await page.evaluate(() => window.app.session.signOut())
  await expect.poll(() => listener.evaluate(() => window.app.ends.length)).toBe(1)

  const heard = await listener.evaluate(() => (window as unknown as { heard: string[] }).heard) // set above
  expect(heard.length).toBeGreaterThanOrEqual(12)
  expect(fragments(server.tokens).filter((part) => heard.some((message) => message.includes(part)))).toEqual([])
  expect(heard.map((message) => Object.keys(JSON.parse(message)).sort().join())).toEqual(heard.map(() => 'generation,missing,session'))
})
