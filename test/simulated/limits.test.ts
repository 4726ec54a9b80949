import type { RefreshFunction, Session, SessionEvents, SessionOptions } from 'latchkey'
import { limits } from 'latchkey/limits'
import { describe, expect, test } from 'vitest'
import type { Ports } from '../../src/ports.ts'
import type { Tab } from '../../src/testing/world.ts'
import { note } from '../counted.ts'
import { isSecret } from '../sightings.ts'
import { count, openOn, sleeper } from './failures/by-hand.ts'
import {
  callFrom,
  hours,
  listenTo,
  minutes,
  roughen,
  type Scene,
  scene,
  scripted,
  seconds,
  seeds,
  settled,
  storedIn,
  tokens,
  watch,
} from './scene.ts'

const aal2 = { session: { limits: limits('aal2') } }

/** The last refresh, and everybody's part in it, needs its while; then everything has been said. */
const grace = seconds(5)

const reasons = (s: Pick<Scene<number>, 'earOf'>, tab: Tab) => s.earOf(tab).ended.map(({ reason, by }) => `${reason} ${by}`)

const warnings = ({ session }: { readonly session: Session }): SessionEvents['expiring'][] => {
  const heard: SessionEvents['expiring'][] = []
  session.on('expiring', (event) => heard.push(event))
  return heard
}

/** The user works in this tab: something every `every` ms, for `span`. */
async function work(s: Pick<Scene<number>, 'advance'>, { session }: { readonly session: Session }, span: number, every = seconds(20)) {
  for (let gone = 0; gone < span; gone += every) {
    session.extend()
    await s.advance(every)
  }
}

/** What is told of the user's activity from now on, as it is written. */
function pulses({ browser: { records } }: Pick<Scene<number>, 'browser'>): { readonly session: string }[] {
  const told: { readonly session: string }[] = []
  const set = records.set.bind(records)
  records.set = (key, text) => {
    if (key.startsWith('activity')) told.push(JSON.parse(text))
    return set(key, text)
  }
  return told
}

/** The session as its sign-in left it, in every tab. */
type Stage = Pick<Scene<number>, 'server' | 'advance' | 'now' | 'insideOf'> & { readonly tabs: readonly Tab[] }

async function begin(s: Stage): Promise<void> {
  await settled(s, s.tabs[0]!.session.signIn(s.server.grant(), { subject: 'ann' }))
  await s.advance(seconds(1))
}

describe('the absolute limit', () => {
  test('REQ-109, REQ-115: ends the session in every tab at its moment, however active the user is and however often it is refreshed', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ maxAge: hours(1) }) } })
    await begin(s)
    await work(s, s.tabs[0], minutes(59))
    expect(s.server.refreshes).toBeGreaterThan(10)
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(minutes(1) + grace)
    for (const tab of s.tabs) {
      expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
      expect(s.earOf(tab).ended).toHaveLength(1)
      expect(s.earOf(tab).expired).toHaveLength(1)
    }
    expect(storedIn(s)).toMatchObject({ status: 'ended', reason: 'max-age' })
    expect(s.server.live).toEqual([])
    expect(s.server.reused).toBe(0)
  })

  test('REQ-110: thirty days of aal1: not a day sooner, and nothing fires at once (F18)', async () => {
    const s = scene({ expiresIn: 86_400, session: { keepFresh: 'on-demand', limits: limits('aal1') } })
    await begin(s)
    s.tabs[0].hide()
    await s.advance(hours(24 * 30) - minutes(1))
    expect(s.tabs[0].session.state.status).toBe('signed-in')
    await s.advance(minutes(1) + grace)
    expect(reasons(s, s.tabs[0])).toEqual(['max-age this-tab'])
  })

  test('REQ-115: a new sign-in begins a new life', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ maxAge: hours(1), idle: minutes(30) }) } })
    await begin(s)
    await work(s, s.tabs[1], minutes(50))
    await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
    await work(s, s.tabs[1], minutes(50))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await work(s, s.tabs[1], minutes(10) + grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
  })

  test('REQ-115: a new sign-in begins the idle limit anew, and a refresh does not', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ idle: minutes(30) }) } })
    await begin(s)
    await s.advance(minutes(25))
    await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
    await s.advance(minutes(25))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await settled(s, s.tabs[1].session.refresh())
    await s.advance(minutes(5) + grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  describe('REQ-109, REQ-115: counts from the user’s sign-in at the provider, which a silent one is not', () => {
    /** `before`: how long ago, by the provider's own clock, whatever that says. */
    const signedInAtProvider = (s: Stage, before: number, claims: object = {}) => {
      const idToken = { sub: 'ann', iat: 2_000_000_000, auth_time: 2_000_000_000 - before / 1000, ...claims }
      const id_token = `e30.${Buffer.from(JSON.stringify(idToken)).toString('base64url')}.`
      return settled(s, s.tabs[0]!.session.signIn({ ...s.server.grant(), id_token }))
    }

    test('what is left of it is what the session has, over reloads; the idle limit begins anew', async () => {
      const s = scene({ session: { limits: limits({ maxAge: hours(8), idle: hours(2) }) } })
      await signedInAtProvider(s, hours(7))
      await s.advance(minutes(30))
      const tab = await s.tabs[0].reload()
      const ear = listenTo(tab.session)
      await s.advance(minutes(29))
      expect(tab.session.state.status).toBe('signed-in')
      await s.advance(minutes(1) + grace)
      expect(ear.ended.map(({ reason }) => reason)).toEqual(['max-age'])
    })

    test('a session of which nothing is left ends within seconds', async () => {
      const s = scene(aal2)
      await signedInAtProvider(s, hours(24) + seconds(1))
      await s.advance(grace)
      expect(reasons(s, s.tabs[0])).toEqual(['max-age this-tab'])
      expect(s.server.live).toEqual([])
    })

    test('but what the server allows the session counts from its answer', async () => {
      const s = scene({ session: { limits: limits({}) } })
      await signedInAtProvider(s, hours(3), { session_expiry: 2_000_000_000 + 3_600 })
      await s.advance(minutes(59))
      expect(s.tabs[0].session.state.status).toBe('signed-in')
      await s.advance(minutes(1) + grace)
      expect(reasons(s, s.tabs[0])).toEqual(['max-age this-tab'])
    })

    test('REQ-44: and is not moved by its ID token, sent along again with each refresh', async () => {
      let refreshes = 0
      const idToken = { sub: 'ann', iat: 2_000_000_000, session_expiry: 2_000_000_000 + 3_600 }
      const id_token = `e30.${Buffer.from(JSON.stringify(idToken)).toString('base64url')}.`
      const s = scene({
        session: {
          limits: limits({}),
          refresh: {
            id: 'provider',
            refresh: async () => ({ access_token: isSecret(`access-${++refreshes}`), expires_in: 300, id_token }),
          },
        },
      })
      await settled(s, s.tabs[0].session.signIn({ ...s.server.grant(), id_token }))
      await s.advance(minutes(59))
      expect([s.tabs[0].session.state.status, refreshes]).toEqual(['signed-in', expect.toSatisfy((count) => count > 10)])
      await s.advance(minutes(1) + grace)
      expect(reasons(s, s.tabs[0])).toEqual(['max-age this-tab'])
    })
  })

  test('a reload does not begin it anew', async () => {
    const s = scene({ session: { limits: limits({ maxAge: hours(1) }) } })
    await begin(s)
    await s.advance(minutes(40))
    const tab = await s.tabs[0].reload()
    const ear = listenTo(tab.session)
    await s.advance(minutes(20) - seconds(3))
    expect(tab.session.state.status).toBe('signed-in')
    await s.advance(grace)
    expect(ear.ended.map(({ reason }) => reason)).toEqual(['max-age'])
  })

  test('REQ-46: a page that is opened after it shows no session for a moment, sends nothing, and says why', async () => {
    const s = scene({ session: { limits: limits({ maxAge: hours(1) }) }, expiresIn: 86_400 })
    await begin(s)
    s.tabs[0].crash()
    await s.advance(hours(2))
    const tab = s.world.openTab()
    const ear = listenTo(tab.session)
    const call = watch(callFrom(tab), s.now)
    await s.advance(seconds(5))
    expect(ear.states).toEqual([{ status: 'loading' }, { status: 'signed-out', reason: 'max-age' }])
    expect(ear.ended).toEqual([]) // it did not live through it
    expect(call.result?.code).toBe('signed_out')
    expect(s.server.calls).toEqual([])
    expect(s.server.live).toEqual([])
  })
})

describe('the idle limit', () => {
  test('F81, REQ-108: aal2, one tab used and one not: no end; both idle: one end in each, an hour after the last activity in any', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    const [a, b] = s.tabs
    await begin(s)
    await work(s, b, hours(5))
    expect([...reasons(s, a), ...reasons(s, b)]).toEqual([])
    const last = s.now() - seconds(20)
    await s.advance(last + hours(1) - s.now() - seconds(1))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    expect([...reasons(s, a), ...reasons(s, b)].sort()).toEqual(['idle other-tab', 'idle this-tab'])
    for (const { at } of s.server.presentations) expect(at).toBeLessThanOrEqual(last + hours(1))
    expect(s.server.live).toEqual([])
  })

  test('F81: a limit of a quarter of an hour, two hours in one of two tabs: no end; then one in each within five seconds of its time', async () => {
    const s = scene({ tabs: 2, session: { limits: limits('aal3') } })
    const [a, b] = s.tabs
    await begin(s)
    await work(s, b, hours(2), seconds(7))
    expect([...reasons(s, a), ...reasons(s, b)]).toEqual([])
    const last = s.now() - seconds(7)
    const heard: number[] = []
    for (const { session } of s.tabs) session.onSessionEnded(() => heard.push(s.now()))
    await s.advance(minutes(20))
    expect(heard).toHaveLength(2)
    for (const at of heard) expect(Math.abs(at - last - minutes(15))).toBeLessThanOrEqual(seconds(5))
  })

  test('REQ-106, REQ-111: requests and refreshes are no activity', async () => {
    const s = scene({ session: { ...aal2.session, keepFresh: 'always' } })
    const [tab] = s.tabs
    await begin(s)
    const begun = s.now()
    while (tab.session.state.status === 'signed-in' && s.now() - begun < hours(2)) {
      void callFrom(tab).catch(() => {})
      await s.advance(seconds(5))
    }
    expect(reasons(s, tab)).toEqual(['idle this-tab'])
    expect(s.now() - begun).toBeLessThanOrEqual(hours(1) + seconds(10))
    expect(s.server.calls.every(({ credential }) => credential === 'valid')).toBe(true)
  })

  test('REQ-111: coming back to a tab is activity', async () => {
    const s = scene(aal2)
    const [tab] = s.tabs
    await begin(s)
    tab.hide()
    await s.advance(minutes(50))
    tab.show()
    await s.advance(minutes(50))
    expect(tab.session.state.status).toBe('signed-in')
  })

  test('costs a write in a twentieth of the limit at most, and a request with a fresh token waits for nothing', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    await begin(s)
    const told = pulses(s)
    for (let press = 0; press < 3_600; press++) {
      s.tabs[0].session.extend()
      await s.advance(seconds(1))
    }
    expect(told.length).toBeGreaterThan(10)
    expect(told.length).toBeLessThanOrEqual(21)
    const before = s.now()
    await settled(s, callFrom(s.tabs[0]))
    expect(s.now()).toBe(before)
  })

  test('an activity that was not written yet is not lost by hiding, closing or reloading', async () => {
    for (const leave of ['hide', 'close'] as const) {
      const s = scene({ tabs: 2, ...aal2 })
      const [a, b] = s.tabs
      await begin(s)
      a.session.extend()
      await s.advance(minutes(2))
      a.session.extend() // within three minutes of the write
      if (leave === 'hide') a.hide()
      else a.session.close()
      await s.advance(seconds(1))
      a.crash()
      await s.advance(hours(1) - seconds(5))
      expect(b.session.state.status).toBe('signed-in')
      await s.advance(grace)
      expect(b.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    }
  })

  test.each([
    { away: 'frozen, and runs again before it is looked at', back: ['thaw', 'show'] },
    { away: 'frozen, and is looked at before it runs again', back: ['show', 'thaw'] },
    { away: 'hidden, where tabs do not hear of each other', back: ['show'] },
  ] as const)(
    'REQ-108, F81: a tab that was away while the same user signed in again and worked ends nothing early, and coming back to it counts: $away',
    async ({ back }) => {
      for (const [delay, span] of [0, 5].flatMap((delay) => [[delay, minutes(57)] as const, [delay, hours(3)] as const])) {
        const s = scene({ tabs: 0 as 1, ...aal2 })
        s.browser.behaviour.storeDelay = () => delay
        s.browser.behaviour.hasChannel = back.length > 1
        const [a, b] = [s.world.openTab(), s.world.openTab()]
        await settled(s, a.session.signIn(s.server.grant(), { subject: 'ann' }))
        await s.advance(seconds(1))
        a.session.extend()
        a.hide()
        await s.advance(seconds(1))
        if (back.length > 1) a.freeze()
        await s.advance(minutes(1))
        await settled(s, b.session.signIn(s.server.grant(), { subject: 'ann' })) // a step-up, say
        const told = pulses(s)
        await work(s, b, span)
        b.hide()
        await s.advance(seconds(1))
        for (const what of back) a[what]()
        await s.advance(hours(1) - seconds(2))
        for (const { session } of [a, b]) expect(session.state.status).toBe('signed-in')
        expect(new Set(told.map(({ session }) => session))).toEqual(new Set([storedIn(s)?.session]))
        await s.advance(grace)
        for (const { session } of [a, b]) expect(session.state).toEqual({ status: 'signed-out', reason: 'idle' })
      }
    },
  )

  test('outlasts a reload: a new page knows of what the user did on the one before', async () => {
    const s = scene(aal2)
    await begin(s)
    await work(s, s.tabs[0], hours(2))
    const last = s.now() - seconds(20)
    const tab = await s.tabs[0].reload()
    await s.advance(last + hours(1) - s.now() - seconds(1))
    expect(tab.session.state.status).toBe('signed-in')
    await s.advance(grace)
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test.each([
    { of: 'aal2', limits: limits('aal2'), span: hours(1) },
    { of: 'eight hours', limits: limits({ maxAge: hours(8) }), span: hours(8) },
    { of: 'aal1', limits: limits('aal1'), span: hours(24 * 30) },
    { of: 'none but the server’s', limits: limits({}), span: hours(24 * 30) },
    { of: 'sixty days', limits: limits({ maxAge: hours(24 * 60) }), span: hours(24 * 30) },
    {
      of: 'sixty days, idle: whoever is back after fifty was active within the limit',
      limits: limits({ idle: hours(24 * 60) }),
      span: hours(24 * 60),
    },
  ])('REQ-140: the store is told until when what is kept of activity is needed: $of', async ({ limits, span }) => {
    const s = scene({ tabs: 0 as 1 })
    const told: unknown[] = []
    const tamper = ({ store }: Ports): Partial<Ports> => ({
      store: {
        read: store.read,
        replace(key, expected, next, until) {
          if (key.startsWith('activity')) told.push(until && Math.round((until - Date.UTC(2026, 0, 1) - s.now()) / 1_000) * 1_000)
          return store.replace(key, expected, next, until)
        },
      },
    })
    const { session } = openOn(s, tamper, { limits })
    await settled(s, session.signIn(s.server.grant({ authorization_expires_in: 600 })))
    await s.advance(seconds(1))
    session.extend()
    await s.advance(minutes(9) + seconds(30)) // it has been warned, too
    expect(told.length).toBeGreaterThan(0)
    expect(new Set(told)).toEqual(new Set([span]))
  })

  test('without limits, nothing ends, nothing is written, and extend does nothing', async () => {
    const s = scene()
    const [tab] = s.tabs
    await begin(s)
    await work(s, tab, minutes(10))
    tab.hide()
    await s.advance(hours(100))
    expect(tab.session.state.status).toBe('signed-in')
    expect(s.browser.records.size).toBe(1)
  })
})

describe('sleep', () => {
  const kinds = [
    { kind: 'idle', limits: limits('aal3') },
    { kind: 'max-age', limits: limits({ maxAge: hours(4) }) },
  ] as const

  test.each(kinds)(
    'F20, REQ-46, REQ-114: asleep past the limit ($kind): it ends before any request leaves, whatever comes first',
    async ({ kind, ...given }) => {
      for (const first of ['a call', 'a key', 'a look']) {
        const s = scene({ tabs: 0 as 1, expiresIn: 86_400 })
        const machine = sleeper()
        const tab = openOn(s, ({ clock }) => ({ clock: machine.clock(clock) }), given)
        const ear = listenTo(tab.session)
        await settled(s, tab.session.signIn(s.server.grant()))
        await s.advance(seconds(10))
        tab.session.extend()
        await s.advance(seconds(10))
        machine.sleep()
        await s.advance(hours(8))
        const ring = machine.wake()
        if (first === 'a key') tab.session.extend()
        if (first === 'a look') tab.show()
        const call = watch(callFrom(tab), s.now)
        await s.advance(seconds(20)) // what a browser's clock looks after itself
        ring()
        await s.advance(grace)
        expect(call.result?.code).toBe('session_ended')
        expect(ear.ended.map(({ reason }) => reason)).toEqual([kind])
        expect(s.server.calls).toEqual([])
        expect(s.server.presentations).toEqual([])
        expect(s.server.live).toEqual([])
      }
    },
  )

  test('F81, REQ-114: half of the limit worked in one of two tabs, and half slept while one clock stands still: neither ends it', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ idle: hours(1) }) } })
    await begin(s)
    await work(s, s.tabs[0], minutes(28))
    for (const tab of s.tabs) s.insideOf(tab).halt()
    await s.advance(minutes(40))
    for (const tab of s.tabs) {
      s.insideOf(tab).skipMonotonic(minutes(40))
      s.insideOf(tab).thaw()
    }
    await s.advance(minutes(19))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(minutes(1) + grace)
    for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('REQ-46: a tab that was frozen past the limit, alone: it ends before its waiting call leaves', async () => {
    const s = scene({ expiresIn: 86_400, session: { limits: limits('aal3') } })
    const [tab] = s.tabs
    await begin(s)
    tab.freeze()
    await s.advance(hours(2))
    tab.thaw()
    const call = watch(callFrom(tab), s.now)
    await s.advance(grace)
    expect(call.result?.code).toBe('session_ended')
    expect(reasons(s, tab)).toEqual(['idle this-tab'])
    expect(s.server.calls).toEqual([])
  })

  test('F81: a tab that was frozen while the user worked in another knows so before it does anything else', async () => {
    const s = scene({ tabs: 2, session: { limits: limits('aal3') } })
    const [a, b] = s.tabs
    await begin(s)
    a.freeze()
    await work(s, b, hours(2))
    a.thaw()
    expect((await settled(s, callFrom(a))).value).toBe(200)
    expect([...reasons(s, a), ...reasons(s, b)]).toEqual([])
  })
})

describe('clocks that are set (REQ-114)', () => {
  const setClocks = (s: Stage, offset: number) => {
    for (const tab of s.tabs) s.insideOf(tab).setClock(offset)
  }

  test('back by a day: neither limit is extended', async () => {
    for (const kind of ['idle', 'max-age'] as const) {
      const s = scene({ tabs: 2, session: { limits: limits(kind === 'idle' ? { idle: hours(1) } : { maxAge: hours(3) }) } })
      await begin(s)
      await work(s, s.tabs[0], hours(1))
      await s.advance(minutes(2))
      const last = kind === 'idle' ? s.now() - minutes(2) - seconds(20) : 0
      setClocks(s, -hours(24))
      await s.advance(last + hours(kind === 'idle' ? 1 : 3) - s.now() - seconds(2))
      for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
      await s.advance(grace)
      for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: kind })
    }
  })

  test('back by less than the user has been away: nor is the idle one', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ idle: hours(1) }) } })
    await begin(s)
    await work(s, s.tabs[0], minutes(10))
    setClocks(s, -minutes(20))
    await s.advance(hours(1) - seconds(22))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(grace)
    for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('back by a day, and a reload: the session is as old as it was when the user was last active', async () => {
    const s = scene({ session: { limits: limits({ maxAge: hours(3), idle: hours(1) }) } })
    await begin(s)
    await work(s, s.tabs[0], hours(2))
    setClocks(s, -hours(24))
    s.tabs[0].crash()
    const tab = s.world.openTab()
    s.insideOf(tab).setClock(-hours(24))
    await s.advance(0)
    await work(s, tab, minutes(55))
    expect(tab.session.state.status).toBe('signed-in')
    await work(s, tab, minutes(10))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
  })

  test('back by a day while the user works: work goes on to count, in all tabs', async () => {
    const s = scene({ tabs: 2, session: { limits: limits('aal3') } })
    await begin(s)
    await work(s, s.tabs[0], minutes(30))
    setClocks(s, -hours(24))
    await work(s, s.tabs[0], hours(2))
    for (const tab of s.tabs) expect(reasons(s, tab)).toEqual([])
    await s.advance(minutes(16))
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('forth by more than the limit: it cannot be told from sleep, and ends the session in every tab', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    await begin(s)
    setClocks(s, hours(2))
    await s.advance(grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('by a second or two while the user works, as clocks are corrected: nothing', async () => {
    const s = scene({ tabs: 2, session: { limits: limits('aal3') } })
    await begin(s)
    for (let turn = 0; turn < 30; turn++) {
      setClocks(s, turn % 2 ? -seconds(2) : seconds(2))
      await work(s, s.tabs[turn % 2] as Tab, minutes(5))
    }
    for (const tab of s.tabs) expect(reasons(s, tab)).toEqual([])
  })
})

describe('a limit that is reached at a bad moment', () => {
  test('REQ-11: offline: it ends in every tab all the same, leaves nothing on the device, and is revoked as far as possible', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    await begin(s)
    for (const tab of s.tabs) tab.offline()
    await s.advance(hours(1) + grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    expect(storedIn(s)).not.toHaveProperty('grant')
    for (const tab of s.tabs) tab.online()
    expect((await settled(s, callFrom(s.tabs[1]))).code).toBe('signed_out')
    await s.advance(seconds(1))
    expect(s.server.live).toEqual([])
  })

  test('in the middle of a refresh, with a request that waits for it: the call ends, and what is granted is revoked, not stored (I6)', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher, keepFresh: 'on-demand', limits: limits({ idle: minutes(10) }) } })
    script.stage = s
    const [a, b] = s.tabs
    await settled(s, a.session.signIn(tokens('mine')))
    await s.advance(minutes(10) - seconds(3))
    script.answers.push({ after: seconds(6), give: tokens('late') })
    const call = watch(callFrom(b), s.now)
    await s.advance(seconds(2))
    expect(script.asked).toHaveLength(1)
    await s.advance(seconds(20))
    expect(call.result?.code).toBe('session_ended')
    for (const tab of [a, b]) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    expect(script.revoked.sort()).toEqual(['refresh-late', 'refresh-mine'])
    expect(storedIn(s)).toMatchObject({ status: 'ended', reason: 'idle' })
    expect(storedIn(s)).not.toHaveProperty('grant')
  })

  test('while another tab renews: the generation has moved, it is judged anew, and ends once', async () => {
    for (const seed of seeds(40)) {
      const s = scene({ tabs: 3, seed, expiresIn: 60, session: { keepFresh: 'always', limits: limits({ maxAge: minutes(10) }) } })
      const random = roughen(s, seed, { store: 200, message: 200, lock: 50 })
      s.latency = () => random() * 3_000
      await begin(s)
      await s.advance(minutes(10) + seconds(20))
      for (const tab of s.tabs) {
        expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
        expect(s.earOf(tab).ended).toHaveLength(1)
      }
      expect([s.server.live, s.server.reused]).toEqual([[], 0])
    }
  })

  test('with a request on its way: its answer belongs to nobody (F10)', async () => {
    const s = scene({ session: { limits: limits({ maxAge: minutes(10) }) } })
    await begin(s)
    await s.advance(minutes(10) - seconds(3))
    s.latency = () => seconds(4)
    const call = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(seconds(20))
    expect(call.result?.code).toBe('session_ended')
  })

  test.each(['fails', 'hangs'] as const)('with a store that %s: nothing leaves until it can be asked; then it ends', async (fault) => {
    const s = scene({ tabs: 2, expiresIn: 86_400, ...aal2 })
    await begin(s)
    await s.advance(minutes(59))
    let asked = 0
    s.browser.behaviour.storeFault = () => {
      asked++
      return fault
    }
    await s.advance(minutes(2))
    const call = await settled(s, callFrom(s.tabs[0]))
    expect(call.code).toBe('refresh_unavailable')
    expect(s.server.calls).toEqual([])
    expect(asked).toBeLessThan(1_000) // and is not asked without end
    s.browser.behaviour.storeFault = () => 'none'
    await s.advance(grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('F42: storage is cleared while the user works: whoever saw the user still knows', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    await begin(s)
    await work(s, s.tabs[0], hours(3))
    s.browser.records.clear()
    await work(s, s.tabs[0], minutes(30))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    s.browser.records.clear()
    await s.advance(hours(1) + minutes(1))
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
  })
})

describe('the warning', () => {
  test('REQ-112: comes once, in one of the tabs that are visible, a minute before, with its kind and moment', async () => {
    const s = scene({ tabs: 3, ...aal2 })
    const heard = s.tabs.map(warnings)
    await begin(s)
    s.tabs[0].hide()
    await s.advance(minutes(59) - seconds(5))
    expect(heard.flat()).toEqual([])
    await s.advance(seconds(10))
    expect(heard[0]).toEqual([])
    expect(heard.flat()).toEqual([{ kind: 'idle', endsAt: expect.any(Number) }])
    const { endsAt } = heard.flat()[0]!
    await s.advance(minutes(1))
    const [end] = s.earOf(s.tabs[1]).ended
    expect(Math.abs(endsAt - end!.endedAt)).toBeLessThanOrEqual(seconds(1))
    expect(heard.flat()).toHaveLength(1)
  })

  test('REQ-112: extend, in any tab, puts the end off, as often as the user likes; each time there is a warning', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    const heard = s.tabs.map(warnings)
    await begin(s)
    for (let time = 1; time <= 11; time++) {
      await s.advance(minutes(59) + seconds(30))
      expect(heard.flat()).toHaveLength(time)
      s.tabs[time % 2]!.session.extend()
    }
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(hours(1) + grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'idle' })
    s.tabs[0].session.extend()
    await s.advance(grace)
    expect(s.tabs[0].session.state.status).toBe('signed-out')
  })

  test('REQ-112: who was warned before the user went on in another tab is warned again', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    const [a, b] = s.tabs
    const heard = s.tabs.map(warnings)
    await begin(s)
    b.hide()
    for (let time = 1; time <= 3; time++) {
      await s.advance(minutes(59) + seconds(30))
      expect(heard.map(({ length }) => length)).toEqual([time, 0])
      b.session.extend()
    }
    await s.advance(minutes(1))
    expect(a.session.state.status).toBe('signed-in')
  })

  test('both limits passed in sleep, and the refresh token as well: it ends once, for the one that came first', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ idle: hours(1), maxAge: hours(2) }) } })
    await settled(s, s.tabs[0].session.signIn(s.server.grant({ refresh_expires_in: 600 })))
    await s.advance(seconds(1))
    for (const tab of s.tabs) tab.hide()
    for (const tab of s.tabs) tab.freeze()
    await s.advance(hours(10))
    for (const tab of s.tabs) tab.thaw()
    await s.advance(grace)
    for (const tab of s.tabs) expect(s.earOf(tab).ended.map(({ reason }) => reason)).toEqual(['idle'])
  })

  test('REQ-112: an absolute limit is warned of once, and extend does not move it', async () => {
    const s = scene({ session: { limits: limits({ maxAge: hours(1), warnBefore: minutes(5) }) } })
    const heard = warnings(s.tabs[0])
    await begin(s)
    await work(s, s.tabs[0], minutes(56))
    expect(heard).toEqual([{ kind: 'max-age', endsAt: expect.any(Number) }])
    await work(s, s.tabs[0], minutes(4) + grace)
    expect(s.tabs[0].session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
    expect(heard).toHaveLength(1)
  })

  test('who looks at a tab only after it was due is warned then', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({ maxAge: hours(1), warnBefore: minutes(5) }) } })
    const heard = s.tabs.map(warnings)
    await begin(s)
    for (const tab of s.tabs) tab.hide()
    await s.advance(minutes(57))
    expect(heard.flat()).toEqual([])
    s.tabs[1].show()
    await s.advance(seconds(5))
    expect(heard.map(({ length }) => length)).toEqual([0, 1])
  })

  test('a warning comes after a reload only if nobody was warned', async () => {
    const s = scene(aal2)
    await begin(s)
    await s.advance(minutes(59) + seconds(10))
    const tab = await s.tabs[0].reload()
    const heard = warnings(tab)
    await s.advance(seconds(30))
    expect(heard).toEqual([])
  })
})

describe('what the server tells', () => {
  const bound = { authorization_expires_in: 3_600 }

  test('REQ-43, REQ-44: ends the session at its moment without any limits, however often it was refreshed', async () => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant(bound)))
    await s.advance(hours(1) - seconds(5))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
    await s.advance(seconds(5) + grace)
    for (const tab of s.tabs) {
      expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'refresh-expired' })
      expect(s.earOf(tab).ended).toHaveLength(1)
    }
    expect(s.server.presentations.every(({ at }) => at <= hours(1))).toBe(true)
  })

  describe('REQ-43, REQ-44: is what it has said last,', () => {
    /** Its session of an hour is said to be over this long after the sign-in, by the refreshes that `says` is asked about. */
    const told = (after: number, says: (count: number) => boolean, session: Partial<SessionOptions>) => {
      let count = 0
      let begun = 0
      const left = (): object => ({ authorization_expires_in: Math.round((begun + after - s.now()) / 1000) })
      const refresh: RefreshFunction = async () => {
        count++
        return {
          access_token: isSecret(`access-${count}`),
          refresh_token: isSecret(`refresh-${count}`),
          expires_in: 300,
          ...(says(count) && left()),
        }
      }
      const s = scene({ session: { refresh: { id: 'teller', refresh }, keepFresh: 'always', ...session } })
      const ear = s.earOf(s.tabs[0])
      begun = s.now()
      return { s, ear }
    }
    const tokens = (more: object = {}) => ({
      access_token: isSecret('access-0'),
      refresh_token: isSecret('refresh-0'),
      expires_in: 300,
      ...more,
    })

    test.each([
      { name: 'none', session: {}, reason: 'refresh-expired' },
      { name: 'limits({})', session: { limits: limits({}) }, reason: 'max-age' },
    ])('though it says it once, with a refresh: $name', async ({ session, reason }) => {
      const { s, ear } = told(minutes(20), (count) => count === 1, session)
      await settled(s, s.tabs[0].session.signIn(tokens()))
      await s.advance(minutes(20) - seconds(5))
      expect(s.tabs[0].session.state.status).toBe('signed-in')
      await s.advance(seconds(5) + grace)
      expect(ear.ended.map((end) => end.reason)).toEqual([reason])
    })

    test('and is warned of', async () => {
      const { s } = told(minutes(20), () => true, { limits: limits({}) })
      const heard = warnings(s.tabs[0])
      await settled(s, s.tabs[0].session.signIn(tokens()))
      const { signedInAt } = s.tabs[0].session.state as { readonly signedInAt: number } // signed in as it is
      await s.advance(minutes(20) + grace)
      expect(heard).toEqual([{ kind: 'max-age', endsAt: expect.any(Number) }])
      expect(Math.abs((heard[0]?.endsAt ?? 0) - signedInAt - minutes(20))).toBeLessThan(seconds(2))
    })

    test.each([{}, { limits: limits({}) }])('though it is later than what it had said at the sign-in: %o', async (session) => {
      const { s } = told(hours(1), () => true, session)
      await settled(s, s.tabs[0].session.signIn(tokens({ authorization_expires_in: 600 })))
      await s.advance(minutes(59))
      expect(s.tabs[0].session.state.status).toBe('signed-in')
      await s.advance(minutes(1) + grace)
      expect(s.tabs[0].session.state.status).toBe('signed-out')
    })
  })

  test.each([minutes(70), minutes(70) + seconds(30)])(
    'REQ-44, REQ-112: that is moved after its warning is warned of anew, once in all tabs, though each refresh says it again and a little otherwise: %d ms',
    async (later) => {
      let count = 0
      let now = () => 0
      const refresh: RefreshFunction = async () => {
        const until = now() < minutes(20) - seconds(50) ? minutes(20) : later
        const left = until - now() + seconds((++count % 3) - 1)
        return tokens(`${count}`, { expires_in: 20, authorization_expires_in: Math.round(left / 1000) })
      }
      const s = scene({ tabs: 2, session: { limits: limits({}), keepFresh: 'always', refresh: { id: 'mover', refresh } } })
      now = s.now
      const heard = s.tabs.map(warnings)
      await settled(s, s.tabs[0].session.signIn(tokens('mine', { expires_in: 20, authorization_expires_in: 1_200 })))
      const { signedInAt } = s.tabs[0].session.state as { readonly signedInAt: number } // signed in as it is
      await s.advance(minutes(19) + seconds(15))
      expect(heard.flat()).toHaveLength(1)
      await s.advance(later)
      expect(s.tabs[0].session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
      const inOrder = heard.flat().sort((one, other) => one.endsAt - other.endsAt) // which tab it was does not matter
      const ends = inOrder.map(({ kind, endsAt }) => [kind, Math.round((endsAt - signedInAt) / 10_000) * 10_000])
      expect(ends).toEqual([
        ['max-age', minutes(20)],
        ['max-age', later],
      ])
    },
  )

  test('REQ-44: with limits it is an absolute limit, if it is the earlier one', async () => {
    const s = scene({ tabs: 2, session: { limits: limits({}) } })
    const heard = s.tabs.map(warnings)
    await settled(s, s.tabs[0].session.signIn(s.server.grant(bound)))
    await s.advance(hours(1) + grace)
    for (const tab of s.tabs) expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'max-age' })
    expect(heard.flat().map(({ kind }) => kind)).toEqual(['max-age'])
    expect(s.server.live).toEqual([])
  })

  test('REQ-43, REQ-112: with limits, the end of the refresh token is warned of, once no refresh can come before it', async () => {
    const s = scene({ rotation: 'static', session: { limits: limits({}) } })
    const heard = warnings(s.tabs[0])
    await settled(s, s.tabs[0].session.signIn(s.server.grant({ refresh_token_timeout: 1_000 })))
    await s.advance(seconds(900))
    expect(heard).toEqual([])
    await s.advance(minutes(10))
    expect(s.tabs[0].session.state).toEqual({ status: 'signed-out', reason: 'refresh-expired' })
    expect(heard).toEqual([{ kind: 'refresh-expired', endsAt: expect.any(Number) }])
    expect(Math.abs(heard[0]!.endsAt - s.earOf(s.tabs[0]).ended[0]!.endedAt)).toBeLessThanOrEqual(seconds(1))
  })

  test('a server that gives more time with each refresh: no warning, no end', async () => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher, limits: limits({}) } })
    script.stage = s
    const heard = warnings(s.tabs[0])
    for (let turn = 0; turn < 100; turn++) script.answers.push({ after: 100, give: tokens(`later-${turn}`, { refresh_expires_in: 400 }) })
    await settled(s, s.tabs[0].session.signIn(tokens('mine', { refresh_expires_in: 400 })))
    await s.advance(hours(5))
    expect([heard, s.earOf(s.tabs[0]).ended]).toEqual([[], []])
  })
})

describe('what others write and say', () => {
  test('F65, REQ-105: no message between tabs keeps a session alive, or ends it', async () => {
    const s = scene({ tabs: 2, ...aal2 })
    await begin(s)
    const { session, generation } = storedIn(s)!
    const forger = s.browser.openTab(fetch).ports('https://server.test').peers
    const forge = async (span: number) => {
      for (let gone = 0; gone < span; gone += minutes(1)) {
        for (const missing of [true, false])
          for (const at of [0, generation, generation + 1])
            forger.tell({ session, generation: at, missing, active: Date.now(), ended: 'idle' } as never)
        await s.advance(minutes(1))
      }
    }
    await forge(minutes(58))
    for (const {
      session: { state },
    } of s.tabs)
      expect(state.status).toBe('signed-in')
    await forge(minutes(3))
    for (const {
      session: { state },
    } of s.tabs)
      expect(state).toEqual({ status: 'signed-out', reason: 'idle' })
  })

  test('damaged pulses are none, and are written over; one from the future counts from when it was found, once', async () => {
    const key = 'activity latchkey:https://server.test'
    const damaged = ['', '{', 'null', '[]', '{"session":5}', '"x"', '1e999']
    for (const make of [
      ...damaged.map((text) => () => text),
      (session: string) => JSON.stringify({ session, at: '5', age: 0, warned: [] }),
      (session: string) => JSON.stringify({ session, at: 1e15, age: -1, warned: [] }),
      (session: string) => JSON.stringify({ session, at: 1e15, age: 0, warned: null }),
      (session: string) => JSON.stringify({ session: `not ${session}`, at: 1e15, age: 0, warned: [] }),
      (session: string) => JSON.stringify({ session, at: 1e15, age: 0, warned: [5, null] }),
    ]) {
      const s = scene({ tabs: 2, ...aal2 })
      await begin(s)
      s.browser.records.set(key, make(storedIn(s)!.session))
      await work(s, s.tabs[0], hours(2))
      for (const { session } of s.tabs) expect(session.state.status).toBe('signed-in')
      s.browser.records.set(key, make(storedIn(s)!.session))
      await s.advance(hours(2) + minutes(1))
      for (const { session } of s.tabs) expect(session.state.status).toBe('signed-out')
    }
  })
})

describe('REQ-120: sessions from before an incident', () => {
  /** Signed in with a build that knows of no incident; then the app ships another. */
  async function signedInBefore(tabs: 1 | 2 = 1) {
    const s = scene({ tabs: tabs as 2 })
    await begin(s)
    await s.advance(minutes(1))
    const incidentAt = s.tabs[0].session.state.status === 'signed-in' ? s.tabs[0].session.state.signedInAt + seconds(30) : 0
    return { s, incidentAt, open: (options = {}) => openOn(s, () => ({}), { limits: limits({ incidentAt }), ...options }) }
  }

  test('a page of the new build shows no session for a moment, sends nothing, and ends it in the pages of the old one', async () => {
    const { s, open } = await signedInBefore(2)
    const tab = open()
    const ear = listenTo(tab.session)
    const call = watch(callFrom(tab), s.now)
    await s.advance(seconds(2))
    expect(ear.states).toEqual([{ status: 'loading' }, { status: 'signed-out', reason: 'incident' }])
    expect(call.result?.code).toBe('signed_out')
    expect(s.server.calls).toEqual([])
    for (const old of s.tabs) {
      expect(old.session.state).toEqual({ status: 'signed-out', reason: 'incident' })
      expect(s.earOf(old).expired.map(({ reason }) => reason)).toEqual(['incident'])
    }
    expect(storedIn(s)).toMatchObject({ status: 'ended', reason: 'incident' })
    expect(s.server.live).toEqual([])
  })

  test('are known by their tokens: a session that began after it stays, though the user had signed in at the provider before', async () => {
    const { s, incidentAt } = await signedInBefore()
    const { session } = openOn(s, () => ({}), { limits: limits({ incidentAt }) })
    await s.advance(minutes(1))
    const idToken = { sub: 'ann', iat: 2_000_000_000, auth_time: 2_000_000_000 - 3_600 }
    const id_token = `e30.${Buffer.from(JSON.stringify(idToken)).toString('base64url')}.`
    await settled(s, session.signIn({ ...s.server.grant(), id_token }))
    await s.advance(minutes(1))
    expect(session.state.status).toBe('signed-in')
  })

  test('offline, too: nothing is left of it on the device', async () => {
    const { s, open } = await signedInBefore()
    s.tabs[0].crash()
    const tab = open()
    tab.offline()
    await s.advance(seconds(2))
    expect(tab.session.state).toEqual({ status: 'signed-out', reason: 'incident' })
    expect(storedIn(s)).not.toHaveProperty('grant')
  })

  test('whoever signs in after it stays, over reloads; and so does whoever did so before the build came', async () => {
    const { s, open } = await signedInBefore()
    const tab = open()
    await s.advance(seconds(2))
    await settled(s, tab.session.signIn(s.server.grant()))
    await s.advance(minutes(10))
    const next = open()
    await s.advance(minutes(10))
    for (const { session } of [tab, next]) expect(session.state.status).toBe('signed-in')
    expect((await settled(s, callFrom(next))).value).toBe(200)

    const later = await signedInBefore()
    const kept = openOn(later.s, () => ({}), { limits: limits('aal2', { incidentAt: later.incidentAt - minutes(1) }) })
    await later.s.advance(minutes(1))
    expect(kept.session.state.status).toBe('signed-in')
  })

  test('a record whose clock was ahead passes for a later one: only the server knows better', async () => {
    const s = scene()
    s.insideOf(s.tabs[0]).setClock(hours(2))
    await begin(s)
    s.tabs[0].crash()
    const tab = openOn(s, () => ({}), { limits: limits({ incidentAt: Math.max(1e12 + 1, s.now()) + hours(1) }) })
    await s.advance(seconds(5))
    expect(tab.session.state.status).toBe('signed-in')
  })

  test.each([5, 1_700_000_000, Number.NaN, Infinity, '2026-01-01', new Date(), null])('%s is no moment', (given) => {
    expect(() => limits({ incidentAt: given as number })).toThrow(/^`incidentAt` must be a moment/)
    expect(() => limits('aal2', { incidentAt: given as number })).toThrow(TypeError)
  })
})

test('REQ-108: whatever the delays, lost messages and tabs that come and go: no end while somebody is active, and then one in each', async ({
  task,
}) => {
  let ends = 0
  for (const seed of seeds(25)) {
    const s = scene({ tabs: 3, seed, rotation: 'static', expiresIn: 600, session: { limits: limits('aal3') } })
    const random = roughen(s, seed, { store: 300, message: 300, lock: 20 })
    s.latency = () => random() * 500
    s.browser.behaviour.loses = () => random() < 0.3
    s.browser.behaviour.hasLocks = random() < 0.5
    await begin(s)
    await s.advance(seconds(31)) // a tab that has not heard of the sign-in looks by itself
    for (let turn = 0; turn < 30; turn++) {
      const tab = s.tabs[Math.floor(random() * 3)] as Tab
      if (random() < 0.3) tab.hide()
      if (random() < 0.3) tab.freeze()
      await s.advance(random() * minutes(13))
      tab.thaw()
      tab.show()
      tab.session.extend()
      await s.advance(seconds(5))
    }
    for (const tab of s.tabs) expect(reasons(s, tab), `seed ${seed}`).toEqual([])
    await s.advance(minutes(17))
    for (const tab of s.tabs)
      expect(
        s.earOf(tab).ended.map(({ reason }) => reason),
        `seed ${seed}`,
      ).toEqual(['idle'])
    ends += 3
    expect([s.server.live, s.server.reused]).toEqual([[], 0])
  }
  note(task, { ends })
})

test('close lets go of all that limits have taken', async () => {
  const { held, tamper } = count()
  const s = scene({ tabs: 0 as 1 })
  const tab = openOn(s, tamper, aal2.session)
  await settled(s, tab.session.signIn(s.server.grant()))
  tab.session.extend()
  await s.advance(seconds(10))
  tab.session.extend()
  tab.session.close()
  await s.advance(minutes(1))
  expect(held).toEqual({ timers: 0, listeners: 0, channels: 0, locks: 0 })
})
