import { LatchkeyError, type SessionState, type SignOutOptions } from 'latchkey'
import { limits } from 'latchkey/limits'
import { applySignal, type Signal } from 'latchkey/signals'
import { describe, expect, test } from 'vitest'
import { backendScene } from '../simulated/backend.ts'
import { minutes, scene, seconds, settled } from '../simulated/scene.ts'

const caep = 'https://schemas.openid.net/secevent/caep/event-type/'

const signedIn: SessionState = { status: 'signed-in', sessionId: 's', subject: null, signedInAt: 0, expiresAt: null, trouble: null }

/** What a signal does to a session: its calls, in order. */
function witness(refresh: () => Promise<void> = async () => {}) {
  const done: string[] = []
  return {
    done,
    session: {
      state: signedIn,
      ready: Promise.resolve(signedIn),
      async signOut({ reason }: SignOutOptions = {}) {
        done.push(`end ${reason}`)
        return { revoked: true }
      },
      refresh() {
        done.push('refresh')
        return refresh()
      },
    },
  }
}

async function doneBy(event: Signal, policy?: Parameters<typeof applySignal>[2]) {
  const { session, done } = witness()
  await applySignal(session, event, policy)
  return done
}

describe('REQ-104: the table, by the name and by the URI of CAEP 1.0', () => {
  test.each([
    { event: { type: 'session-revoked' }, does: ['end revoked'] },
    { event: { type: 'credential-change', credential_type: 'password', change_type: 'update' }, does: ['end revoked'] },
    { event: { type: 'credential-change', credential_type: 'fido2-roaming', change_type: 'create' }, does: ['end revoked'] },
    { event: { type: 'token-claims-change', claims: { role: 'ro-admin' } }, does: ['refresh'] },
    { event: { type: 'assurance-level-change', current_level: 'nist-aal1', change_direction: 'decrease' }, does: ['refresh'] },
    { event: { type: 'assurance-level-change', current_level: 'nist-aal2', change_direction: 'increase' }, does: ['refresh'] },
    { event: { type: 'device-compliance-change', previous_status: 'compliant', current_status: 'not-compliant' }, does: ['end revoked'] },
    { event: { type: 'device-compliance-change', previous_status: 'not-compliant', current_status: 'compliant' }, does: [] },
    { event: { type: 'device-compliance-change' }, does: ['end revoked'] },
    { event: { type: 'device-compliance-change', current_status: { toString: 1 } }, does: ['end revoked'] },
    { event: { type: 'risk-level-change', principal: 'USER', current_level: 'HIGH' }, does: ['end revoked'] },
    { event: { type: 'risk-level-change', principal: 'USER', current_level: 'MEDIUM' }, does: ['refresh'] },
    { event: { type: 'risk-level-change', principal: 'USER', current_level: 'LOW' }, does: [] },
    { event: { type: 'risk-level-change', principal: 'USER', current_level: 'EXTREME' }, does: ['end revoked'] },
    { event: { type: 'session-established', acr: 'gold' }, does: [] },
    { event: { type: 'session-presented' }, does: [] },
  ])('$event → $does', async ({ event, does }) => {
    expect(await doneBy(event)).toEqual(does)
    expect(await doneBy({ ...event, type: caep + event.type })).toEqual(does)
  })

  test('REQ-105: a type that nobody has named does nothing', async () => {
    for (const type of ['something-new', 'toString', '__proto__', `https://evil.example.com/session-revoked`, 'risk-level-change:HIGH'])
      expect(await doneBy({ type })).toEqual([])
  })

  test('REQ-120: the kill switch, a type of our own', async () => {
    expect(await doneBy({ type: 'incident' })).toEqual(['end incident'])
  })
})

describe('REQ-104: the app’s own policy', () => {
  const high = { type: 'risk-level-change', current_level: 'HIGH' }
  const account = 'https://schemas.openid.net/secevent/risc/event-type/account-disabled'
  test.each([
    { name: 'replaces a rule', event: { type: 'session-revoked' }, policy: { 'session-revoked': 'ignore' }, does: [] },
    { name: 'by its URI', event: { type: 'session-revoked' }, policy: { [`${caep}session-revoked`]: 'refresh' }, does: ['refresh'] },
    { name: 'for every value', event: high, policy: { 'risk-level-change': 'ignore' }, does: [] },
    { name: 'for one value', event: high, policy: { 'risk-level-change:HIGH': 'refresh' }, does: ['refresh'] },
    { name: 'for another value', event: high, policy: { 'risk-level-change:LOW': 'refresh' }, does: ['end revoked'] },
    {
      name: 'value before type',
      event: high,
      policy: { 'risk-level-change': 'ignore', 'risk-level-change:HIGH': 'end' },
      does: ['end revoked'],
    },
    { name: 'names a type of its own', event: { type: account }, policy: { [account]: 'end' }, does: ['end revoked'] },
  ] as const)('$name', async ({ event, policy, does }) => {
    expect(await doneBy(event, policy)).toEqual(does)
  })
})

describe('what cannot be used is a TypeError that says what, and nothing is done', () => {
  test.each([
    { event: undefined, names: '`event`' },
    { event: null, names: '`event`' },
    { event: 'session-revoked', names: '`event`' },
    { event: {}, names: '`type`' },
    { event: { type: 5 }, names: '`type`' },
    { event: { type: '' }, names: '`type`' },
    {
      event: { type: 'session-revoked' },
      policy: { 'session-revoked': 'END' },
      names: "`policy` must say 'end', 'refresh' or 'ignore' for 'session-revoked'",
    },
    { event: { type: 'session-revoked' }, policy: { 'session-revoked': ['end'] }, names: '`policy`' },
    { event: { type: 'session-revoked' }, policy: { [`${caep}risk-level-change`]: undefined }, names: "'risk-level-change'" },
  ])('$event, $policy', async ({ event, policy, names }) => {
    const { session, done } = witness()
    const applied = applySignal(session, event as unknown as Signal, policy as unknown as Parameters<typeof applySignal>[2])
    await expect(applied).rejects.toThrow(TypeError)
    await expect(applied).rejects.toThrow(names)
    expect(done).toEqual([])
  })
})

describe('a refresh that comes to nothing', () => {
  const change = { type: 'token-claims-change' }
  test.each(['signed_out', 'session_ended', 'closed'] as const)('%s: there is nothing to do', async (code) => {
    const { session, done } = witness(() => Promise.reject(new LatchkeyError(code, 'No.')))
    await applySignal(session, change)
    expect(done).toEqual(['refresh'])
  })

  test.each([new LatchkeyError('refresh_unavailable', 'Later.'), new Error('of the app')])('%s: the app hears of it', async (error) => {
    await expect(applySignal(witness(() => Promise.reject(error)).session, change)).rejects.toBe(error)
  })
})

describe('REQ-70, REQ-120: on sessions', () => {
  test.each([
    { type: 'session-revoked', reason: 'revoked' },
    { type: 'incident', reason: 'incident' },
  ])('$type ends the session in every tab, once, and revokes it at the server; twice is once', async ({ type, reason }) => {
    const s = scene({ tabs: 3 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    await settled(s, Promise.all(s.tabs.map(({ session }) => applySignal(session, { type }))))
    await s.advance(seconds(1))
    for (const tab of s.tabs) {
      expect(s.earOf(tab).expired.map((end) => end.reason)).toEqual([reason])
      expect(tab.session.state).toEqual({ status: 'signed-out', reason })
    }
    expect(s.server.live).toEqual([])
    expect((await settled(s, applySignal(s.tabs[0].session, { type }))).code).toBeNull()
  })

  test('token-claims-change: one refresh for all tabs, however many hear of it', async () => {
    const s = scene({ tabs: 3 })
    s.latency = () => 50
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    await settled(s, Promise.all(s.tabs.map(({ session }) => applySignal(session, { type: 'token-claims-change' }))))
    expect(s.server.refreshes).toBe(1)
  })
})

describe('REQ-73, REQ-104: what a user or a limit has ended, a signal does not begin again, though the cookie is still good', () => {
  const change = { type: 'token-claims-change' }

  test.each(['once the page is there', 'while the store is being read'])('a sign-out offline, then the next page: %s', async (when) => {
    const { s, backend } = await backendScene()
    s.tabs[0].offline()
    await settled(s, s.tabs[0].session.signOut())
    s.tabs[0].crash()
    s.browser.behaviour.storeDelay = () => 50
    const { session } = s.world.openTab()
    if (when === 'once the page is there') await settled(s, session.ready)
    else expect(session.state.status).toBe('loading')
    expect((await settled(s, applySignal(session, change))).code).toBeNull()
    expect(session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    expect(backend.counted).toEqual({ asked: 1, logouts: 0, forged: 0 }) // when the first page was opened
  })

  test('an idle limit that was reached offline', async () => {
    const { s, backend } = await backendScene({ session: { limits: limits('aal3') } })
    const [tab] = s.tabs
    tab.offline()
    await s.advance(minutes(16))
    backend.instead.push(...Array.from({ length: 20 }, () => async () => Response.json({ expires_in: 300, sub: 'ann' }))) // whatever the logout comes to
    tab.online()
    await settled(s, applySignal(tab.session, change))
    await s.advance(seconds(10))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('but whoever is found to be signed in is asked about: the backend may have answered before the signal', async () => {
    const { s, backend } = await backendScene({ tabs: 0 as 1 })
    s.latency = () => 500
    const { session } = s.world.openTab()
    expect((await settled(s, applySignal(session, change))).code).toBeNull()
    expect([session.state.status, backend.counted.asked]).toEqual(['signed-in', 2])
  })

  test('and where the backend cannot say, the app hears that it is for later', async () => {
    const { s } = await backendScene({ tabs: 0 as 1 })
    s.server.onRequest(() => new Response(null, { status: 503 }))
    const { session } = s.world.openTab()
    expect((await settled(s, applySignal(session, change))).code).toBe('refresh_unavailable')
    expect(session.state.status).toBe('loading')
  })
})
