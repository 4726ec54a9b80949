import { describe, expect, test } from 'vitest'
import {
  callFrom,
  hours,
  minutes,
  pause,
  roughen,
  scene,
  scripted,
  seconds,
  seeds,
  settled,
  storedIn,
  takeLock,
  tokens,
  until,
  watch,
} from './scene.ts'

// The schedules of the protocol's §2, forced: what goes wrong without each rule. I1 to I7 are its invariants.

describe('M1: two claims', () => {
  test.each(seeds(30))('without Web Locks, the record lets one tab of five claim: one presentation (seed %i)', async (seed) => {
    const s = scene({ tabs: 5, seed })
    const random = roughen(s, seed)
    s.browser.behaviour.hasLocks = false
    s.latency = () => random() * 500
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    const calls = s.tabs.map((tab) => watch(callFrom(tab), s.now))
    await s.advance(seconds(16))
    expect(calls.map(({ result }) => result?.value)).toEqual([200, 200, 200, 200, 200])
    expect(s.server.presentations).toHaveLength(1)
  })
})

describe('M2: what holding the lock proves', () => {
  test('whoever gets the lock lets a claim live that was made without it: one presentation', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    const letGo = await takeLock(s)
    s.latency = () => seconds(3) // 6 s there and back
    const first = watch(callFrom(s.tabs[0]), s.now) // its wait for the lock ends after 5 s
    await s.advance(seconds(1))
    const second = watch(callFrom(s.tabs[1]), s.now)
    await s.advance(4_500)
    expect(storedIn(s)?.claim).toMatchObject({ locked: false })
    letGo() // the second gets it, half a second before giving up
    await s.advance(seconds(30))
    expect(s.server.presentations).toHaveLength(1)
    expect([first.result?.value, second.result?.value]).toEqual([200, 200])
  })
})

describe('rule 8: the lock, while a claim is watched', () => {
  test('is let go: nobody else waits for it, and the claim that follows is not made under it', async () => {
    const s = scene({ tabs: 2, rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    const letGo = await takeLock(s)
    s.server.fail('hang')
    void callFrom(s.tabs[0]).catch(() => {})
    await until(s, () => storedIn(s)?.claim)
    s.tabs[0].crash()
    letGo()
    void callFrom(s.tabs[1]).catch(() => {})
    await s.advance(seconds(1)) // the claim that it finds was made without the lock, and may be alive
    const asked = s.now()
    const free = await takeLock(s)
    expect(s.now() - asked).toBe(0)
    const { owner } = storedIn(s)?.claim ?? {}
    s.server.fail('hang')
    await until(s, () => storedIn(s)?.claim?.owner !== owner)
    expect(storedIn(s)?.claim).toMatchObject({ locked: false })
    free()
  })
})

describe('M3: a claim acknowledged after a freeze', () => {
  test('is not sent under: the tab that took over has presented the token, and is the only one', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.browser.behaviour.storeDelay = () => 100
    void callFrom(s.tabs[0]).catch(() => {})
    await until(s, () => storedIn(s)?.claim)
    s.tabs[0].freeze() // the answer of the store is on its way
    await until(
      s,
      () => {
        void callFrom(s.tabs[1]).catch(() => {})
        return s.server.presentations.length
      },
      seconds(1),
    )
    s.tabs[0].thaw()
    await s.advance(minutes(1))
    expect(s.server.presentations).toHaveLength(1)
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })
})

describe('M4: a grant whose claim was overtaken', () => {
  test('F42: the record is evicted while a request is open: it is written back, the grant is kept, and nothing is presented twice', async () => {
    const s = scene({ tabs: 3 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.latency = () => seconds(3)
    const first = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(seconds(1))
    s.browser.records.clear()
    const others = [s.tabs[1], s.tabs[2]].map((tab) => watch(callFrom(tab), s.now))
    await s.advance(seconds(30))
    expect([first, ...others].map(({ result }) => result?.value)).toEqual([200, 200, 200])
    expect(s.server.presentations).toHaveLength(1)
    expect(storedIn(s)).toMatchObject({ status: 'active', claim: null })
  })
})

describe('M5: a commit that fails', () => {
  test.each([1, 2])('the grant is written again after %i failures, and the spent token is never presented', async (failures) => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.latency = () => 500
    let left = failures
    s.browser.behaviour.storeFault = (operation) =>
      s.server.presentations.length && operation === 'replace' && left-- > 0 ? 'fails' : 'none'
    const calls = s.tabs.map((tab) => watch(callFrom(tab), s.now))
    await s.advance(seconds(10))
    expect(left).toBeLessThanOrEqual(0)
    expect(calls.map(({ result }) => result?.value)).toEqual([200, 200])
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.reused).toBe(0)
  })

  test.each([1, 6, 10])(
    'a store that says nothing for %i seconds after an answer has it before anybody else may use the token',
    async (span) => {
      const s = scene({ tabs: 2 })
      await s.tabs[0].session.signIn(s.server.grant())
      for (const tab of s.tabs) tab.hide()
      await s.advance(minutes(10))
      s.latency = () => 500
      void callFrom(s.tabs[0]).catch(() => {})
      await until(s, () => s.server.presentations.length)
      s.browser.behaviour.storeFault = () => 'hangs'
      await s.advance(seconds(span))
      s.browser.behaviour.storeFault = () => 'none'
      expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
      expect(s.server.presentations).toHaveLength(1)
      expect(storedIn(s)?.generation).toBe(2)
    },
  )

  test('F39: a store that takes nothing any more leaves the new tokens in memory, and this page goes on with them', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.latency = () => 100
    s.browser.behaviour.storeFault = (operation) => (s.server.presentations.length && operation === 'replace' ? 'fails' : 'none')
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    await s.advance(minutes(2))
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.server.presentations).toHaveLength(1)
  })

  test('a claim that cannot be written is no claim: nothing is sent, and callers may try again', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.browser.behaviour.storeFault = (operation) => (operation === 'replace' ? 'fails' : 'none')
    expect(await settled(s, callFrom(s.tabs[0]))).toMatchObject({ code: 'refresh_unavailable' })
    expect(s.server.presentations).toEqual([])
    s.browser.behaviour.storeFault = () => 'none'
    await s.advance(seconds(5))
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
  })
})

describe('M6, M7: a sign-out by a tab that has not heard of the last refresh', () => {
  test('F09: ends the session everywhere, and revokes the token of the record, not the spent one', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    s.browser.behaviour.loses = () => true
    s.tabs[1].hide()
    await settled(s, s.tabs[0].session.refresh())
    expect((await settled(s, s.tabs[1].session.signOut())).value).toEqual({ revoked: true })
    expect(script.revoked).toEqual(['refresh-given-1'])
    expect(storedIn(s)?.status).toBe('ended')
    await s.advance(seconds(31)) // a look makes the lost nudge good
    expect(s.tabs[0].session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
  })

  test('F66, REQ-55: the refresh in flight is not aborted: what it is granted is revoked', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    script.answers.push({ after: seconds(2), give: tokens('late') })
    const refresh = watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(500)
    await settled(s, s.tabs[1].session.signOut())
    expect(refresh.result).toMatchObject({ code: 'session_ended' })
    await s.advance(seconds(5))
    expect(script.revoked).toEqual(['refresh-first', 'refresh-late'])
    expect(storedIn(s)).toMatchObject({ status: 'ended', reason: 'signed-out' })
    expect(s.earOf(s.tabs[0]).refreshed).toEqual([])
  })
})

describe('M8: a sign-out between claim and sending', () => {
  test('nothing is sent', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.browser.behaviour.storeDelay = () => 100
    void s.tabs[0].session.refresh().catch(() => {})
    await until(s, () => storedIn(s)?.claim)
    void s.tabs[0].session.signOut()
    await s.advance(minutes(1))
    expect(s.server.presentations).toEqual([])
    expect(storedIn(s)?.status).toBe('ended')
  })

  test('nor after a sign-in between the two: the new session is not refreshed for the callers of the old one', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.browser.behaviour.storeDelay = () => 100
    const old = watch(s.tabs[0].session.refresh(), s.now)
    await until(s, () => storedIn(s)?.claim)
    void s.tabs[0].session.signIn(s.server.grant())
    await s.advance(minutes(1))
    expect(old.result).toMatchObject({ code: 'session_ended', error: { reason: 'user-changed' } })
    expect(s.server.presentations).toEqual([])
    expect(s.tabs[0].session.state.status).toBe('signed-in')
  })
})

describe('M9: fences', () => {
  test('go on through claims, sign-ins, ends and back-off', async () => {
    const s = scene()
    const fences: number[] = []
    const note = () => fences.push(storedIn(s)!.fence)
    await s.tabs[0].session.signIn(s.server.grant())
    note()
    await settled(s, s.tabs[0].session.refresh())
    note()
    s.server.fail({ status: 503 })
    await settled(
      s,
      s.tabs[0].session.refresh().catch(() => {}),
    )
    note()
    await s.tabs[0].session.signIn(s.server.grant())
    await s.tabs[0].session.signOut()
    await s.tabs[0].session.signIn(s.server.grant())
    note()
    expect(fences).toEqual([fences[0]!, fences[0]! + 1, fences[0]! + 2, fences[0]! + 2])
  })

  test('F10: whoever watches a claim of the old session takes over no claim of the next', async () => {
    const script = scripted({ retryUnanswered: false })
    const s = scene({ tabs: 3, session: { refresh: script.refresher } })
    script.stage = s
    s.browser.behaviour.hasLocks = false
    await s.tabs[0].session.signIn(tokens('one'))
    script.answers.push({ after: 0, give: 'nothing' })
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(100)
    void s.tabs[1].session.refresh().catch(() => {}) // watches
    await s.advance(seconds(6))
    s.browser.behaviour.loses = () => true // and does not hear
    await s.tabs[2].session.signIn(tokens('two'))
    script.answers.push({ after: seconds(9), give: tokens('three') })
    void s.tabs[2].session.refresh().catch(() => {})
    await s.advance(minutes(1))
    expect(script.asked.map(({ token }) => token)).toEqual(['refresh-one', 'refresh-two'])
  })
})

describe('M10: an absent record', () => {
  test('(a) F42: whoever knows the later generation writes it, and the older memory never comes back', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[1].hide()
    s.browser.behaviour.loses = () => true
    await settled(s, s.tabs[0].session.refresh())
    const { generation } = storedIn(s)!
    s.browser.behaviour.loses = () => false
    await s.advance(seconds(2))
    s.browser.records.clear()
    s.tabs[1].show() // looks, finds nothing, asks
    await s.advance(seconds(2))
    expect(storedIn(s)).toMatchObject({ status: 'active', generation })
    await s.advance(minutes(6))
    expect(s.server.reused).toBe(0)
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toEqual([])
  })

  test('(c) F42: a grant that finds no record writes it anew', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.latency = () => seconds(1)
    const refresh = watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(500)
    s.browser.records.clear()
    await s.advance(seconds(5))
    expect(refresh.result?.code).toBeNull()
    expect(storedIn(s)).toMatchObject({ status: 'active' })
    await s.advance(minutes(5))
    expect(s.server.reused).toBe(0)
  })

  test('(d) F42: a tombstone that is evicted is written again, and nobody brings the session back', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[1].freeze()
    await s.tabs[0].session.signOut()
    s.browser.records.clear()
    s.tabs[1].thaw()
    await s.advance(seconds(2))
    expect(s.tabs[1].session.state.status).toBe('signed-out')
    expect(storedIn(s)?.status ?? 'ended').toBe('ended')
  })

  test('(d) F66: a grant that comes after the sign-out finds the tombstone gone: it is revoked, and not stored', async () => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    script.answers.push({ after: seconds(2), give: tokens('late') })
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(500)
    await settled(s, s.tabs[0].session.signOut())
    s.browser.records.clear() // Clear-Site-Data
    await s.advance(seconds(10))
    expect(script.revoked).toEqual(['refresh-first', 'refresh-late'])
    expect(storedIn(s)?.status ?? 'ended').toBe('ended')
    expect(s.tabs[0].session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
  })

  test('(e) F10: after a sign-in as another user, the old session is not written back', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'one' })
    s.tabs[1].freeze()
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'two' })
    const { session } = storedIn(s)!
    s.browser.records.clear()
    s.tabs[1].thaw()
    await s.advance(seconds(2))
    expect(storedIn(s)?.session).toBe(session)
    expect(s.tabs[1].session.state).toMatchObject({ subject: 'two' })
    expect(s.earOf(s.tabs[1]).ended).toMatchObject([{ reason: 'user-changed' }])
  })

  test('F12: each tab asks once for a record that no store takes any more, look after look', async () => {
    const s = scene({ tabs: 3 })
    await s.tabs[0].session.signIn(s.server.grant({ expires_in: 3_600 }))
    s.browser.behaviour.storeFault = (operation) => (operation === 'replace' ? 'fails' : 'none')
    s.browser.records.clear()
    const before = s.browser.messages.length
    await s.advance(minutes(5)) // ten looks each
    expect(s.browser.messages.length - before).toBeLessThanOrEqual(3 * 11)
    expect(s.tabs.map(({ session }) => session.state.status)).toEqual(['signed-in', 'signed-in', 'signed-in'])
  })

  test('F12: a session that has run out with its record gone asks a few times, ends once, and is quiet', async () => {
    const s = scene({ tabs: 2 })
    roughen(s, 1)
    await settled(s, s.tabs[0].session.signIn(s.server.grant({ refresh_token: null })))
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(4))
    s.browser.records.clear()
    const before = s.browser.messages.length
    await s.advance(minutes(5))
    for (const tab of s.tabs) expect(s.earOf(tab).expired).toMatchObject([{ reason: 'refresh-expired' }])
    expect(s.browser.messages.length - before).toBeLessThanOrEqual(8)
  })
})

describe('M11: no answer', () => {
  test('F33, REQ-56: the answer is lost once: the same token is presented again at once, within the grace window', async () => {
    const s = scene({ tabs: 2, rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant())
    s.server.fail('answer-lost')
    const before = s.now()
    expect((await settled(s, s.tabs[0].session.refresh())).code).toBeNull()
    expect(s.now() - before).toBeLessThan(seconds(1))
    expect(s.server.presentations).toHaveLength(2)
    expect(s.earOf(s.tabs[1]).refreshed).toHaveLength(1)
  })

  test('an answer that comes between the second claim and its sending is the answer: nothing is presented twice', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    let ways = 0
    s.latency = () => (ways++ === 0 ? 100 : seconds(10)) // rotated at once, answered 100 ms after the deadline
    s.browser.behaviour.storeDelay = () => 50
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(seconds(30))
    expect(s.server.presentations).toHaveLength(1)
    expect(s.server.reused).toBe(0)
    for (const tab of s.tabs) expect(s.earOf(tab).refreshed).toHaveLength(1)
  })

  test('a late answer that is dead on arrival is no reason to claim without end', async () => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    s.tabs[0].hide()
    const { fence } = storedIn(s)!
    script.answers.push({ after: 10_100, give: tokens('late', { expires_in: 5 }) })
    s.browser.behaviour.storeDelay = () => 50
    const refresh = watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(seconds(30))
    expect(script.asked.map(({ token }) => token)).toEqual(['refresh-first', 'refresh-late'])
    expect(refresh.result?.code).toBeNull()
    expect(storedIn(s)!.fence - fence).toBeLessThanOrEqual(3)
  })

  test('F66: slow answer and sign-out: the late grant is heard, and revoked', async () => {
    const script = scripted({ retryUnanswered: false })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    script.answers.push({ after: seconds(25), give: tokens('late') })
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(seconds(5))
    void s.tabs[0].session.signOut()
    await s.advance(minutes(1))
    expect(script.revoked).toEqual(['refresh-first', 'refresh-late'])
    expect(storedIn(s)?.status).toBe('ended')
  })

  test('after a time-out nothing is presented again at once where the app said so', async () => {
    const script = scripted({ retryUnanswered: false })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    s.tabs[0].hide()
    script.answers.push({ after: 10_500, give: tokens('late') })
    const refresh = await settled(s, s.tabs[0].session.refresh())
    expect(refresh.code).toBe('refresh_unavailable')
    await s.advance(seconds(10))
    expect(script.asked).toHaveLength(1)
    expect(s.tabs[0].session.state).toMatchObject({ trouble: null }) // the late answer was kept
    expect(storedIn(s)?.grant?.refreshToken).toBe('refresh-late')
  })
})

describe('M12: two answers to one token', () => {
  test('F33: the second is refused and revokes nothing: the session lives', async () => {
    const s = scene({ rotation: 'grace' })
    await s.tabs[0].session.signIn(s.server.grant())
    let ways = 0
    s.latency = () => [100, seconds(12), 100, seconds(4)][ways++] ?? 50
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(seconds(20))
    expect(s.server.presentations).toHaveLength(2)
    expect(s.server.revocations).toBe(0)
    expect((await settled(s, s.tabs[0].session.refresh())).code).toBeNull()
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })
})

describe('M13: a later generation that has expired too', () => {
  test('is not handed out: the tab that slept through two expiries refreshes on', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[1].freeze()
    await until(s, () => s.server.refreshes === 1, seconds(10))
    s.tabs[0].crash()
    await s.advance(minutes(20))
    s.tabs[1].thaw()
    expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
    expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
    expect(s.server.refreshes).toBe(2)
    expect(s.server.reused).toBe(0)
  })
})

describe('M14: lost nudges', () => {
  test('F09: a look within 30 s tells a visible tab of a sign-out that it was never told of', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.browser.behaviour.loses = () => true
    await s.tabs[0].session.signOut()
    await s.advance(seconds(31))
    expect(s.earOf(s.tabs[1]).ended).toMatchObject([{ reason: 'signed-out', by: 'other-tab' }])
  })

  test('F47: without a channel, within 2 s', async () => {
    const { behaviour, restart } = withoutChannel()
    const s = restart
    await s.advance(0)
    expect(behaviour.hasChannel).toBe(false)
    const [a, b] = [s.world.openTab(), s.world.openTab()]
    await a.session.signIn(s.server.grant())
    await s.advance(2_100)
    expect(b.session.state.status).toBe('signed-in')
    await a.session.signOut()
    await s.advance(2_100)
    expect(b.session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
  })

  test('F09: a nudge that comes while an older record is being read is not lost, in hidden tabs neither', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(2))
    const ways = [1, 1, 300] // the second tab's way back from the store is long
    s.browser.behaviour.storeDelay = () => ways.shift() ?? 1
    s.tabs[1].show()
    s.tabs[1].hide()
    void s.tabs[0].session.signOut()
    await s.advance(500)
    expect(s.earOf(s.tabs[1]).ended).toMatchObject([{ reason: 'signed-out' }])
  })
})

describe('M15, F23: a wall clock that is set', () => {
  test.each([hours(2), -hours(2)])('while a request is open cuts it short for nobody (%i ms)', async (jump) => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant())
    s.latency = () => seconds(2)
    const refresh = watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(seconds(1))
    for (const tab of s.tabs) s.insideOf(tab).setClock(jump)
    await s.advance(seconds(10))
    expect(refresh.result?.code).toBeNull()
    expect(s.server.reused).toBe(0)
    expect(s.server.presentations.length).toBeLessThanOrEqual(2) // what was in flight, and at most one more for the jump
    expect(s.tabs[0].session.state.status).toBe('signed-in')
  })

  test('while a claim is being watched makes nobody take it over', async () => {
    const s = scene({ tabs: 2 })
    s.browser.behaviour.hasLocks = false
    await s.tabs[0].session.signIn(s.server.grant())
    s.latency = () => seconds(4)
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(seconds(1))
    void s.tabs[1].session.refresh().catch(() => {})
    await s.advance(seconds(1))
    s.insideOf(s.tabs[1]).setClock(hours(1))
    await s.advance(seconds(5))
    expect(s.server.presentations).toHaveLength(1)
  })
})

describe('M16: another session with a smaller number', () => {
  test('F10: is news all the same', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'one' })
    for (let times = 0; times < 3; times++) await settled(s, s.tabs[0].session.refresh())
    for (const tab of s.tabs) tab.freeze()
    s.browser.records.clear()
    const fresh = s.world.openTab()
    await fresh.session.signIn(s.server.grant(), { subject: 'two' })
    expect(storedIn(s)?.generation).toBe(1)
    for (const tab of s.tabs) tab.thaw()
    await s.advance(seconds(1))
    for (const tab of s.tabs) {
      expect(tab.session.state).toMatchObject({ subject: 'two' })
      expect(s.earOf(tab).ended).toMatchObject([{ reason: 'user-changed' }])
    }
  })
})

describe('M17: a rejection beside a late grant', () => {
  test('F07: ends nothing: the end names what was rejected, and that is no longer there', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    script.answers.push({ after: 10_500, give: tokens('late') }, { after: 600, give: rejected() })
    void s.tabs[0].session.refresh().catch(() => {})
    await s.advance(seconds(20))
    expect(script.asked).toHaveLength(2)
    expect(storedIn(s)?.grant?.refreshToken).toBe('refresh-late')
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toEqual([])
    expect(script.revoked).toEqual([])
  })
})

describe('rule 8: how long a claim is watched', () => {
  test('a claim that was made while the lock was waited for is watched from then on, not from before', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    // The first presentation is never answered; the second is, just in time.
    script.answers.push({ after: 0, give: 'nothing' }, { after: 9_950, give: tokens('late') })
    void callFrom(s.tabs[0]).catch(() => {})
    await s.advance(5_500)
    void callFrom(s.tabs[1]).catch(() => {}) // waits for the lock until after the second claim
    await s.advance(minutes(1))
    expect(script.asked.map(({ token }) => token)).toEqual(['refresh-first', 'refresh-first'])
    expect(storedIn(s)?.grant?.refreshToken).toBe('refresh-late')
  })
})

describe('rule 8: what counts of a watch', () => {
  test('F20: is what the watcher itself has run: after a sleep of the machine it leaves the holder, whom it cannot see, the time to keep its answer', async () => {
    const s = scene({ tabs: 2 })
    s.browser.behaviour.hasLocks = false
    await s.tabs[0].session.signIn(s.server.grant())
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(10))
    s.latency = () => seconds(2)
    void callFrom(s.tabs[0]).catch(() => {})
    await s.advance(seconds(1))
    void callFrom(s.tabs[1]).catch(() => {})
    await s.advance(seconds(1))
    for (const tab of s.tabs) s.insideOf(tab).halt()
    await s.advance(minutes(1)) // in which the answer has come
    s.tabs[1].thaw()
    await s.advance(seconds(1))
    s.tabs[0].thaw()
    await s.advance(seconds(30))
    expect(s.server.presentations).toHaveLength(1)
    for (const tab of s.tabs) expect((await settled(s, callFrom(tab))).value).toBe(200)
  })
})

describe('rule 11: a tab that slept and finds no record', () => {
  test('F42: asks the server before it uses the session again, and goes on with what it says', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.world.server.grant())
    s.tabs[0].freeze()
    s.browser.records.clear()
    await s.advance(seconds(30))
    s.tabs[0].thaw()
    await s.advance(0)
    const early = await settled(s, callFrom(s.tabs[0]))
    expect([early.value, early.code]).toEqual([undefined, 'refresh_unavailable']) // whoever may have a request on its way is waited for first
    expect(s.server.calls).toEqual([])
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect([s.server.refreshes, s.server.reused]).toEqual([1, 0])
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })

  test('F42, F57: and ends it if the server knows of none, with no request in between', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.world.server.grant())
    s.tabs[0].freeze()
    s.browser.records.clear()
    s.world.server.revoke()
    await s.advance(seconds(30))
    s.tabs[0].thaw()
    const calls = Promise.allSettled([callFrom(s.tabs[0])])
    await s.advance(minutes(1))
    void Promise.allSettled([callFrom(s.tabs[0])])
    await s.advance(minutes(1))
    await calls
    expect(s.earOf(s.tabs[0]).expired.map(({ reason }) => reason)).toEqual(['rejected'])
    expect(s.server.calls).toEqual([])
  })

  test('F42: what a tab writes back is what it has by then, though it was asked when it had less', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.browser.behaviour.storeDelay = () => 5
    s.latency = () => 50
    const written: number[] = []
    const set = s.browser.records.set.bind(s.browser.records)
    s.browser.records.set = (key, text) => {
      written.push(JSON.parse(text).generation)
      return set(key, text)
    }
    void s.tabs[0].session.refresh()
    await until(s, () => s.server.presentations.length, 1)
    s.browser.records.clear()
    s.tabs[0].show() // looks, and finds nothing
    await until(s, () => written.at(-1) === 2, 1)
    s.browser.records.clear()
    await s.advance(seconds(40))
    expect(written.slice(written.indexOf(2))).toEqual([2, 2])
  })

  test('F42: one that was awake goes on with what it has', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.world.server.grant())
    s.browser.records.clear()
    await s.advance(minutes(1)) // looks, and writes it back
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.server.refreshes).toBe(0)
  })
})

const rejected = () => Object.assign(new Error('no'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })

/** A browser without BroadcastChannel: its tabs are opened after it is known. */
function withoutChannel() {
  const restart = scene({ tabs: 0 as 1 })
  restart.browser.behaviour.hasChannel = false
  return { behaviour: restart.browser.behaviour, restart }
}

test('simulated time can be waited for', async () => {
  const s = scene()
  expect((await settled(s, pause(s, 250))).took).toBe(250)
})
