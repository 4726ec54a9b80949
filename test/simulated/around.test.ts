import { limits } from 'latchkey/limits'
import { describe, expect, test } from 'vitest'
import { seal } from '../../src/core/secret.ts'
import type { Ports } from '../../src/ports.ts'
import { count, openOn } from './failures/by-hand.ts'
import { callFrom, listenTo, minutes, type Scene, scene, scripted, seconds, settled, storedIn, tokens, until, watch } from './scene.ts'

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

  test('F68: a tab that has not looked for a while looks when it is asked, though it holds nobody, and says so at once', async () => {
    const s = scene()
    const [tab] = s.tabs
    tab.hide()
    await s.advance(minutes(2))
    const { code, took } = await settled(s, callFrom(tab))
    expect(code).toBe('signed_out')
    expect(took).toBeLessThan(seconds(1))
  })

  test('F32, F47: on a server that never answers is told in time, however often the tab looks meanwhile', async () => {
    const s = scene({ tabs: 0 as 1, expiresIn: 1 })
    s.browser.behaviour.hasChannel = false // it looks every two seconds
    const tab = s.world.openTab()
    s.server.fail('hang', 9)
    await settled(s, tab.session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    const { code, took } = await settled(s, callFrom(tab))
    expect(code).toBe('refresh_unavailable')
    expect(took).toBeLessThanOrEqual(seconds(12) + 50)
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

describe('rule 5, I6: a sign-in that no store has taken, and that comes too late', () => {
  async function overtaken(by: (s: Scene<2>) => unknown) {
    const s = scene({ tabs: 2 })
    await s.advance(seconds(1))
    let faults = 1
    s.browser.behaviour.storeFault = (operation) => (operation === 'replace' && faults-- > 0 ? 'hangs' : 'none')
    const late = watch(s.tabs[0].session.signIn(s.server.grant(), { subject: 'late' }), s.now)
    await s.advance(seconds(1))
    await by(s)
    await s.advance(seconds(5))
    expect(late.result?.code).toBeNull()
    return s
  }

  test('F10: somebody else has signed in since: what it has brought is given back', async () => {
    const s = await overtaken(({ tabs, server }) => tabs[1].session.signIn(server.grant(), { subject: 'in time' }))
    expect(s.tabs.map(({ session }) => session.state)).toMatchObject([{ subject: 'in time' }, { subject: 'in time' }])
    expect(s.server.live).toEqual([storedIn(s)?.grant?.refreshToken])
  })

  test('F44: a later version has written since: what is there is left alone, and this tab goes on with what it has', async () => {
    const later = JSON.stringify({ version: 99 })
    const s = await overtaken(({ browser }) => browser.records.set('latchkey:https://server.test', later))
    expect([...s.browser.records.values()]).toEqual([later])
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    expect(s.server.revocations).toBe(0)
  })
})

describe('sign-out', () => {
  test('in the breath of the sign-in gives back once what that has brought', async () => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    s.browser.behaviour.storeDelay = () => 10
    const [{ session }] = s.tabs
    void session.signIn(tokens('one'))
    expect((await settled(s, session.signOut())).value).toEqual({ revoked: true })
    await s.advance(seconds(10))
    expect(script.revoked).toEqual(['refresh-one'])
    expect(storedIn(s)?.status).toBe('ended')
  })

  test('is told as this tab’s here, and as another’s there', async () => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(seconds(1))
    await settled(s, s.tabs[0].session.signOut())
    await s.advance(seconds(1))
    expect(s.tabs.map((tab) => s.earOf(tab).ended.map(({ by }) => by))).toEqual([['this-tab'], ['other-tab']])
  })

  test('REQ-62: that has not reached the server is made good as soon as the network is back, though the page has just been looked at', async () => {
    let isBack = false
    const revoked: number[] = []
    const script = scripted({
      async revoke() {
        if (!isBack) throw new TypeError('Failed to fetch')
        revoked.push(s.now())
      },
    })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    const [tab] = s.tabs
    await settled(s, tab.session.signIn(tokens('one')))
    expect((await settled(s, tab.session.signOut())).value).toEqual({ revoked: false })
    await s.advance(minutes(5)) // the pauses have grown to minutes
    tab.hide()
    await s.advance(seconds(10))
    isBack = true
    tab.show()
    await s.advance(500)
    tab.online()
    const back = s.now()
    await s.advance(seconds(1))
    expect(revoked).toEqual([back])
  })

  test('that the server is slow to confirm keeps no token of the next session waiting', async () => {
    const script = scripted({ revoke: () => new Promise(() => {}) })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    const [{ session }] = s.tabs
    await settled(s, session.signIn(tokens('one')))
    void session.signOut()
    await settled(s, session.signIn(tokens('two')))
    const { code, took } = await settled(s, session.refresh())
    expect(code).toBeNull()
    expect(took).toBeLessThan(seconds(1))
  })
})

describe('a session that has run out, with nothing to renew it', () => {
  test('I4: ends nothing that has been renewed elsewhere, and asks nobody about it', async () => {
    const s = scene({ tabs: 2, session: { keepFresh: 'on-demand' } })
    const [idle, other] = s.tabs
    await settled(s, idle.session.signIn(s.server.grant({ refresh_expires_in: 330 })))
    idle.hide()
    other.hide()
    await s.advance(seconds(320))
    idle.show() // looks
    idle.hide()
    await s.advance(seconds(1))
    s.browser.behaviour.loses = () => true
    await settled(s, other.session.refresh())
    await s.advance(seconds(20))
    expect((await settled(s, callFrom(idle))).value).toBe(200)
    expect(s.earOf(idle)).toMatchObject({ ended: [], refreshed: [{ by: 'other-tab' }] })
    expect(s.browser.messages.filter(({ missing }) => missing)).toEqual([])
    expect(s.server.presentations).toHaveLength(1)
  })

  test('F12, F72: and whose record is gone, asks the store a few times until its peers have had the time to answer', async () => {
    const s = scene()
    const [tab] = s.tabs
    await settled(s, tab.session.signIn(s.server.grant({ refresh_token: null })))
    tab.hide()
    await s.advance(seconds(290))
    tab.show() // looks
    tab.hide()
    s.browser.behaviour.storeDelay = () => 1
    await s.advance(seconds(1))
    s.browser.records.clear()
    let asked = 0
    s.browser.behaviour.storeFault = () => {
      asked++
      return 'none'
    }
    await s.advance(seconds(20))
    expect(s.earOf(tab).expired).toMatchObject([{ reason: 'refresh-expired' }])
    expect(asked).toBeLessThan(20)
  })
})

describe('rule 2: a lock that is not had in time', () => {
  /** A lock that comes when the test says so, whatever its asker has said meanwhile. */
  async function withLock() {
    const asked: { readonly signal: AbortSignal; readonly grant: (letGo: () => void) => void }[] = []
    const s = scene()
    const lock: Ports['lock'] = { acquire: (signal) => new Promise((grant) => void asked.push({ signal, grant })) }
    const { session } = openOn(s, () => ({ lock }))
    await settled(s, session.signIn(s.server.grant()))
    expect((await settled(s, session.refresh())).code).toBeNull()
    expect(asked).toHaveLength(1)
    return { s, ...asked[0]! }
  }

  test('is not waited for any more', async () => {
    expect((await withLock()).signal.aborted).toBe(true)
  })

  test('F02: and is let go if it comes all the same: it would be held for ever', async () => {
    const { s, grant } = await withLock()
    let isFree = false
    grant(() => {
      isFree = true
    })
    await s.advance(0)
    expect(isFree).toBe(true)
  })
})

describe('F72: what a session holds of the browser', () => {
  test.each([
    { name: 'without limits', options: {} },
    { name: 'with limits', options: { limits: limits('aal2') } },
  ])('$name is the same after an hour and after many, and nothing once it is closed', async ({ options }) => {
    const { held, tamper } = count()
    const s = scene({ tabs: 0 as 1 })
    const { session } = openOn(s, tamper, options)
    await settled(s, session.signIn(s.server.grant()))
    const hour = async () => {
      for (let minute = 0; minute < 60; minute++) {
        session.extend()
        await s.advance(minutes(1))
      }
      return { ...held }
    }
    const first = await hour()
    await hour()
    expect(await hour()).toEqual(first)
    session.close()
    await s.advance(minutes(2))
    expect(held).toEqual({ timers: 0, listeners: 0, channels: 0, locks: 0 })
  })
})

describe('REQ-46, REQ-108: time limits', () => {
  const idle = { session: { limits: limits({ idle: minutes(15) }) } }

  test('are held against the record before a page shows anything of it', async () => {
    const s = scene(idle)
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.tabs[0].crash()
    await s.advance(minutes(16))
    const tab = s.world.openTab()
    const ear = listenTo(tab.session)
    await s.advance(seconds(5))
    expect(ear.states.map(({ status }) => status)).toEqual(['loading', 'signed-out'])
    expect(s.server.presentations).toEqual([])
  })

  test('are put off by a user who says to be here', async () => {
    const s = scene(idle)
    const [{ session }] = s.tabs
    await settled(s, session.signIn(s.server.grant()))
    await s.advance(minutes(10))
    session.extend()
    await s.advance(minutes(10))
    expect(session.state.status).toBe('signed-in')
    await s.advance(minutes(6))
    expect(session.state).toEqual({ status: 'signed-out', reason: 'idle' })
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
