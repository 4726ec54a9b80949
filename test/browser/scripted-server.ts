import { randomBytes } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { TokenResponse } from 'latchkey'
import { WebSocketServer } from 'ws'
import { bundle } from './bundle.ts'

/** What the server does from the next request on. */
export interface Rules {
  /** Seconds that access tokens live. */
  lifetime: number
  /** A refresh token that is presented again: `strict` revokes the family, `grace` gives the successor once more. */
  rotation: 'strict' | 'grace'
  /** ms from the rotation to the answer. */
  slowness: number
  /** One of so many requests (1: each), the first among them, fails before it has done anything: by turns with a 503 and with a broken connection. 0: none. */
  failing: number
  /** So many revocations are answered 503, with a `Retry-After` of a second. */
  refusedRevocations: number
}

/** One request to the API, or to anything else that is not the token endpoint. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly credential: 'valid' | 'expired' | 'invalid' | 'none'
  readonly status: number
}

export interface Feed {
  readonly credential: Call['credential']
  readonly isOpen: boolean
}

/** A page, an authorization server and an API on one origin, scripted by the test. */
export interface ScriptedServer {
  readonly origin: string
  readonly rules: Rules
  /** Refresh requests by outcome, in order. */
  readonly refreshes: readonly ('granted' | 'again' | 'reused' | 'refused')[]
  /** Requests that failed as `rules.failing` has it. */
  readonly failures: number
  /** Refresh tokens that were revoked. */
  readonly revocations: readonly string[]
  /** The pages and scripts that browsers have asked for. */
  readonly visits: readonly string[]
  readonly calls: readonly Call[]
  /** Sockets that were opened at `/api/feed`, by the token in their first message. */
  readonly feeds: readonly Feed[]
  /** Every token that ever left. */
  readonly tokens: readonly string[]
  /** What a login would answer. */
  grant(): TokenResponse
  /** From now on the API refuses the access tokens that are out. */
  invalidate(): void
  /** From now on nothing that is out is of any use, refresh tokens included. */
  revokeEverything(): void
  /** Lets those go on who are held up at `/api/held` and `/api/trickle`. */
  release(): void
  close(): Promise<void>
}

interface Family {
  current: string
  revoked: boolean
  readonly spent: Set<string>
}

let scripts: Promise<Readonly<Record<string, string>>> | undefined

/** The second is another build of the page's script, as two teams on one page have it. */
async function bundleScripts(): Promise<Readonly<Record<string, string>>> {
  const [app, minified, worker] = await Promise.all([
    bundle('page/app.ts'),
    bundle('page/app.ts', { minify: true }),
    bundle('page/worker.ts'),
  ])
  return { '/app.js': app, '/minified.js': minified, '/worker.js': worker }
}

/** Has the test page rendered ahead, and visits it when it is let go: Chromium renders nothing ahead for a page that a driver is attached to. */
const pageAhead = `<!doctype html><title>Ahead</title>
<script type="speculationrules">{ "prerender": [{ "source": "list", "urls": ["/?call"], "eagerness": "immediate" }] }</script>
<script>fetch('/api/held').then(() => location.assign('/?call'))</script>`

const randomToken = (kind: string): string => `${kind}.${randomBytes(24).toString('hex')}`

export async function startScriptedServer(): Promise<ScriptedServer> {
  scripts ??= bundleScripts()
  const script = await scripts
  const rules: Rules = { lifetime: 300, rotation: 'strict', slowness: 0, failing: 0, refusedRevocations: 0 }
  const refreshes: ScriptedServer['refreshes'][number][] = []
  const revocations: string[] = []
  const calls: Call[] = []
  const feeds: Feed[] = []
  const tokens: string[] = []
  const families = new Map<string, Family>()
  const access = new Map<string, { readonly until: number; readonly family: Family }>()
  let held: (() => void)[] = []
  const requests = { token: 0, api: 0 }
  let failures = 0
  const visits: string[] = []

  function issue(family: Family): TokenResponse {
    const accessToken = randomToken('access')
    access.set(accessToken, { until: Date.now() + rules.lifetime * 1000, family })
    families.set(family.current, family)
    tokens.push(accessToken, family.current)
    return { access_token: accessToken, token_type: 'Bearer', expires_in: rules.lifetime, refresh_token: family.current }
  }

  function refresh(presented: string): TokenResponse | null {
    const family = families.get(presented)
    const isSpent = family?.spent.has(presented) ?? false
    if (family && isSpent && rules.rotation === 'strict') family.revoked = true
    const granted = family && !family.revoked
    refreshes.push(granted ? (isSpent ? 'again' : 'granted') : isSpent ? 'reused' : 'refused')
    if (!granted) return null
    if (!isSpent) {
      family.spent.add(presented)
      family.current = randomToken('refresh')
    }
    return issue(family)
  }

  function credentialOf(token: string | undefined, left: number): Call['credential'] {
    if (!token) return 'none'
    const known = access.get(token)
    if (!known || known.family.revoked) return 'invalid'
    return known.until < left ? 'expired' : 'valid'
  }

  const letGo = () => new Promise<void>((resolve) => held.push(resolve))

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', 'http://any')
    const body = await buffer(request)
    // For the sandboxed frame, which has no origin.
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('access-control-allow-headers', 'authorization, content-type')
    response.setHeader('cache-control', path === '/' || path === '/blank' ? 'no-cache' : 'no-store') // no-store keeps a page from the way back
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()

    const isApi = path.startsWith('/api/')
    if (!isApi && !/^\/(token|revoke)$/.test(path)) visits.push(path)
    if (path === '/') return send(response, 'text/html', '<!doctype html><title>Latchkey test page</title><script src="/app.js"></script>')
    if (path === '/ahead') return send(response, 'text/html', pageAhead)
    if (path === '/blank') return send(response, 'text/html', '<!doctype html><title>Blank</title>')
    if (script[path]) return send(response, 'text/javascript', script[path])
    if (path === '/favicon.ico') return void response.writeHead(204).end()

    if (rules.failing) response.shouldKeepAlive = false // where an old connection breaks, Chromium itself asks again
    if (rules.failing && (isApi || path === '/token') && requests[isApi ? 'api' : 'token']++ % rules.failing === 0) {
      if (++failures % 2) return sendJson(response, 503, {})
      return void response.destroy()
    }

    if (path === '/token') {
      const granted = refresh(body.toString())
      await pause(rules.slowness)
      return sendJson(response, granted ? 200 : 400, granted ?? { error: 'invalid_grant' })
    }
    if (path === '/revoke') {
      if (rules.refusedRevocations-- > 0) return sendJson(response.setHeader('retry-after', '1'), 503, {})
      const family = families.get(body.toString())
      if (family) family.revoked = true
      revocations.push(body.toString())
      return sendJson(response, 200, {})
    }

    // A page may say when a request left (ms since 1970): a busy machine holds up what was sent in time.
    const left = Number(request.headers['x-left'] ?? Date.now())
    const credential = credentialOf(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1], left)
    const status = path === '/api/away' ? 302 : path === '/api/refuses' || (isApi && credential !== 'valid') ? 401 : 200
    const { method = '', headers } = request
    calls.push({ method, path, headers, body, credential, status })
    if (path === '/api/held') await letGo()
    if (status === 302) {
      return void response.writeHead(302, { location: searchParams.get('to') ?? '/' }).end()
    } else if (status === 401) {
      response.setHeader('www-authenticate', `Bearer${credential === 'none' ? '' : ' error="invalid_token"'}`)
    } else if (path === '/api/trickle') {
      response.writeHead(200, { 'content-type': 'text/plain' }).write('the beginning')
      await letGo()
      return void response.end(', and the end')
    }
    sendJson(response, status, { status })
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  const sockets = new WebSocketServer({ server, path: '/api/feed' }).on('connection', (socket) => {
    socket.once('message', (token) => {
      const credential = credentialOf(String(token), Date.now())
      feeds.push({
        credential,
        get isOpen() {
          return socket.readyState === socket.OPEN
        },
      })
      if (credential !== 'valid') socket.close(4401)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A server that listens on a port has an address.')

  const release = () => {
    for (const go of held) go()
    held = []
  }

  return {
    origin: `http://127.0.0.1:${address.port}`,
    rules,
    get failures() {
      return failures
    },
    refreshes,
    revocations,
    visits,
    calls,
    feeds,
    tokens,
    grant: () => issue({ current: randomToken('refresh'), revoked: false, spent: new Set() }),
    invalidate: () => access.clear(),
    revokeEverything() {
      for (const family of families.values()) family.revoked = true
    },
    release,
    close: () =>
      new Promise((resolve) => {
        release()
        for (const socket of sockets.clients) socket.terminate()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function send(response: ServerResponse, type: string, body: string): void {
  response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body)
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
