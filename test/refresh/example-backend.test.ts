import { createServer } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { backendForFrontend } from '../../demo/backend-for-frontend.ts'
import { type CodeFlow, codeFlow } from '../../demo/backend-parts.ts'
import { tokenMediatingBackend } from '../../demo/token-mediating-backend.ts'
import { idToken, scriptedProvider } from '../oauth/scripted-provider.ts'

describe.each([
  { name: 'backend for frontend', make: backendForFrontend, login: '/bff/login', refresh: '/bff/session', logout: '/bff/logout' },
  { name: 'token-mediating backend', make: tokenMediatingBackend, login: '/auth/login', refresh: '/auth/refresh', logout: '/auth/logout' },
])('the example of a $name', ({ make, login, refresh, logout }) => {
  /** With a provider that gives token after token, as far as `does` says nothing else, and a browser. */
  async function stage(does: Partial<CodeFlow> = {}) {
    const revoked: string[] = []
    const leaving = moment()
    let given = 0
    const tokens = () => {
      given++
      return { access_token: `access-${given}`, token_type: 'bearer' as const, refresh_token: `refresh-${given}`, expires_in: 0 }
    }
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    const provider: CodeFlow = {
      begin: async () => ({ url: new URL(origin), check: { state: 'a', nonce: 'b', verifier: 'c' } }),
      finish: async () => ({ ...tokens(), id_token: idToken({ sub: 'ann' }) }),
      refresh: async () => tokens(),
      revoke: async (token) => void revoked.push(token),
      ...does,
    }
    server.on('request', make({ origin, provider, api: origin, idle: 300 }))
    server.on('request', ({ url }) => url === logout && leaving.resolve()) // the backend has it by now
    const cookies = new Map<string, string>()
    const ask = async (path: string, method = 'POST') => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const csrf = cookies.get('csrf') ?? ''
      const headers = { cookie, 'x-requested-with': 'latchkey', 'x-csrf-token': csrf, 'sec-fetch-site': 'same-origin', origin }
      const response = await fetch(origin + path, { method, headers, redirect: 'manual' })
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
        if (value) cookies.set(name, value)
        else cookies.delete(name)
      }
      return response.status
    }
    await ask(login, 'GET')
    return { ask, cookies, revoked, leaving, tokens, comeBack: (search = '') => ask(`/callback${search}`, 'GET') }
  }

  test('REQ-61: revokes what a renewal brings that is on its way at the sign-out, and the renewal brings nobody back', async () => {
    const renewing = moment()
    const answer = moment()
    const scene = await stage({
      async refresh() {
        renewing.resolve()
        await answer.promise
        return scene.tokens()
      },
    })
    const { ask, cookies, revoked, leaving } = scene
    await scene.comeBack()
    const before = new Map(cookies)
    const kept = ask(refresh)
    await renewing.promise
    const out = ask(logout)
    await leaving.promise
    answer.resolve()
    expect(await Promise.all([out, kept])).toEqual([204, 401])
    expect([revoked, cookies.size]).toEqual([['refresh-2'], 0])
    for (const [name, value] of before) cookies.set(name, value)
    expect(await ask(refresh)).toBe(401) // a copy of the cookies from before is worth nothing, an answer that is kept for lost ones included
  })

  test('REQ-62: what the provider could not revoke is no success, and the next sign-out does it', async () => {
    const revoked: string[] = []
    let isDown = true
    const { ask, cookies, comeBack } = await stage({
      async revoke(token) {
        if (isDown) throw new Error('503')
        revoked.push(token)
      },
    })
    await comeBack()
    expect(await ask(refresh)).toBe(200)
    expect([await ask(logout), await ask(refresh)]).toEqual([503, 401])
    isDown = false
    expect([await ask(logout), revoked, cookies.size]).toEqual([204, ['refresh-2'], 0])
    expect(await ask(refresh)).toBe(401)
  })

  test('a user who declines is back on the page, and nobody is signed in', async () => {
    const { issuer } = await scriptedProvider()
    const { finish } = await codeFlow(issuer, {
      clientId: 'spa',
      clientSecret: 'a secret of a test',
      redirectUri: 'http://127.0.0.1/callback',
    })
    const { ask, cookies, comeBack } = await stage({ finish })
    const search = `?${new URLSearchParams({ error: 'access_denied', state: 'a', iss: issuer })}`
    expect([await comeBack(search), cookies.size]).toEqual([303, 0])
    expect(await ask(refresh)).toBe(401)
  })
})

function moment() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}
