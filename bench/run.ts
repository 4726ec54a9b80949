// npm run bench
// Ratios are taken within one run, in a real Chromium. Nothing is asserted.

import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { ensureChromium } from '../scripts/ensure-browser.ts'
import { startScriptedServer } from '../test/browser/scripted-server.ts'
import type { CallCosts } from './page/calls.ts'
import type { Start } from './page/report.ts'

const loads = 60
const ways = ['latchkey', 'indexeddb', 'indexeddb-padded', 'localstorage'] as const
type Way = (typeof ways)[number]
const tabs = 10
const expiries = 10

const server = await startPages()
const browser = await chromium.launch({ executablePath: await ensureChromium(), args: ['--no-sandbox', '--disable-gpu', '--no-first-run'] })
console.log(`Chromium ${browser.version()}, Node ${process.version}\n`)
try {
  await benchCalls(browser)
  await benchStarts(browser)
  await benchTabs(browser)
} finally {
  await browser.close()
  server.close()
}

/** What a request with a fresh token costs in the caller's tick and the promises after it. */
async function benchCalls(on: Browser): Promise<void> {
  const page = await on.newPage()
  await page.goto(`${server.origin}/calls`)
  const { batches, calls, isolated } = await page.evaluate(() => (window as unknown as { measure: () => Promise<CallCosts> }).measure()) // set by the page
  await page.close()

  const cost = (name: string) => median(batches[name] ?? [])
  const row = (name: string, base?: string) => ({
    'median µs': round(cost(name), 3),
    'middle half': spread(batches[name] ?? [], 3),
    ...(base && { 'added µs': round(cost(name) - cost(base), 3), ratio: round(cost(name) / cost(base), 2), 'compared with': base }),
  })
  console.log(
    `One call, awaited: ${calls} of each in interleaved batches${isolated ? '' : ' (the page is not isolated: clocks are coarse)'}`,
  )
  console.table({
    'fetch stub': row('fetch stub'),
    'session.fetch': row('session.fetch', 'fetch stub'),
    'session.fetch, init with headers': row('session.fetch, init with headers', 'fetch stub, init with headers'),
    'session.getToken': row('session.getToken', 'await of a promise'),
    'for scale: token from localStorage, then stub': row('fetch stub, token from localStorage', 'fetch stub'),
    'for scale: localStorage.getItem': row('localStorage.getItem'),
    'for scale: performance.now, asked once in a millisecond': row('performance.now'),
    'for scale: new Request': row('new Request'),
    'for scale: new AbortController': row('new AbortController'),
  })
}

/** From the navigation to the first authenticated request, in one tab, in turns. */
async function benchStarts(on: Browser): Promise<void> {
  const context = await on.newContext()
  const page = await context.newPage()
  for (const way of ways) {
    await page.goto(`${server.origin}/start-${way}`)
    await page.evaluate((token) => (window as unknown as { signIn: (token: string) => unknown }).signIn(token), 'x'.repeat(800)) // set by the page
  }

  const found: Record<Way, Start[]> = { latchkey: [], indexeddb: [], 'indexeddb-padded': [], localstorage: [] }
  for (let load = -5; load < loads; load++) {
    for (let turn = 0; turn < ways.length; turn++) {
      const way = ways[(turn + load + 5) % ways.length] ?? 'latchkey'
      await page.goto(`${server.origin}/start-${way}`)
      const start = await startIn(page)
      if (load >= 0) found[way].push(start)
    }
  }
  await page.close()

  const times = (way: Way, from: keyof Start) => found[way].map((start) => start[from])
  /** Each load is compared with the one beside it: what else the machine does then slows down both. */
  const ratio = (way: Way, from: keyof Start) => {
    const base = times('indexeddb', from)
    return round(median(times(way, from).map((time, load) => time / (base[load] ?? Number.NaN))), 2)
  }
  const row = (way: Way) => ({
    'from navigation, ms': round(median(times(way, 'fromNavigation')), 1),
    'middle half': spread(times(way, 'fromNavigation'), 1),
    ratio: ratio(way, 'fromNavigation'),
    'from script, ms': round(median(times(way, 'fromScript')), 1),
    'middle half ': spread(times(way, 'fromScript'), 1),
    'ratio ': ratio(way, 'fromScript'),
  })
  console.log(`\nCold start to the first authenticated request: ${loads} loads of each, in turns; ratios to IndexedDB by hand`)
  console.table({
    'latchkey, stored session': row('latchkey'),
    'IndexedDB by hand': row('indexeddb'),
    'the same, in a script as large as latchkey': row('indexeddb-padded'),
    localStorage: row('localstorage'),
  })
  const { opens, transactions } = await countDatabaseUse(context)
  console.log(`Before the first request, IndexedDB opens: ${opens}; transactions: ${transactions}.`)
  await context.close()
}

async function startIn(page: Page): Promise<Start> {
  const handle = await page.waitForFunction(() => (window as unknown as { start?: Start }).start) // set by the page
  return (await handle.jsonValue()) as Start // waited for
}

async function countDatabaseUse(context: BrowserContext): Promise<{ readonly opens: number; readonly transactions: number }> {
  const page = await context.newPage()
  await page.addInitScript(() => {
    const counted = { opens: 0, transactions: 0 }
    const { open } = IDBFactory.prototype
    const { transaction } = IDBDatabase.prototype
    IDBFactory.prototype.open = function (...args) {
      counted.opens++
      return open.apply(this, args)
    }
    IDBDatabase.prototype.transaction = function (...args) {
      counted.transactions++
      return transaction.apply(this, args)
    }
    const { fetch } = window
    window.fetch = (...args) => {
      Object.assign(window, {
        countedBeforeFetch: (window as unknown as { countedBeforeFetch?: object }).countedBeforeFetch ?? { ...counted },
      })
      return fetch(...args)
    }
  })
  await page.goto(`${server.origin}/start-latchkey`)
  await startIn(page)
  const counted = await page.evaluate(
    () => (window as unknown as { countedBeforeFetch: { opens: number; transactions: number } }).countedBeforeFetch,
  )
  await page.close()
  return counted
}

/** Tabs that call all the time, over many expiries. */
async function benchTabs(on: Browser): Promise<void> {
  const scripted = await startScriptedServer()
  scripted.rules.lifetime = 2
  const context = await on.newContext()
  const pages = await Promise.all(Array.from({ length: tabs }, () => context.newPage()))
  await Promise.all(pages.map((page) => page.goto(scripted.origin)))
  await pages[0]?.evaluate((tokens) => window.app.session.signIn(tokens), scripted.grant())
  for (const page of pages) await page.waitForFunction(() => window.app.session.state.status === 'signed-in')
  const calling = pages.map((page) =>
    page.evaluate(async () => {
      const refused: (string | number)[] = []
      while (document.title !== 'enough') {
        const came = await window.app.call()
        if (came !== 200) refused.push(came)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      return refused
    }),
  )
  while (scripted.refreshes.length < expiries) await new Promise((resolve) => setTimeout(resolve, 20))
  await new Promise((resolve) => setTimeout(resolve, 500)) // a second refresh of the same expiry would come now
  const refreshes = scripted.refreshes.length
  for (const page of pages) await page.evaluate(() => (document.title = 'enough'))
  const refused = (await Promise.all(calling)).flat()
  console.log(`\n${tabs} tabs, ${expiries} expiries`)
  console.table({
    'refresh requests per expiry': refreshes / expiries,
    'refresh tokens presented twice': scripted.refreshes.filter((outcome) => outcome !== 'granted').length,
    'API calls': scripted.calls.length,
    'API calls not answered 200': scripted.calls.filter(({ status }) => status !== 200).length + refused.length,
  })
  await context.close()
  await scripted.close()
}

interface Pages {
  readonly origin: string
  close(): void
}

/** The pages of this benchmark: each is a few bytes of HTML and one minified script. */
async function startPages(): Promise<Pages> {
  const entries = ['calls', 'start-latchkey', 'start-indexeddb', 'start-localstorage']
  const scripts = new Map<string, string>()
  for (const entry of entries) scripts.set(`/${entry}.js`, await bundle(`page/${entry}.ts`))
  // What the mere size of a script costs: the library is there, and never called.
  scripts.set('/start-indexeddb-padded.js', `function never(){${scripts.get('/start-latchkey.js')}}${scripts.get('/start-indexeddb.js')}`)
  const http = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://any').pathname
    const script = scripts.get(path)
    // Isolated from other origins, a page has a clock of 5 µs instead of 100 µs.
    response.setHeader('cross-origin-opener-policy', 'same-origin')
    response.setHeader('cross-origin-embedder-policy', 'require-corp')
    response.setHeader('content-type', script === undefined ? 'text/html; charset=utf-8' : 'text/javascript; charset=utf-8')
    response.end(script ?? `<!doctype html><title>Bench</title><link rel="icon" href="data:,"><script src="${path}.js"></script>`)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const address = http.address()
  if (address === null || typeof address === 'string') throw new Error('A server that listens on a port has an address.')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close() {
      http.close()
      http.closeAllConnections()
    },
  }
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)),
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    platform: 'browser',
    write: false,
  })
  return outputFiles.map(({ text }) => text).join('')
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function median(values: readonly number[]): number {
  return (quantile(values, 0.5) + quantile(values, values.length % 2 ? 0.5 : 0.5 - 1 / values.length)) / 2
}

function spread(values: readonly number[], digits: number): string {
  return `${quantile(values, 0.25).toFixed(digits)} to ${quantile(values, 0.75).toFixed(digits)}`
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
