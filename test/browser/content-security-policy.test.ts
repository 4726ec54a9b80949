import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { listen } from '../../demo/listen.ts'
import { startProvider } from '../../demo/provider.ts'
import { bundle } from './bundle.ts'
import { launchChromium } from './chromium.ts'
import type {} from './page/strict.ts'

let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
})
afterAll(() => browser?.close())

const guide = readFileSync(new URL('../../docs/content-security-policy.md', import.meta.url), 'utf8')

/** As the guide has it, with the origins of this test in the place of its own. */
const recommended = /^Content-Security-Policy: (.+)$/m.exec(guide)?.[1] ?? ''

/** An API with a vault for users who have shown lately who they are, and a socket beside it. */
async function startApi(allowed: string) {
  let strangers = 1
  const server = createServer(({ method, url, headers }, response) => {
    response.setHeader('access-control-allow-origin', allowed).setHeader('access-control-allow-headers', 'authorization, dpop')
    response.setHeader('access-control-expose-headers', 'www-authenticate')
    if (method === 'OPTIONS') return void response.writeHead(204).end()
    const scheme = headers.dpop ? 'DPoP' : 'Bearer'
    const isDemanding = url === '/vault' && strangers-- > 0
    if (isDemanding) response.setHeader('www-authenticate', `${scheme} error="insufficient_user_authentication", max_age="300"`)
    response.writeHead(!isDemanding && headers.authorization?.startsWith(scheme) ? 200 : 401).end()
  })
  const sockets = new WebSocketServer({ server })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}` // it listens on a port
}

/** An app under the policy that `strictly` makes of the recommended one, and everything that the browser has refused it. */
async function stage(strictly: (policy: string) => string = (policy) => policy, { isBound = false } = {}) {
  const web = await listen(0)
  onTestFinished(() => web.close())
  const provider = await startProvider({
    port: 0,
    redirectUris: [`${web.origin}/callback`],
    origins: [web.origin],
    accessTokenLifetime: 300,
    demandsDpop: isBound,
  })
  onTestFinished(() => provider.close())
  const api = await startApi(web.origin)
  const config = {
    issuer: provider.issuer,
    clientId: provider.clientId,
    api: `http://${api}`,
    socket: `ws://${api}`,
    ...(isBound && { dpop: 'required' }),
  }
  const origins = {
    'https://api.example.com': config.api,
    'wss://live.example.com': config.socket,
    'https://login.example.com': config.issuer,
  }
  const policy = Object.entries(origins).reduce((all, [from, to]) => all.replaceAll(from, to), strictly(recommended))
  const script = `window.strictConfig = ${JSON.stringify(config)};${await bundle('page/strict.ts')}`
  const reports: string[] = []
  web.serve(async (request, response) => {
    if (request.url === '/reports') {
      const { 'csp-report': report } = JSON.parse(await text(request))
      reports.push(report['effective-directive'])
      return void response.writeHead(204).end()
    }
    if (request.url === '/app.js') return void response.writeHead(200, { 'content-type': 'text/javascript' }).end(script)
    if (request.url === '/favicon.ico') return void response.writeHead(204).end()
    response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': `${policy}; report-uri /reports` })
    response.end('<!doctype html><title>App</title><body><button>Sign in</button><script src="/app.js"></script>')
  })

  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const violations: string[] = []
  const uncaught: string[] = []
  context.on('weberror', (report) => uncaught.push(String(report.error())))
  context.on('console', (message) => {
    const [, directive] = /^violation of (.+)$/.exec(message.text()) ?? []
    if (directive) violations.push(directive)
  })
  // Before any script of the page, in every frame and window.
  await context.addInitScript(() =>
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => console.log(`violation of ${effectiveDirective}`)),
  )
  return {
    context,
    provider,
    origin: web.origin,
    violations,
    reports,
    uncaught,
    async open() {
      const page = await context.newPage()
      await page.goto(web.origin)
      return page
    },
  }
}

async function logIn(page: Page): Promise<void> {
  await page.waitForURL('**/login/**')
  await page.getByLabel('Name').fill('ada')
  await page.getByLabel('Name').press('Enter')
}

async function signIn(page: Page, origin: string): Promise<void> {
  await page.evaluate(() => window.strict.redirect())
  await logIn(page)
  await page.waitForURL(`${origin}/callback`)
  await page.evaluate(() => window.strict.returned)
}

/** The provider's sign-out page, of one that has nothing to ask. What it is sent is noted. */
async function comesBackAtOnce(context: BrowserContext, origin: string): Promise<readonly (string | null)[]> {
  const forms: (string | null)[] = []
  await context.route('**/session/end', (route) => {
    forms.push(route.request().postData())
    return route.fulfill({ status: 303, headers: { location: `${origin}/bye` } })
  })
  return forms
}

const leave = (page: Page, origin: string) =>
  page.evaluate((to) => window.strict.session.signOut().then(() => window.strict.logout(to)), `${origin}/bye`)

const statusOf = (page: Page) => page.evaluate(() => window.strict.session.ready.then(() => window.strict.session.state.status))

test('REQ-15: is as strict as can be: nothing by default, no wildcard, nothing unsafe, every script type trusted', () => {
  expect(recommended).toMatch(/^default-src 'none'; /)
  expect(recommended).toMatch(/; require-trusted-types-for 'script'; trusted-types 'none'$/)
  expect(recommended).not.toMatch(/\*|unsafe|https?:(?!\/\/)|data:|blob:/)
  for (const [, part = ''] of recommended.matchAll(/(?:^|; )(.+?)(?=;|$)/g)) {
    const [directive = '', ...sources] = part.split(' ')
    for (const source of sources)
      expect(guide, `${directive} ${source} is explained`).toMatch(new RegExp(`${directive}[^|]*${source}.*\\|`))
  }
})

test('REQ-15: under it a session signs in, in all three ways, is used, refreshed, shared and signed out, and nothing is refused', async () => {
  const { context, provider, origin, violations, reports, uncaught, open } = await stage()
  const page = await open()
  await signIn(page, origin)
  expect(await statusOf(page)).toBe('signed-in')
  expect(await page.evaluate(() => window.strict.call())).toBe(200)
  await expect.poll(() => page.evaluate(() => window.strict.connected())).toBeGreaterThan(0)
  await page.mouse.click(5, 5) // a user who is there, as limits see it
  await page.evaluate(() => window.strict.session.refresh())
  expect(provider.counters).toMatchObject({ granted: 1, reused: 0 })

  const second = await open()
  expect(await statusOf(second)).toBe('signed-in')
  expect(await second.evaluate(() => window.strict.call())).toBe(200)
  expect(await second.evaluate(() => window.strict.silent())).toBe('signed in')
  expect(await second.evaluate(() => window.strict.session.signOut())).toEqual({ revoked: true })
  await expect.poll(() => statusOf(page)).toBe('signed-out')

  const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button').click()])
  await expect.poll(() => statusOf(page)).toBe('signed-in')
  await expect.poll(() => popup.isClosed()).toBe(true)
  expect(await page.evaluate(() => window.strict.session.signOut())).toEqual({ revoked: true })

  const forms = await comesBackAtOnce(context, origin)
  await leave(page, origin)
  await page.waitForURL(`${origin}/bye`)
  expect(forms).toEqual([expect.stringContaining('id_token_hint=')])
  expect([violations, reports, uncaught]).toEqual([[], [], []])

  // And both counters count.
  await page.evaluate(() => {
    try {
      document.createElement('script').setAttribute('src', 'data:,')
    } catch {
      // That is what Trusted Types are for.
    }
    fetch('https://elsewhere.example.com/').catch(() => {})
  })
  await expect.poll(() => [...violations].sort()).toEqual(['connect-src', 'require-trusted-types-for'])
  await expect.poll(() => [...reports].sort()).toEqual(['connect-src', 'require-trusted-types-for'])
})

test('REQ-15: nor where tokens are bound to a key, an API demands a step-up, and a limit ends the session', async () => {
  const { provider, origin, violations, reports, uncaught, open } = await stage(undefined, { isBound: true })
  const page = await open()
  await signIn(page, origin)
  expect(await page.evaluate(() => window.strict.call())).toBe(200)
  await page.evaluate(() => window.strict.session.refresh())
  const call = page.evaluate(() => window.strict.call('/vault'))
  await expect.poll(() => page.evaluate(() => window.strict.isDemanded())).toBe(true)
  await page.getByRole('button').click()
  expect(await call).toBe(200)
  expect(provider.counters).toMatchObject({ signIns: 2, granted: 1, reused: 0 })

  await page.goto(`${origin}/kiosk`)
  await expect.poll(() => page.evaluate(() => window.strict.session.state)).toEqual({ status: 'signed-out', reason: 'idle' })
  await expect.poll(() => provider.counters.revocations).toBeGreaterThanOrEqual(2)
  expect([violations, reports, uncaught]).toEqual([[], [], []])
})

test.each([
  { directive: 'connect-src', without: 'https://api.example.com', run: (page: Page) => page.evaluate(() => window.strict.call()) },
  { directive: 'connect-src', without: 'wss://live.example.com', run: () => {} },
  {
    directive: 'frame-src',
    without: "frame-src 'self' https://login.example.com; ",
    run: (page: Page) => page.evaluate(() => void window.strict.silent()),
  },
  {
    directive: 'frame-src',
    without: "'self' https://login.example.com; frame-ancestors",
    instead: 'https://login.example.com; frame-ancestors',
    run: (page: Page) => page.evaluate(() => void window.strict.silent()),
  },
  {
    directive: 'form-action',
    without: "form-action 'self' https://login.example.com",
    instead: "form-action 'none'",
    run: leave,
  },
  { directive: 'form-action', without: "form-action 'self' ", instead: 'form-action ', run: leave },
])('nothing in it can be left out: $without', async ({ directive, without, instead = '', run }) => {
  const { context, origin, violations, open } = await stage((policy) => {
    expect(policy).toContain(without)
    return policy.replace(without, instead)
  })
  const page = await open()
  await signIn(page, origin)
  await comesBackAtOnce(context, origin)
  await run(page, origin)
  await expect.poll(() => violations).toContain(directive)
})
