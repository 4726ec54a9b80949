import type { RefreshFunction } from 'latchkey'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../src/ports.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { callFrom, hours, listenTo, minutes, scene, scripted, seconds, seeds, settled, tokens, watch } from '../scene.ts'
import { openOn, sleeper } from './by-hand.ts'

// B: timers, sleep and clocks.

describe('F19', () => {
  /** Timers at most once a minute while nobody looks, and none at all from the tenth to the sixteenth minute. */
  function throttled({ now, wakeAt }: Clock, isHidden: () => boolean): Clock {
    const epoch = now().wall
    return {
      now,
      wakeAt(at, wake) {
        if (!isHidden()) return wakeAt(at, wake)
        const minute = Math.ceil((at - epoch) / minutes(1))
        return wakeAt(epoch + minutes(minute >= 10 && minute < 16 ? 16 : minute), wake)
      },
    }
  }

  test.each([
    { keepFresh: 'while-visible', before: 0, after: 1 },
    { keepFresh: 'always', before: 3, after: 1 },
  ] as const)('F19: hidden for half an hour with timers once a minute ($keepFresh): six calls in the tick of the return', async (row) => {
    const s = scene({ tabs: 0 as 1, expiresIn: 600 })
    let hidden = false
    const tab = openOn(s, ({ clock }) => ({ clock: throttled(clock, () => hidden) }), { keepFresh: row.keepFresh })
    await tab.session.signIn(s.server.grant())
    hidden = true
    tab.hide()
    await s.advance(minutes(30))
    const before = s.server.presentations.length
    expect(before >= row.before && before <= 3).toBe(true)
    s.latency = () => 100
    hidden = false
    tab.show()
    const calls = Array.from({ length: 6 }, () => watch(callFrom(tab), s.now))
    await s.advance(seconds(1) + 400)
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(6).fill(200))
    expect(s.server.presentations.length - before).toBeLessThanOrEqual(row.after)
    if (row.keepFresh === 'while-visible') expect(s.server.presentations).toHaveLength(1)
    expect(s.server.calls.map(({ credential }) => credential)).toEqual(Array(6).fill('valid'))
  })
})

describe('F20', () => {
  async function asleep() {
    const s = scene({ tabs: 0 as 1 })
    const machine = sleeper()
    const tab = openOn(s, ({ clock }) => ({ clock: machine.clock(clock) }))
    await tab.session.signIn(s.server.grant())
    await s.advance(seconds(10))
    machine.sleep()
    await s.advance(hours(8))
    expect(s.server.presentations).toEqual([])
    return { s, tab, wake: machine.wake }
  }

  test('F20: eight hours in which nothing ran and no page was told: the first call, before any timer, refreshes before it leaves', async () => {
    const { s, tab, wake } = await asleep()
    wake()
    expect((await settled(s, callFrom(tab))).value).toBe(200)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
    expect(s.server.presentations).toHaveLength(1)
  })

  test('F20: with no call, a refresh within 30 s, though the timers come 20 s late', async () => {
    const { s, wake } = await asleep()
    const ring = wake()
    await s.advance(seconds(20)) // what a browser's clock looks after itself
    ring()
    await s.advance(seconds(10))
    expect(s.server.presentations).toHaveLength(1)
  })
})

test.each([-25, -1, -1 / 12, 1 / 12, 1, 25])(
  'F21: a clock that is %d h wrong, a call each minute for a day: 24 to 26 refreshes, no expired token, no end',
  async (offset) => {
    const s = scene({ expiresIn: 3_600 })
    s.insideOf(s.tabs[0]).setClock(hours(offset))
    await s.tabs[0].session.signIn(s.server.grant())
    const statuses: number[] = []
    for (let minute = 0; minute < 24 * 60; minute++) {
      await s.advance(minutes(1))
      statuses.push(await callFrom(s.tabs[0]))
    }
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(s.server.presentations.length).toBeGreaterThanOrEqual(24)
    expect(s.server.presentations.length).toBeLessThanOrEqual(26)
    expect(s.server.calls.filter(({ credential }) => credential !== 'valid')).toEqual([])
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  },
)

describe('F22', () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const jwt = (claims: object) => `${part({ alg: 'none' })}.${part(claims)}.${part('signature')}`

  /** A backend whose answers have nothing but a JWT in them; the browser's clock is ten minutes behind the server's. */
  async function behind(hasIssueTime: boolean) {
    let asked = 0
    const served: number[] = []
    const issue = () => {
      const iat = Math.round(s.now() / 1000)
      return { access_token: jwt({ jti: ++asked, ...(hasIssueTime && { iat }), exp: iat + 300 }), refresh_token: `refresh-${asked}` }
    }
    const refresh: RefreshFunction = async () => issue()
    const s = scene({ tabs: 0 as 1, session: { refresh, name: 'jwt' } })
    s.server.onRequest((request) => {
      const claims = JSON.parse(String(Buffer.from(request.headers.get('Authorization')!.split('.')[1]!, 'base64url')))
      served.push(s.now() / 1000 < claims.exp ? 200 : 401)
      return Response.json({}, { status: served.at(-1)!, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } })
    })
    const tab = s.world.openTab()
    s.insideOf(tab).setClock(-minutes(10))
    await s.advance(0)
    await tab.session.signIn(issue())
    asked = 0
    return { s, tab, served, asked: () => asked, ear: listenTo(tab.session) }
  }

  test('F22: a clock ten minutes behind, tokens that say when they were issued: ten expiries without a 401', async () => {
    const { s, tab, served, asked, ear } = await behind(true)
    while (asked() < 10) {
      await s.advance(seconds(20))
      await callFrom(tab)
    }
    expect(served.length).toBeGreaterThan(100)
    expect(new Set(served)).toEqual(new Set([200]))
    expect(s.now()).toBeGreaterThan(10 * seconds(225))
    expect(ear.ended).toEqual([])
  })

  test('F22: tokens that say when they end and no more: for each one 401, one refresh and one retry, which succeeds', async () => {
    const { s, tab, served, asked, ear } = await behind(false)
    for (let expiry = 1; expiry <= 10; expiry++) {
      await s.advance(seconds(301))
      expect((await settled(s, callFrom(tab))).value).toBe(200)
      expect([asked(), served.splice(0)]).toEqual([expiry, [401, 200]])
      expect((await settled(s, callFrom(tab))).value).toBe(200)
      expect(served.splice(0)).toEqual([200])
    }
    expect(ear.ended).toEqual([])
  })
})

test.each([300, 3_600])(
  'F23: tokens of %i s, a call each second; the clock jumps two hours on, and back: at most one refresh for each',
  async (life) => {
    const s = scene({ expiresIn: life })
    await s.tabs[0].session.signIn(s.server.grant())
    const statuses: number[] = []
    const run = async (count: number) => {
      for (let second = 0; second < count; second++) {
        await s.advance(seconds(1))
        statuses.push((await settled(s, callFrom(s.tabs[0]))).value as number)
      }
    }
    await run(100)
    expect(s.server.presentations).toHaveLength(0)
    s.insideOf(s.tabs[0]).setClock(hours(2))
    await run(100)
    expect(s.server.presentations).toHaveLength(1) // an expiry that only seemed so
    s.insideOf(s.tabs[0]).setClock(0)
    await run(100)
    expect(s.server.presentations.length).toBeLessThanOrEqual(2)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(s.server.calls.filter(({ credential }) => credential !== 'valid')).toEqual([])
  },
)

describe('F24', () => {
  test('F24: tokens that are over when they come: three refreshes in the first minute, then one each 32 s at most, and the app is told once', async () => {
    const s = scene({ expiresIn: 0 })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(minutes(1))
    expect(s.server.presentations.length).toBeGreaterThanOrEqual(1)
    expect(s.server.presentations.length).toBeLessThanOrEqual(3)
    await s.advance(minutes(9))
    const times = s.server.presentations.map(({ at }) => at)
    for (const [index, at] of times.entries()) if (index > 1) expect(at - times[index - 1]!).toBeGreaterThanOrEqual(seconds(32))
    expect(troublesOf(s.earOf(s.tabs[0]))).toHaveLength(1)
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: { error: { code: 'refresh_unavailable' } } })
  })
})

test.each([
  { what: 'is dead', expires_in: 0 },
  { what: 'is the same again', expires_in: 30 },
])('F25: what the server gives $what: each of three tabs is told of one trouble', async ({ expires_in }) => {
  let asked = 0
  const script = scripted({
    refresh: async () => {
      asked++
      return tokens('same', { expires_in })
    },
  })
  const s = scene({ tabs: 3, session: { refresh: script.refresher } })
  await s.tabs[0].session.signIn(tokens('same', { expires_in }))
  await s.advance(1) // the others hear of it
  const statuses = new Set<string>()
  for (let tick = 0; tick < 600; tick++) {
    for (const tab of s.tabs) void callFrom(tab).catch(({ code }: { code: string }) => statuses.add(code))
    await s.advance(100)
  }
  expect(asked).toBeGreaterThanOrEqual(1)
  expect(asked).toBeLessThanOrEqual(3)
  for (const tab of s.tabs) {
    expect(troublesOf(s.earOf(tab))).toHaveLength(1)
    expect(s.earOf(tab).ended).toEqual([])
  }
  expect([...statuses].filter((code) => code !== 'refresh_unavailable')).toEqual([])
})

/** The rows of failures that a tab was told of, by when they began. */
const troublesOf = ({ states }: ReturnType<typeof listenTo>): number[] => [
  ...new Set(states.flatMap((state) => (state.status === 'signed-in' && state.trouble ? [state.trouble.since] : []))),
]

test.each(seeds(5))('F26: whatever is left of the token, an uplink of up to 5 s brings it there alive (seed %i)', async (seed) => {
  const random = seededRandom(seed)
  for (const leftover of [0.5, 1, 3, 4.9, 5, 5.1, 6, 10, 30]) {
    const s = scene({ session: { keepFresh: 'on-demand' } })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(300 - leftover))
    s.latency = () => 4_900 * random()
    const call = await settled(s, callFrom(s.tabs[0]))
    expect(call.value).toBe(200)
    expect(s.server.calls).toMatchObject([{ credential: 'valid' }])
    await s.advance(seconds(20))
    expect(s.server.presentations).toHaveLength(1) // before it leaves, or beside it
  }
})

test('F26: the refresh fails for now: with a second left the token goes out once more; with less, nothing does', async () => {
  for (const [leftover, code, calls] of [
    [3, null, 1],
    [1.2, null, 1],
    [0.9, 'refresh_unavailable', 0],
  ] as const) {
    const s = scene({ session: { keepFresh: 'on-demand' } })
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(seconds(300 - leftover))
    s.server.fail({ status: 503 })
    expect((await settled(s, callFrom(s.tabs[0]), 5_000, 10)).code).toBe(code)
    expect(s.server.calls.map(({ credential }) => credential)).toEqual(Array(calls).fill('valid'))
    expect(s.server.presentations).toHaveLength(1)
  }
})
