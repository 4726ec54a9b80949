import { describe, expect, test } from 'vitest'
import type { WorldOptions } from '../../src/testing/world.ts'
import { callFrom, minutes, scene, scripted, seconds, settled, storedIn, tokens, until, watch } from './scene.ts'

// What the user does, or another tab, in the moment in which something else is under way.

/** A page that is opened when the session's token has expired. */
async function openedLate(session: WorldOptions<1>['session'] = {}) {
  const s = scene({ tabs: 1, session })
  await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
  s.tabs[0].hide()
  await s.advance(minutes(10))
  return s
}

describe('F10: a call that is made before it is known who is signed in', () => {
  test('is theirs, and not of whoever signs in while it waits', async () => {
    const s = await openedLate()
    s.latency = () => seconds(3)
    const tab = s.world.openTab()
    const call = watch(callFrom(tab), s.now)
    await s.advance(seconds(1))
    expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'bob' }))
    await s.advance(seconds(10))
    expect(call.result?.error).toMatchObject({ code: 'session_ended', reason: 'user-changed' })
  })

  test('is told of the end of their session, and does not go out bare', async () => {
    const s = await openedLate({ whenSignedOut: 'send' })
    s.server.revoke()
    const tab = s.world.openTab()
    expect((await settled(s, callFrom(tab))).error).toMatchObject({ code: 'session_ended', reason: 'rejected' })
  })
})

describe('F84: a letter that is held', () => {
  async function held() {
    const s = scene({ tabs: 2, session: { whenSignedOut: 'hold' } })
    const [tab] = s.tabs
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
    s.server.revoke()
    await s.advance(minutes(6))
    const letter = watch(callFrom(tab), s.now)
    await s.advance(seconds(1))
    expect([tab.session.state.status, letter.result]).toEqual(['signed-out', null])
    return { s, tab, letter }
  }

  test('goes out where its user signs in twice at once', async () => {
    const { s, tab, letter } = await held()
    for (let times = 0; times < 2; times++) void tab.session.signIn(s.server.grant(), { subject: 'ann' })
    await s.advance(seconds(2))
    expect(letter.result?.value).toBe(200)
  })

  test('is given up where this tab only reads that they were back, and have left', async () => {
    const { s, tab, letter } = await held()
    tab.freeze()
    await settled(s, s.tabs[1].session.signIn(s.server.grant(), { subject: 'ann' }))
    await settled(s, s.tabs[1].session.signOut())
    tab.thaw()
    await s.advance(seconds(2))
    expect(letter.result?.error).toMatchObject({ code: 'session_ended', reason: 'signed-out' })
  })
})

test('F55: what one session has counted says nothing of the same user’s next one: a call that waits costs no refresh', async () => {
  const s = scene({ tabs: 2 })
  const [tab, other] = s.tabs
  await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
  for (let times = 0; times < 5; times++) await settled(s, tab.session.refresh())
  s.latency = () => seconds(3)
  const waiting = watch(tab.session.refresh(), s.now)
  await s.advance(seconds(1))
  s.browser.records.clear()
  s.latency = () => 10
  const fresh = s.world.openTab()
  await s.advance(seconds(1))
  await settled(s, fresh.session.signIn(s.server.grant(), { subject: 'ann' }))
  const before = s.server.refreshes
  await s.advance(seconds(20))
  expect(waiting.result).toMatchObject({ code: null })
  expect(s.server.refreshes - before).toBeLessThan(3)
  expect(s.earOf(other).ended).toEqual([])
})

describe('a sign-out', () => {
  test('before a store that is slow has said who is signed in is theirs', async () => {
    const s = scene()
    await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(seconds(1))
    const wakes = s.now() + seconds(3)
    s.browser.behaviour.storeDelay = () => (s.now() < wakes ? 1_500 : 1) // there, and back
    const page = s.world.openTab()
    await settled(s, page.session.signOut())
    await s.advance(seconds(30))
    expect(page.session.state.status).toBe('signed-out')
    expect([storedIn(s)?.status, s.server.live]).toEqual(['ended', []])
  })

  test('that is written late is not heard over the sign-in that follows it', async () => {
    const s = scene({ tabs: 2 })
    const [tab] = s.tabs
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(seconds(1))
    let faults = 3
    s.browser.behaviour.storeFault = () => (faults-- > 0 ? 'fails' : 'none')
    await settled(s, tab.session.signOut())
    s.browser.behaviour.storeDelay = () => 600
    await s.advance(seconds(2) + 300)
    void tab.session.signIn(s.server.grant(), { subject: 'ann' })
    await s.advance(seconds(30))
    expect(tab.session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
    expect(s.earOf(tab).ended).toHaveLength(1)
    expect(s.earOf(tab).signedIn).toHaveLength(2)
  })
})

test('a listener that signs out in its first call is told what came of that', async () => {
  const s = scene()
  const { session } = s.tabs[0]
  await settled(s, session.signIn(s.server.grant()))
  const told: string[] = []
  session.subscribe(({ status }) => {
    told.push(status)
    if (status === 'signed-in') void session.signOut()
  })
  await s.advance(seconds(1))
  expect(told).toEqual(['signed-in', 'signed-out'])
})

test('F38: a page that does not run for some seconds while its store is read finds its session', async () => {
  const s = scene()
  await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
  await s.advance(seconds(1))
  s.browser.behaviour.storeDelay = () => 100
  const page = s.world.openTab()
  await s.advance(50)
  page.freeze()
  await s.advance(seconds(5))
  page.thaw()
  expect((await settled(s, page.session.ready)).value).toMatchObject({ status: 'signed-in' })
})

test('F43: over a record of a later version, a session that has nothing left to present is over, once and here alone', async () => {
  const script = scripted()
  const s = scene({ session: { refresh: script.refresher } })
  script.stage = s
  const [tab] = s.tabs
  const { refresh_token: _, ...rest } = tokens('one')
  await settled(s, tab.session.signIn(rest))
  await s.advance(seconds(1))
  let reads = 0
  s.browser.behaviour.storeFault = (operation) => {
    if (operation === 'read') reads++
    return 'none'
  }
  const later = JSON.stringify({ ...storedIn(s), version: 2 })
  for (const key of s.browser.records.keys()) s.browser.records.set(key, later)
  await s.advance(minutes(10))
  expect(s.earOf(tab).ended).toMatchObject([{ reason: 'refresh-expired' }])
  expect(reads).toBeLessThan(60)
  expect([...s.browser.records.values()]).toEqual([later])
})

describe('where the server keeps the session in a cookie', () => {
  const refusal = () => Object.assign(new Error('nobody'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })

  function cookieScene() {
    const script = scripted({ presents: 'cookie' })
    const s = scene({ tabs: 0 as 1, session: { refresh: script.refresher } })
    script.stage = s
    return { s, script }
  }

  test('F40: who has logged in after a sign-out stays, where the store takes that late', async () => {
    const { s } = cookieScene()
    const tab = s.world.openTab()
    await until(s, () => tab.session.state.status === 'signed-in')
    await settled(s, tab.session.signOut())
    let faults = 3
    s.browser.behaviour.storeFault = (operation) => (operation === 'replace' && faults-- > 0 ? 'fails' : 'none')
    await settled(s, tab.session.refresh())
    await s.advance(seconds(40))
    expect([tab.session.state.status, storedIn(s)?.status]).toEqual(['signed-in', 'active'])
  })

  test('F10: a question from before the login is no answer to a call after it', async () => {
    const { s, script } = cookieScene()
    script.answers.push({ after: 0, give: refusal() })
    const tab = s.world.openTab()
    await s.advance(seconds(1))
    script.answers.push({ after: seconds(2), give: refusal() }) // on its way when the login sets the cookie
    const before = watch(tab.session.refresh(), s.now)
    await s.advance(seconds(1))
    const after = watch(tab.session.refresh(), s.now)
    await s.advance(seconds(10))
    expect([before.result?.code, after.result?.code, tab.session.state.status]).toEqual(['signed_out', null, 'signed-in'])
  })

  test('F35: a wait that its caller ends while the server is asked once more is ended', async () => {
    const { s, script } = cookieScene()
    const tab = s.world.openTab()
    await until(s, () => tab.session.state.status === 'signed-in')
    await s.advance(seconds(1))
    script.answers.push({ after: seconds(2), give: tokens('old') }, { after: seconds(5), give: tokens('new') })
    void tab.session.refresh().catch(() => {})
    await s.advance(seconds(1))
    const over = new AbortController()
    const call = watch(tab.session.refresh({ signal: over.signal }), s.now)
    await s.advance(seconds(3))
    over.abort()
    await s.advance(100)
    expect(call.result?.code).toBe('AbortError')
  })
})
