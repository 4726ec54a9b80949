import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { answerJson, type CodeFlow, cookie, isInvalidGrant, isOurPage, redirect, signInCookie } from './backend-parts.ts'

export interface TokenMediatingBackendOptions {
  /** Of the page and of this backend: one and the same. */
  readonly origin: string
  readonly provider: CodeFlow
}

/** What the session cookie says, sealed. */
interface Session {
  readonly refreshToken: string
  readonly csrf: string
  /** Signed out, and not yet revoked: good for another sign-out. */
  readonly isOver?: true
}

type Tokens = Awaited<ReturnType<CodeFlow['refresh']>>

/** How long a spent refresh token gets its answer once more, in ms: what is lost on the way is asked for again at once. */
const grace = 30_000

/**
 * A token-mediating backend (RFC 10017 §6.2): it keeps the refresh token in a sealed HttpOnly cookie and gives the page access tokens, with
 * which it calls APIs itself. It remembers nothing but the last answers and sign-outs. In the page:
 * `refreshEndpoint('/auth/refresh', { refreshToken: 'cookie', logout: '/auth/logout', csrf: { header: 'X-CSRF-Token', cookie: 'csrf' } })`.
 */
export function tokenMediatingBackend({ origin, provider }: TokenMediatingBackendOptions): RequestListener {
  const key = randomBytes(32)
  const pending = new Map<string, Awaited<ReturnType<CodeFlow['begin']>>['check']>()
  const answers = new Map<string, Promise<Tokens>>()
  const over = new Set<string>() // sessions by their CSRF value, for as long as their last answers are kept
  const sessionCookie = cookie(origin, 'refresh')
  const csrfCookie = cookie(origin, 'csrf', 'SameSite=Strict') // which the page reads, and sends back in a header: a signed double submit
  const signIn = signInCookie(origin)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin)

    if (url.pathname === '/auth/login') {
      const { url: there, check } = await provider.begin()
      const begun = randomBytes(32).toString('base64url')
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
      const { refresh_token: refreshToken = '' } = tokens
      const csrf = randomBytes(32).toString('base64url') // new with each sign-in, as is the cookie: nothing from before goes on
      return redirect(response, '/', [sessionCookie.set(seal({ refreshToken, csrf })), csrfCookie.set(csrf), signIn.clear])
    }

    const session = unseal(sessionCookie.read(request) ?? '')
    const gone = [sessionCookie.clear, csrfCookie.clear]
    if (request.method !== 'POST') return answerJson(response, 404, { error: 'nothing here' })
    if (!session) return answerJson(response, 401, { error: 'no session' }, gone)
    if (request.headers['x-csrf-token'] !== session.csrf || !isOurPage(request)) return answerJson(response, 403, { error: 'csrf' })

    if (url.pathname === '/auth/logout') {
      over.add(session.csrf)
      setTimeout(() => over.delete(session.csrf), grace).unref()
      const refreshToken = await lastOf(session.refreshToken)
      const isRevoked = await provider.revoke(refreshToken).then(
        () => true,
        () => false,
      )
      const kept = [sessionCookie.set(seal({ ...session, refreshToken, isOver: true }))]
      return void response.writeHead(isRevoked ? 204 : 503, { 'set-cookie': isRevoked ? gone : kept }).end()
    }
    if (session.isOver || over.has(session.csrf)) return answerJson(response, 401, { error: 'signed out' })
    if (url.pathname !== '/auth/refresh') return answerJson(response, 404, { error: 'nothing here' })
    try {
      const tokens = await refreshed(session.refreshToken)
      if (over.has(session.csrf)) return answerJson(response, 401, { error: 'signed out' }) // while the provider was asked
      const { access_token, token_type, expires_in, id_token, refresh_token: refreshToken = session.refreshToken } = tokens
      answerJson(response, 200, { access_token, token_type, expires_in, id_token }, [sessionCookie.set(seal({ ...session, refreshToken }))])
    } catch (error) {
      if (!isInvalidGrant(error)) throw error
      answerJson(response, 401, { error: 'invalid_grant' }, gone)
    }
  }

  /** Once for all who present the same token: the provider takes it once, and an answer that was lost is given again. */
  function refreshed(refreshToken: string): Promise<Tokens> {
    const known = answers.get(refreshToken)
    if (known) return known
    const asked = provider.refresh(refreshToken)
    answers.set(refreshToken, asked)
    asked.catch(() => answers.delete(refreshToken))
    setTimeout(() => answers.delete(refreshToken), grace).unref()
    return asked
  }

  /** What the provider has given for it meanwhile: that is what is good, and to be revoked. */
  async function lastOf(refreshToken: string): Promise<string> {
    const next = (await answers.get(refreshToken)?.catch(() => null))?.refresh_token
    return next && next !== refreshToken ? lastOf(next) : refreshToken
  }

  /** AES-256-GCM: whoever finds the cookie, on a disk or in a log, has no refresh token. */
  function seal(session: Session): string {
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    return Buffer.concat([iv, cipher.update(JSON.stringify(session)), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  function unseal(sealed: string): Session | null {
    const bytes = Buffer.from(sealed, 'base64url')
    try {
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 }).setAuthTag(bytes.subarray(-16))
      return JSON.parse(Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString()) // only what `seal` made opens
    } catch {
      return null
    }
  }

  return (request, response) => {
    answer(request, response).catch(() => {
      if (!response.headersSent) answerJson(response, 503, { error: 'the provider does not answer' })
    })
  }
}
