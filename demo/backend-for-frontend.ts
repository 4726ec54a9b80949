import { randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { answerJson, type CodeFlow, cookie, isInvalidGrant, isOurPage, redirect, signInCookie } from './backend-parts.ts'

export interface BackendForFrontendOptions {
  /** Of the page and of this backend: one and the same. */
  readonly origin: string
  readonly provider: CodeFlow
  /** Origin of the API that `/api/…` stands for. */
  readonly api: string
  /** Seconds that a session lasts after the last `POST /bff/session`. */
  readonly idle: number
}

/** What the browser gets none of. */
interface Session {
  readonly subject: string
  refreshToken: string
  accessToken: string
  renewAt: number
  endsAt: number
  /** One at a time: the provider takes each refresh token once. */
  renewing: Promise<void> | null
  ending: Promise<boolean> | null
}

/** How much longer than it says a session lasts, in seconds: who comes at the last moment, or after a short sleep, is not too late. */
const grace = 60

/**
 * A backend for frontend (RFC 10017 §6.1): it holds the tokens, the browser a cookie that says nothing, and API calls go through here. In the
 * page: `backendForFrontend({ session: '/bff/session', logout: '/bff/logout' })`.
 */
export function backendForFrontend({ origin, provider, api, idle }: BackendForFrontendOptions): RequestListener {
  const sessions = new Map<string, Session>() // a database, in life
  const pending = new Map<string, Awaited<ReturnType<CodeFlow['begin']>>['check']>()
  const sessionCookie = cookie(origin, 'session')
  const signIn = signInCookie(origin)
  const newEnd = () => Date.now() + (idle + grace) * 1000
  const newId = () => randomBytes(32).toString('base64url')

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin)
    const id = sessionCookie.read(request) ?? ''

    if (url.pathname === '/bff/login') {
      const { url: there, check } = await provider.begin()
      const begun = newId()
      pending.set(begun, check)
      return redirect(response, there, [signIn.set(begun, 600)])
    }
    if (url.pathname === '/callback') {
      const begun = signIn.read(request) ?? ''
      const check = pending.get(begun)
      pending.delete(begun)
      if (!check) return answerJson(response, 400, { error: 'not begun in this browser' })
      const tokens = await provider.finish(url, check)
      if (!tokens) return redirect(response, '/', [signIn.clear])
      await end(id)
      const fresh = newId() // never an id that the browser had before: somebody else may know it (session fixation)
      sessions.set(fresh, sessionOf(tokens))
      return redirect(response, '/', [sessionCookie.set(fresh), signIn.clear])
    }

    // Everything below acts on the cookie alone, so another site must not be able to cause it: GET included (RFC 10017 §6.1.3.3.2, REQ-78).
    if (request.headers['x-requested-with'] !== 'latchkey' || !isOurPage(request)) return answerJson(response, 403, { error: 'csrf' })

    if (url.pathname === '/bff/logout' && request.method === 'POST') {
      return void ((await end(id)) ? response.writeHead(204, { 'set-cookie': sessionCookie.clear }) : response.writeHead(503)).end()
    }
    const session = sessions.get(id)
    if (!session || session.endsAt <= Date.now() || !(await renewed(session))) {
      const isRevoked = await end(id)
      return answerJson(response, 401, { error: 'no session' }, isRevoked ? [sessionCookie.clear] : [])
    }
    if (url.pathname === '/bff/session' && request.method === 'POST') {
      session.endsAt = newEnd()
      return answerJson(response, 200, { expires_in: idle, sub: session.subject })
    }
    if (url.pathname.startsWith('/api/')) return pass(request, response, session.accessToken, url.pathname + url.search)
    answerJson(response, 404, { error: 'nothing here' })
  }

  function sessionOf(tokens: NonNullable<Awaited<ReturnType<CodeFlow['finish']>>>): Session {
    const claims = JSON.parse(Buffer.from(tokens.id_token?.split('.')[1] ?? '', 'base64url').toString()) // validated by `finish`
    const times = { renewAt: renewalOf(tokens), endsAt: newEnd() }
    const kept = { refreshToken: tokens.refresh_token ?? '', accessToken: tokens.access_token }
    return { subject: claims.sub, ...kept, ...times, renewing: null, ending: null }
  }

  /** Has a good access token now; `false`: the session has ended. Rejects if the provider cannot say. */
  async function renewed(session: Session): Promise<boolean> {
    if (Date.now() < session.renewAt) return true
    session.renewing ??= provider
      .refresh(session.refreshToken)
      .then((tokens) => {
        session.accessToken = tokens.access_token
        session.refreshToken = tokens.refresh_token ?? session.refreshToken
        session.renewAt = renewalOf(tokens)
      })
      .finally(() => (session.renewing = null))
    return session.renewing.then(
      () => Date.now() < session.endsAt, // and not signed out meanwhile
      (error) => {
        if (isInvalidGrant(error)) return false
        throw error
      },
    )
  }

  /** Over here, whatever the provider says. `false`: what it has is still good there; session and cookie are kept for whoever says so again. */
  async function end(id: string): Promise<boolean> {
    const session = sessions.get(id)
    if (!session) return true
    session.endsAt = 0
    session.ending ??= revoked(session).finally(() => (session.ending = null))
    const isRevoked = await session.ending
    if (isRevoked) sessions.delete(id)
    return isRevoked
  }

  async function revoked(session: Session): Promise<boolean> {
    await session.renewing?.catch(() => {}) // what it brings is revoked, not what it has spent
    return provider.revoke(session.refreshToken).then(
      () => true,
      () => false,
    )
  }

  /** The cookie stays here, the token goes on. */
  async function pass(request: IncomingMessage, response: ServerResponse, accessToken: string, path: string): Promise<void> {
    const { method = 'GET', headers } = request
    const body = method === 'GET' || method === 'HEAD' ? null : new Uint8Array(await buffer(request))
    const answered = await fetch(api + path, {
      method,
      body,
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': headers['content-type'] ?? 'application/json' },
      redirect: 'manual',
    })
    response.writeHead(answered.status, {
      'content-type': answered.headers.get('content-type') ?? 'text/plain',
      'cache-control': 'no-store',
    })
    response.end(await answered.bytes())
  }

  return (request, response) => {
    answer(request, response).catch(() => {
      if (!response.headersSent) answerJson(response, 503, { error: 'the provider or the API does not answer' })
    })
  }
}

/** A fifth of its life ahead. */
const renewalOf = ({ expires_in: seconds = 300 }: { readonly expires_in?: number }): number => Date.now() + seconds * 800
