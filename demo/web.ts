import { readFile } from 'node:fs/promises'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import type { PageBundle } from './bundle.ts'
import type { Control } from './control.ts'
import type { DemoConfig } from './wire.ts'

export interface WebOptions {
  readonly origin: string
  readonly config: DemoConfig
  readonly bundle: PageBundle
  readonly control: Control
}

type Answer = readonly [type: string, body: string]

/** Serves the page, its configuration and its knobs. */
export function webPages({ origin, config, bundle, control }: WebOptions): RequestListener {
  const headers = {
    'content-security-policy': contentSecurityPolicy(config),
    'referrer-policy': 'no-referrer', // the address of a return from sign-in has the code in it
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
  }
  const asJson = (value: unknown): Answer => ['application/json', JSON.stringify(value)]

  async function find(request: IncomingMessage): Promise<Answer | number> {
    const path = new URL(request.url ?? '/', origin).pathname
    if (request.method === 'POST') {
      if (path !== '/control') return 404
      if (request.headers.origin !== origin) return 403
      return (await control.obey(await json(request))) ? asJson(control.report()) : 400
    }
    switch (path) {
      case '/':
      case '/callback':
        return ['text/html', await page('index.html')]
      case '/style.css':
        return ['text/css', bundle.style]
      case '/favicon.svg':
        return ['image/svg+xml', await page('favicon.svg')]
      case '/main.js':
        return ['text/javascript', bundle.script]
      case '/config.json':
        return asJson(config)
      case '/control':
        return asJson(control.report())
      default:
        return 404
    }
  }

  function send(response: ServerResponse, found: Answer | number): void {
    if (typeof found === 'number') return void response.writeHead(found, headers).end()
    const [type, body] = found
    response.writeHead(200, { ...headers, 'content-type': `${type}; charset=utf-8` }).end(body)
  }

  return (request, response) => {
    // `localhost` is this machine, too, but another origin: no session, and nothing that the provider would answer.
    if (request.headers.host !== new URL(origin).host) return void response.writeHead(307, { location: origin }).end()
    find(request).then(
      (found) => send(response, found),
      () => send(response, 400),
    )
  }
}

function contentSecurityPolicy({ api, issuer }: DemoConfig): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${issuer} ${api}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ')
}

function page(name: string): Promise<string> {
  return readFile(new URL(`page/${name}`, import.meta.url), 'utf8')
}
