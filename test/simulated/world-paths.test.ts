import type { Session } from 'latchkey'
import { backendForFrontend, refreshEndpoint } from 'latchkey/refresh'
import { createWorld, type TestServer } from 'latchkey/testing'
import { expect, onTestFinished, test } from 'vitest'

/** A tab of an app whose backend answers at paths of the page's own origin, as the options of the app say it. */
async function appWith(session: Parameters<typeof createWorld>[0], answer: (path: string, server: TestServer) => object) {
  const world = createWorld(session)
  onTestFinished(() => world.close())
  const asked: string[] = []
  world.server.onRequest(({ method, url }) => {
    asked.push(`${method} ${url.replace(world.server.origin, '')}`)
    return Response.json(answer(new URL(url).pathname, world.server))
  })
  await world.advance(1_000)
  return { world, asked, tab: world.tabs[0] as { readonly session: Session } }
}

test('a tab is a page of the scripted server: a backend for the frontend is asked at its paths, at the sign-out, too', async () => {
  const refresh = backendForFrontend({ session: '/bff/session', logout: '/bff/logout' })
  const { asked, tab } = await appWith({ session: { attachTo: ['/api'], refresh } }, () => ({ expires_in: 900, sub: 'ann' }))
  expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
  await tab.session.fetch('/api/me')
  expect(tab.session.destinationOf('/api/me')).toEqual({ url: '/api' })
  expect(await tab.session.signOut()).toEqual({ revoked: true })
  expect(asked).toEqual(['POST /bff/session', 'GET /api/me', 'POST /bff/logout'])
})

test('and so is a refresh endpoint; a logout that is relative to it', async () => {
  const refresh = refreshEndpoint('/auth/refresh', { logout: 'logout' })
  const { world, asked, tab } = await appWith({ session: { attachTo: ['/api'], refresh, keepFresh: 'on-demand' } }, (_, server) =>
    server.grant(),
  )
  await tab.session.signIn(world.server.grant())
  await world.advance(400_000)
  const call = tab.session.fetch('/api/me')
  await world.advance(1_000)
  await call
  expect(await tab.session.signOut()).toEqual({ revoked: true })
  expect(asked).toEqual(['POST /auth/refresh', 'GET /api/me', 'POST /auth/logout'])
})

test('what is not listed goes out without a token, be it a path', async () => {
  const { world, asked, tab } = await appWith({ session: { attachTo: ['/api'] } }, () => ({}))
  await tab.session.signIn(world.server.grant())
  await tab.session.fetch('/public')
  await tab.session.fetch(new URL('/elsewhere', world.server.origin))
  expect(asked).toEqual(['GET /public', 'GET /elsewhere'])
})
