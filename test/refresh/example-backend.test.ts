import { createServer } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { backendForFrontend } from '../../demo/backend-for-frontend.ts'
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

function moment() {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}
