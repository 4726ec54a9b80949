import type { TokenResponse } from 'latchkey'
import { refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import type { Tab } from '../../src/testing/world.ts'
import { isSecret } from '../sightings.ts'
import { minutes, scene, seconds, settled, storedIn, watch } from './scene.ts'

const origin = 'https://server.test'

/** A backend that keeps the refresh token in a cookie, and gives access tokens to the page. */
async function mediated<const Tabs extends number>(
  tabs: Tabs,
  answer: (asked: number) => Partial<TokenResponse>,
  logout: string | null = '/auth/logout',
) {
  const refresh = refreshEndpoint(`${origin}/auth/refresh`, { refreshToken: 'cookie', ...(logout && { logout }) })
  const s = scene({ tabs, session: { attachTo: [`${origin}/api`], refresh } })
  const seen = { asked: 0, logouts: 0, status: 200, credentials: [] as (string | null)[] }
  s.server.onRequest(({ url, headers }) => {
    const { pathname } = new URL(url)
    if (pathname === '/auth/logout') seen.logouts++
    if (pathname === '/auth/refresh') {
      seen.asked++
      return Response.json({ access_token: isSecret(`access-${seen.asked}`), expires_in: 300, ...answer(seen.asked) })
    }
    seen.credentials.push(headers.get('Authorization'))
    return Response.json({}, { status: seen.status })
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

  test.each([
    { name: 'says it otherwise', idToken: 'ann' },
    { name: 'does not say it', idToken: null },
  ])('is told by what ID tokens have said, whatever the app calls its user: a login that $name', async ({ idToken }) => {
    let user = 'ann'
    const { s } = await mediated(1, () => ({ id_token: idTokenOf({ sub: user }) }))
    const { session } = s.tabs[0]
    const login = { access_token: isSecret('access-login'), expires_in: 300, ...(idToken && { id_token: idTokenOf({ sub: idToken }) }) }
    await settled(s, session.signIn(login, { subject: '42' }))
    const { sessionId } = session.state as { sessionId: string }
    await s.advance(minutes(30))
    expect(session.state).toMatchObject({ sessionId, subject: '42' })
    user = 'bob'
    await settled(s, session.refresh())
    expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect(s.earOf(s.tabs[0]).ended.at(-1)).toMatchObject({ reason: 'user-changed', subject: '42' })
  })

  test('REQ-43: and the bound of the other one’s session, though it is said once, is kept to', async () => {
    const bob = (asked: number) => ({ id_token: idTokenOf({ sub: 'bob' }), ...(asked === 2 && { authorization_expires_in: 3_600 }) })
    const { s } = await mediated(1, (asked) => (asked === 1 ? { id_token: idTokenOf({ sub: 'ann' }) } : bob(asked)))
    const { session } = s.tabs[0]
    await settled(s, session.refresh())
    expect(session.state).toMatchObject({ subject: 'bob' })
    await s.advance(minutes(59))
    expect(session.state).toMatchObject({ subject: 'bob' })
    await s.advance(minutes(2))
    expect(session.state).toEqual({ status: 'signed-out', reason: 'refresh-expired' })
  })

  test('F73: a 401 that comes to a tab which has slept through a sign-out elsewhere brings nobody back', async () => {
    const { s, seen } = await mediated(2, () => ({ id_token: idTokenOf({ sub: 'ann' }) }), null)
    const [here, away] = s.tabs
    away.hide()
    seen.status = 401
    s.browser.behaviour.loses = () => true
    s.latency = () => seconds(40)
    const call = watch(away.session.fetch(`${origin}/api/me`), s.now)
    await s.advance(seconds(1))
    s.latency = () => 50
    s.insideOf(away).halt()
    await settled(s, here.session.signOut())
    await s.advance(seconds(120))
    away.thaw()
    await s.advance(seconds(60))
    expect(call.result?.code).toBe('session_ended')
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-out')
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

  test('but a login on a page of the server since, after which the app asks, is a new one', async () => {
    const { s, seen } = await mediated(1, () => ({ authorization_expires_in: 3_600, id_token: idTokenOf({ sub: 'ann' }) }))
    s.tabs[0].crash()
    await s.advance(minutes(120))
    const { session } = s.world.openTab()
    const { asked } = seen
    expect((await settled(s, session.refresh())).code).toBeNull()
    expect(session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    expect(seen.asked).toBe(asked + 1)
  })
})
