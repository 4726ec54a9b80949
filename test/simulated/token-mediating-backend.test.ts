import type { TokenResponse } from 'latchkey'
import { refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import type { Tab } from '../../src/testing/world.ts'
import { isSecret } from '../sightings.ts'
import { minutes, scene, seconds, settled, storedIn } from './scene.ts'

const origin = 'https://server.test'

/** A backend that keeps the refresh token in a cookie, and gives access tokens to the page. */
async function mediated<const Tabs extends number>(tabs: Tabs, answer: (asked: number) => Partial<TokenResponse>) {
  const refresh = refreshEndpoint(`${origin}/auth/refresh`, { refreshToken: 'cookie', logout: '/auth/logout' })
  const s = scene({ tabs, session: { attachTo: [`${origin}/api`], refresh } })
  const seen = { asked: 0, logouts: 0, credentials: [] as (string | null)[] }
  s.server.onRequest(({ url, headers }) => {
    const { pathname } = new URL(url)
    if (pathname === '/auth/logout') seen.logouts++
    if (pathname === '/auth/refresh') {
      seen.asked++
      return Response.json({ access_token: isSecret(`access-${seen.asked}`), expires_in: 300, ...answer(seen.asked) })
    }
    seen.credentials.push(headers.get('Authorization'))
    return Response.json({})
  })
  for (const { session } of s.tabs as readonly Tab[]) await settled(s, session.ready)
  return { s, seen }
}

const idTokenOf = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`

describe('F10: a cookie that has become another user’s, and brings tokens', () => {
  test('ends the session of the one before, user-changed, in every tab, and signs the other in, without telling the backend', async () => {
    let user = 'ann'
    const { s, seen } = await mediated(2, () => ({ id_token: idTokenOf({ sub: user }) }))
    const before = s.tabs[0].session.state
    expect(before).toMatchObject({ status: 'signed-in', subject: 'ann' })
    user = 'bob'
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(seconds(1))
    for (const tab of s.tabs) {
      expect(s.earOf(tab).ended).toMatchObject([{ reason: 'user-changed', subject: 'ann' }])
      expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
      expect(tab.session.state).not.toMatchObject({ sessionId: (before as { sessionId: string }).sessionId })
      await settled(s, tab.session.fetch(`${origin}/api/me`))
    }
    expect(seen.credentials).toEqual(Array(2).fill(`Bearer access-${seen.asked}`))
    expect(seen.logouts).toBe(0)
  })

  test('is told by what ID tokens call the user, whatever the app does', async () => {
    const { s } = await mediated(1, () => ({ id_token: idTokenOf({ sub: 'ann' }) }))
    const login = { access_token: isSecret('access-login'), expires_in: 300, id_token: idTokenOf({ sub: 'ann' }) }
    await settled(s, s.tabs[0].session.signIn(login, { subject: 'Ann of the sales department' }))
    const { sessionId } = s.tabs[0].session.state as { sessionId: string }
    await s.advance(minutes(30))
    expect(s.tabs[0].session.state).toMatchObject({ sessionId, subject: 'ann' })
  })
})

describe('REQ-43, REQ-44, F24: a cookie session that the server does not let last', () => {
  test.each([
    { name: 'session_expiry of the ID token', says: { id_token: idTokenOf({ sub: 'ann', iat: 2_000_000, session_expiry: 2_003_600 }) } },
    { name: 'authorization_expires_in, said once', says: { authorization_expires_in: 3_600 } },
  ])('ends in every tab at that moment, though the backend goes on answering: $name', async ({ says }) => {
    const { s, seen } = await mediated(2, (asked) => (asked === 1 || 'id_token' in says ? says : {}))
    await s.advance(minutes(59))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(seconds(70))
    for (const tab of s.tabs) {
      expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'refresh-expired' })
      expect(s.earOf(tab).expired).toHaveLength(1)
    }
    expect(storedIn(s)).toMatchObject({ status: 'ended', reason: 'refresh-expired' })
    const { asked } = seen
    expect(asked).toBeLessThan(20)
    await s.advance(minutes(60))
    expect(seen.asked).toBe(asked)
  })
})
