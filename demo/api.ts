import type { IncomingMessage, ServerResponse } from 'node:http'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { listen } from './listen.ts'

export interface ApiOptions {
  /** `0` takes any free port. */
  readonly port: number
  readonly issuer: string
  readonly jwksUri: string
  readonly audience: string
  /** Origins whose pages may call. */
  readonly origins: readonly string[]
}

/** What a request brought along. */
export type Credential = 'valid' | 'expired' | 'invalid' | 'none'

/** One request (preflights are not counted), as the API saw it. */
export interface ApiRecord {
  readonly at: number
  readonly status: 200 | 401
  readonly credential: Credential
}

export interface ApiCounters {
  /** Requests answered 200. */
  answered: number
  /** Requests answered 401; the three below add up to this. */
  refused: number
  anonymous: number
  expired: number
  invalid: number
}

/** A resource server on an origin of its own, which believes nobody. */
export interface DemoApi {
  readonly port: number
  readonly origin: string
  readonly counters: Readonly<ApiCounters>
  readonly requestLog: readonly ApiRecord[]
  close(): Promise<void>
}

interface Judgment {
  readonly credential: Credential
  readonly subject: string | null
}

export async function startApi(options: ApiOptions): Promise<DemoApi> {
  const { audience, issuer, origins } = options
  const counters: ApiCounters = { answered: 0, refused: 0, anonymous: 0, expired: 0, invalid: 0 }
  const requestLog: ApiRecord[] = []
  const keys = createRemoteJWKSet(new URL(options.jwksUri))
  const server = await listen(options.port)

  async function judge(request: IncomingMessage): Promise<Judgment> {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (!token) return { credential: 'none', subject: null }
    try {
      // `iat` and `exp` are whole seconds, so a token may live up to one second shorter than its `expires_in` says.
      const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt', clockTolerance: 1 })
      return { credential: 'valid', subject: payload.sub ?? null }
    } catch (error) {
      return { credential: error instanceof errors.JWTExpired ? 'expired' : 'invalid', subject: null }
    }
  }

  function count({ credential }: Judgment): void {
    const status = credential === 'valid' ? 200 : 401
    requestLog.push({ at: Date.now(), status, credential })
    counters[status === 200 ? 'answered' : 'refused'] += 1
    if (credential === 'none') counters.anonymous += 1
    if (credential === 'expired' || credential === 'invalid') counters[credential] += 1
  }

  server.serve(async (request, response) => {
    allowOrigin(request, response, origins)
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()

    const judgment = await judge(request)
    count(judgment)
    if (judgment.credential !== 'valid') return refuse(response, judgment.credential)
    answerJson(response, 200, { hello: judgment.subject, path: request.url, answered: counters.answered })
  })

  return { port: server.port, origin: server.origin, counters, requestLog, close: server.close }
}

function allowOrigin(request: IncomingMessage, response: ServerResponse, origins: readonly string[]): void {
  const { origin } = request.headers
  response.setHeader('vary', 'origin')
  if (!origin || !origins.includes(origin)) return
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('access-control-allow-headers', 'authorization, content-type')
  response.setHeader('access-control-allow-methods', 'GET, POST, PUT, PATCH, DELETE')
  response.setHeader('access-control-expose-headers', 'WWW-Authenticate')
  response.setHeader('access-control-max-age', '600')
}

/** RFC 6750 §3.1: whoever brought no token is told the scheme and no error. */
function refuse(response: ServerResponse, credential: Exclude<Credential, 'valid'>): void {
  const error = credential === 'none' ? '' : ` error="invalid_token", error_description="the access token is ${credential}"`
  response.setHeader('www-authenticate', `Bearer${error}`)
  answerJson(response, 401, { error: credential === 'none' ? 'no token' : 'invalid_token' })
}

function answerJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
}
