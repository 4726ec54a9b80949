import { describe, expect, test } from 'vitest'
import { seal } from '../../src/core/secret.ts'
import { callFrom, listenTo, minutes, scene, scripted, seconds, settled, storedIn, tokens, until, watch } from './scene.ts'

// What the engine does around the decisions: whom it tells, whom it lets wait, and in which order.

describe('whoever waits', () => {
  test('F09: a tab that was frozen for a moment looks before its next call leaves, however fresh the token that it has just lent', async () => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    expect((await settled(s, callFrom(s.tabs[1]))).value).toBe(200)
    s.tabs[1].freeze()
    await settled(s, s.tabs[0].session.signOut())
    await s.advance(seconds(10))
    s.tabs[1].thaw()
    const call = watch(callFrom(s.tabs[1]), s.now)
    await s.advance(seconds(1))
    expect(call.result?.code).toMatch(/^(signed_out|session_ended)$/)
    expect(s.server.calls).toHaveLength(1)
  })

  test('F28: after a freeze in a long pause that no server has asked for, the server is asked at once', async () => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher, keepFresh: 'on-demand' } })
    script.stage = s
    const [tab] = s.tabs
    await settled(s, tab.session.signIn(tokens('first', { expires_in: 1 })))
    await s.advance(seconds(1))
    script.answers.push(...Array.from({ length: 20 }, () => ({ after: 0, give: new TypeError('Failed to fetch') })))
    for (let failures = 0; failures < 8; failures++) {
      expect((await settled(s, tab.session.getToken())).code).toBe('refresh_unavailable')
      await s.advance(seconds(6))
    }
    script.answers.length = 0
    tab.freeze()
    tab.thaw()
    const { value, took } = await settled(s, tab.session.getToken())
    expect(value).toBe('access-given-1')
    expect(took).toBeLessThan(seconds(1))
  })

  test('F60, F84: a held request for an API with a token of its own goes out with that one, when the same user is back', async () => {
    const script = scripted()
    const attachTo = ['https://server.test', { url: 'https://files.test', resource: 'urn:files' }]
    const s = scene({ session: { attachTo, refresh: script.refresher, whenSignedOut: 'hold' } })
    script.stage = s
    const [{ session }] = s.tabs
    const carried: (string | null)[] = []
    s.server.onRequest(({ headers }) => {
      carried.push(headers.get('Authorization'))
      return new Response(null)
    })
    await settled(s, session.signIn(tokens('first'), { subject: 'ann' }))
    await settled(s, session.signOut({ reason: 'revoked' }))
    const call = watch(session.fetch('https://files.test/letters', { method: 'POST', body: 'a letter' }), s.now)
    await s.advance(minutes(5))
    expect([call.result, script.asked, carried]).toEqual([null, [], []])
    await settled(s, session.signIn(tokens('second'), { subject: 'ann' }))
    await s.advance(seconds(1))
    expect(script.asked.map(({ token }) => token)).toEqual(['refresh-second'])
    expect(carried).toEqual(['Bearer access-given-1'])
    expect(call.result?.code).toBeNull()
  })

  test('F84: nobody is asked for the sake of those who are held: not the server whose cookie might let somebody in, and no store', async () => {
    const script = scripted({ presents: 'cookie' })
    const s = scene({ session: { refresh: script.refresher, whenSignedOut: 'hold' } })
    script.stage = s
    const [tab] = s.tabs
    await settled(s, tab.session.ready)
    await settled(s, tab.session.signOut({ reason: 'revoked' }))
    const before = script.asked.length
    const calls = [callFrom(tab), callFrom(tab)].map((call) => watch(call, s.now))
    await s.advance(minutes(9))
    tab.hide()
    tab.show()
    await s.advance(seconds(1))
    expect([script.asked.length, ...calls.map(({ result }) => result)]).toEqual([before, null, null])
  })
})

describe('F10, M7: a sign-out that this tab means for the user before', () => {
  test('gives back what that one had, and nothing of whoever has signed in elsewhere since', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    const [here, there] = s.tabs
    await settled(s, here.session.signIn(tokens('ann'), { subject: 'ann' }))
    await s.advance(seconds(1))
    s.browser.behaviour.loses = () => true
    await settled(s, there.session.signIn(tokens('bob'), { subject: 'bob' }))
    expect(script.revoked).toEqual(['refresh-ann'])
    expect((await settled(s, here.session.signOut())).value).toEqual({ revoked: false })
    await s.advance(minutes(1))
    expect(script.revoked).toEqual(['refresh-ann'])
    expect(s.tabs.map(({ session }) => session.state)).toMatchObject([{ subject: 'bob' }, { subject: 'bob' }])
    expect(storedIn(s)?.grant?.refreshToken).toBe('refresh-bob')
  })
})

describe('F41: a store that fails all the time', () => {
  test.each(['fails', 'hangs'] as const)(
    '(%s) leaves no rejection that nobody hears of, whatever the session asks of it',
    async (fault) => {
      const unhandled: unknown[] = []
      const notice = (reason: unknown) => unhandled.push(reason)
      process.on('unhandledRejection', notice)
      const s = scene({ tabs: 2 })
      const [tab, other] = s.tabs
      await settled(s, tab.session.signIn(s.server.grant()))
      await settled(s, other.session.ready)
      s.browser.behaviour.storeFault = () => fault
      await s.advance(minutes(2)) // looks
      other.freeze()
      other.thaw()
      await settled(
        s,
        callFrom(other).catch(() => {}),
      )
      s.browser.behaviour.storeFault = () => 'none'
      s.browser.records.clear()
      const messages = s.browser.messages.length
      await until(s, () => s.browser.messages.length > messages) // the record is missing, and its peers are asked
      s.browser.behaviour.storeFault = () => fault
      await s.advance(minutes(2))
      await settled(s, tab.session.signOut())
      const late = s.world.openTab()
      await settled(s, late.session.ready)
      await s.advance(minutes(10))
      await new Promise((resolve) => setImmediate(resolve))
      process.off('unhandledRejection', notice)
      expect(unhandled).toEqual([])
      for (const { session } of [tab, late]) expect(session.state.status).toBe('signed-out')
    },
  )
})

describe('F74: a strategy that signs in anew while the session tells it something', () => {
  async function tellingScene(hook: 'prepare' | 'forget') {
    let calls = 0
    const again = () => void (calls++ === 0 && session.signIn(tokens('second'), { subject: 'second' }))
    const script = scripted({ [hook]: again })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    const [tab] = s.tabs
    const { session } = tab
    const happened: string[] = []
    session.on('diagnostic', ({ type }) => happened.push(type))
    await settled(s, session.signIn(seal({}, { ...tokens('first'), binding: 'thumb' }) as never))
    return { s, script, session, happened, ear: s.earOf(tab) }
  }

  test.each(['signed-out', 'rejected'])('that it is over (%s): the end is told first, and is nobody’s any more after that', async (how) => {
    const { s, script, session, ear } = await tellingScene('forget')
    script.answers.push({ after: 0, give: refusal() })
    await settled(s, how === 'rejected' ? session.refresh().catch(() => {}) : session.signOut())
    await s.advance(seconds(1))
    expect(ear.order.map(({ type }) => type)).toEqual(['signed-in', 'ended', 'signed-in'])
    expect(session.state).toMatchObject({ subject: 'second' })
    expect(listenTo(session).ended).toEqual([])
  })

  test('that somebody has signed in: that sign-in is told before the one that takes its place', async () => {
    const { s, session, happened, ear } = await tellingScene('prepare')
    await s.advance(seconds(1))
    const [first, second] = [ear.signedIn[0]?.sessionId, ear.signedIn[1]?.sessionId]
    expect(ear.order).toEqual([
      { type: 'signed-in', sessionId: first },
      { type: 'ended', sessionId: first },
      { type: 'signed-in', sessionId: second },
    ])
    expect(happened.filter((type) => type === 'signed-in')).toHaveLength(2)
    expect(session.state).toMatchObject({ subject: 'second' })
  })
})

const refusal = () => Object.assign(new Error('no'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })
