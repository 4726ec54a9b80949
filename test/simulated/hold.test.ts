import { describe, expect, test } from 'vitest'
import type { Tab } from '../../src/testing/world.ts'
import { minutes, type Scene, scene, seconds, settled, storedIn, watch } from './scene.ts'

// F84: what a user had begun when the session went away is done when the same user is back.

const post = ({ session }: Tab, body = 'a long letter') =>
  session.fetch('https://server.test/letters', { method: 'POST', body }).then(({ status }) => status)

async function signedIn(tabs: 1 | 2 = 1) {
  const s = scene({ tabs: tabs as 2, session: { whenSignedOut: 'hold' } })
  const received: string[] = []
  s.server.onRequest(async (request) => {
    received.push(await request.text())
    return new Response(null)
  })
  await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
  return { s, tab: s.tabs[0], received }
}

/** The end that the user did not ask for: the next refresh is refused. */
async function expire(s: Scene<2>): Promise<void> {
  s.server.revoke()
  s.tabs[0].hide()
  await s.advance(minutes(6))
}

describe("F84: whenSignedOut: 'hold'", () => {
  test('a request that meets an expired session goes out once, whole, when the same user is back', async () => {
    const { s, tab, received } = await signedIn()
    await expire(s)
    const call = watch(post(tab), s.now)
    await s.advance(minutes(1))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'rejected' })
    expect([call.result, received]).toEqual([null, []])
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(seconds(1))
    expect(call.result?.value).toBe(200)
    expect(received).toEqual(['a long letter'])
  })

  test('one that is begun after the end waits as well, and a sign-in in another tab lets it go', async () => {
    const { s, tab, received } = await signedIn(2)
    await expire(s)
    await settled(s, tab.session.refresh())
    const calls = [post(tab, 'one'), post(tab, 'two')].map((call) => watch(call, s.now))
    await s.advance(seconds(30))
    await settled(s, s.tabs[1].session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(500)
    expect(calls.map(({ result }) => result?.value)).toEqual([200, 200])
    expect(received.sort()).toEqual(['one', 'two'])
  })

  test('an API that knows before us: what it refused with a 401 is sent again', async () => {
    const { s, tab } = await signedIn()
    const received: string[] = []
    let isKnown = false
    s.server.onRequest(async (request) => {
      received.push(await request.text())
      return new Response(null, { status: isKnown ? 200 : 401 })
    })
    s.server.revoke()
    const call = watch(post(tab), s.now)
    await s.advance(seconds(2))
    expect(tab.session.state.status).toBe('signed-out')
    isKnown = true
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(seconds(1))
    expect(call.result?.value).toBe(200)
    expect(received).toEqual(['a long letter', 'a long letter'])
  })

  test.each([
    { name: 'somebody else', subject: 'bob' },
    { name: 'somebody of whom nobody knows who it is', subject: undefined },
  ])('F10: $name signs in: rejected, and nothing is sent', async ({ subject }) => {
    const { s, tab, received } = await signedIn()
    await expire(s)
    const call = watch(post(tab), s.now)
    await s.advance(seconds(1))
    await settled(s, tab.session.signIn(s.server.grant(), { subject }))
    await s.advance(seconds(1))
    expect(call.result?.error).toMatchObject({ code: 'session_ended', reason: 'user-changed' })
    expect(received).toEqual([])
  })

  test('ten minutes, and no longer: then it is what it would have been', async () => {
    const { s, tab, received } = await signedIn()
    await expire(s)
    const first = watch(post(tab), s.now)
    await s.advance(seconds(1))
    const second = watch(post(tab), s.now)
    await s.advance(minutes(9.9))
    expect([first.result, second.result]).toEqual([null, null])
    await s.advance(minutes(0.2))
    expect(first.result?.error).toMatchObject({ code: 'session_ended', reason: 'rejected' })
    expect(second.result?.error).toMatchObject({ code: 'signed_out' })
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
    expect(received).toEqual([])
  })

  test('the caller may give up, and the page may close', async () => {
    const { s, tab } = await signedIn()
    await expire(s)
    const patience = new AbortController()
    const given = watch(tab.session.fetch('https://server.test/letters', { signal: patience.signal }), s.now)
    const closed = watch(post(tab), s.now)
    await s.advance(seconds(5))
    patience.abort(new Error('enough'))
    await s.advance(1)
    expect(given.result?.error).toMatchObject({ message: 'enough' })
    tab.session.close()
    await s.advance(1)
    expect(closed.result?.code).toBe('closed')
  })

  test('whoever signed out meant it: nothing is held', async () => {
    const { s, tab } = await signedIn()
    await settled(s, tab.session.signOut())
    expect((await settled(s, post(tab))).code).toBe('signed_out')
  })

  test('a request that was on its way at the end is not sent a second time: the server may have heard it', async () => {
    const { s, tab, received } = await signedIn()
    s.latency = () => 500
    const call = watch(post(tab), s.now)
    await s.advance(100)
    void tab.session.signOut({ reason: 'revoked' })
    await s.advance(seconds(2))
    expect(call.result?.code).toBe('session_ended')
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(seconds(2))
    expect(received.length).toBeLessThanOrEqual(1)
    expect(storedIn(s)?.status).toBe('active')
  })
})
