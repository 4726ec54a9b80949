import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { backendForFrontend } from '../../demo/backend-for-frontend.ts'
import { tokenMediatingBackend } from '../../demo/token-mediating-backend.ts'
import { idToken } from '../oauth/scripted-provider.ts'

test('REQ-61: the example backend revokes what a renewal brings that is on its way at the sign-out', async () => {
  const revoked: string[] = []
  const renewing = moment()
  const leaving = moment()
  const answer = moment()
  const server = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const provider = {
    begin: async () => ({ url: new URL(origin), check: { state: '', nonce: '', verifier: '' } }),
    finish: async () => ({
      access_token: 'access-1',
      token_type: 'bearer' as const,
      refresh_token: 'refresh-1',
      expires_in: 0,
      id_token: idToken({ sub: 'ann' }),
    }),
    async refresh() {
      renewing.resolve()
      await answer.promise
      return { access_token: 'access-2', token_type: 'bearer' as const, refresh_token: 'refresh-2', expires_in: 300 }
    },
    revoke: async (token: string) => void revoked.push(token),
  }
  server.on('request', backendForFrontend({ origin, provider, api: origin, idle: 300 }))
  server.on('request', ({ url }) => url === '/bff/logout' && leaving.resolve()) // the backend has it by now
  let cookie = ''
  const ask = async (path: string, method = 'GET') => {
    const headers = { cookie, 'x-requested-with': 'latchkey' }
    const response = await fetch(origin + path, { method, headers, redirect: 'manual' })
    return response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  }
  cookie = await ask('/bff/login')
  cookie = await ask('/callback')

  const kept = ask('/bff/session', 'POST')
  await renewing.promise
  const out = ask('/bff/logout', 'POST')
  await leaving.promise
  answer.resolve()
  await Promise.all([kept, out])
  expect(revoked).toEqual(['refresh-2'])
})

test.each([
  { name: 'backend for frontend', make: backendForFrontend, refresh: '/bff/session', logout: '/bff/logout' },
  { name: 'token-mediating backend', make: tokenMediatingBackend, refresh: '/auth/refresh', logout: '/auth/logout' },
])(
  'REQ-62: the example of a $name: what the provider could not revoke is no success, and the next sign-out does it',
  async ({ make, refresh, logout }) => {
    const revoked: string[] = []
    let isDown = true
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise((resolve) => server.once('listening', resolve))
    const origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    const tokens = { access_token: 'access-1', token_type: 'bearer' as const, refresh_token: 'refresh-1', expires_in: 300 }
    const provider = {
      begin: async () => ({ url: new URL(origin), check: { state: '', nonce: '', verifier: '' } }),
      finish: async () => ({ ...tokens, id_token: idToken({ sub: 'ann' }) }),
      refresh: async () => tokens,
      async revoke(token: string) {
        if (isDown) throw new Error('503')
        revoked.push(token)
      },
    }
    server.on('request', make({ origin, provider, api: origin, idle: 300 }))
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
    await ask(refresh.replace(/[^/]+$/, 'login'), 'GET')
    await ask('/callback', 'GET')
    expect(await ask(refresh)).toBe(200)
    expect([await ask(logout), await ask(refresh)]).toEqual([503, 401])
    isDown = false
    expect([await ask(logout), revoked, cookies.size]).toEqual([204, ['refresh-1'], 0])
    expect(await ask(refresh)).toBe(401)
  },
)

function moment() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}
