import { readdirSync, readFileSync } from 'node:fs'
import type { RefreshFunction } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { backOff } from '../../../src/core/back-off.ts'
import type { Retry } from '../../../src/core/record.ts'
import { isRefusal, isRefusedGrant, type Refusal, tokensIn } from '../../../src/refresh/outcome.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { callFrom, hours, listenTo, minutes, pause, roughen, scene, seconds, seeds, settled, storedIn, tokens, watch } from '../scene.ts'
import { openOn, unhandledIn } from './by-hand.ts'

// C: networks that come and go, and servers that fail.

test.each(seeds(10))(
  'F28: attempts fail for 12 s after a resume, and no signal says when they would not: back within 5 s (seed %i)',
  async (seed) => {
    const attempts: number[] = []
    let up = true
    const s = scene({
      seed,
      session: {
        refresh: async () => {
          attempts.push(s.now())
          await pause(s, 50)
          if (!up) throw new TypeError('Failed to fetch')
          return tokens(`given-${attempts.length}`)
        },
        name: 'flaky',
      },
    })
    s.server.onRequest(() => Response.json({}))
    await s.tabs[0].session.signIn(tokens('first'))
    s.tabs[0].freeze()
    await s.advance(hours(1))
    up = false
    s.tabs[0].thaw()
    const early = watch(callFrom(s.tabs[0]), s.now)
    await s.advance(seconds(12))
    expect(early.result?.code).toBe('refresh_unavailable') // by its own deadline, and with the advice to try again
    const meanwhile = attempts.length
    up = true
    await s.advance(seconds(5))
    expect(s.tabs[0].session.state).toMatchObject({ status: 'signed-in', trouble: null })
    expect((await settled(s, callFrom(s.tabs[0]))).value).toBe(200)
    await s.advance(seconds(43)) // a minute in all
    expect(meanwhile).toBeGreaterThanOrEqual(3)
    expect(attempts.length).toBeLessThanOrEqual(10) // each of the four at most is made twice, and then comes the one that succeeds
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  },
)

describe('F29', () => {
  const html = (status: number) =>
    new Response('<!doctype html><title>Just a moment</title>', { status, headers: { 'Content-Type': 'text/html' } })
  const json = (value: unknown, status: number) => Response.json(value, { status })
  const kept: Record<string, () => Response | Promise<Response>> = {
    'a network error': () => Promise.reject(new TypeError('Failed to fetch')),
    'a time-out': () => new Promise(() => {}),
    408: () => json({}, 408),
    425: () => json({}, 425),
    429: () => json({}, 429),
    500: () => json({ error: 'invalid_grant' }, 500),
    502: () => html(502),
    503: () => json({}, 503),
    504: () => html(504),
    '200 with a web page': () => html(200),
    '200 with nothing': () => new Response(''),
    '403 with a web page': () => html(403),
    '400 that is no JSON': () => new Response('invalid_grant', { status: 400 }),
    '400 temporarily_unavailable': () => json({ error: 'temporarily_unavailable' }, 400),
  }
  const over: Record<string, () => Response> = {
    '400 invalid_grant': () => json({ error: 'invalid_grant' }, 400),
    '401 invalid_grant': () => json({ error: 'invalid_grant' }, 401),
  }

  async function refreshWith(answer: () => Response | Promise<Response>, isRejected: Refusal) {
    const s = scene({ tabs: 2, session: { refresh: async () => (await tokensIn(await answer(), isRejected)) as never, name: 'table' } })
    await s.tabs[0].session.signIn(tokens('first'))
    await s.advance(seconds(1))
    const refresh = await settled(s, s.tabs[0].session.refresh())
    await s.advance(seconds(30))
    return { s, refresh, ends: s.tabs.map((tab) => s.earOf(tab).ended.map(({ reason }) => reason)) }
  }

  test('F29: the table has the fourteen rows that keep a session', () => {
    expect(Object.keys(kept)).toHaveLength(14)
  })

  const strategies = [
    { at: 'a home-made backend', isRejected: isRefusal },
    { at: 'an OAuth token endpoint', isRejected: isRefusedGrant },
  ]

  describe.each(strategies)('at $at', ({ isRejected }) => {
    test.each(Object.entries(kept))('F29: %s keeps the session, and what is stored', async (_, answer) => {
      const { s, refresh, ends } = await refreshWith(answer, isRejected)
      expect(refresh.code).toBe('refresh_unavailable')
      expect(ends).toEqual([[], []])
      expect(storedIn(s)).toMatchObject({ status: 'active', generation: 1, grant: { refreshToken: 'refresh-first' } })
    })

    test.each(Object.entries(over))('F29: %s ends it, once', async (_, answer) => {
      const { s, refresh, ends } = await refreshWith(answer, isRejected)
      expect([refresh.code, ends]).toEqual(['session_ended', [['rejected'], ['rejected']]])
      expect(storedIn(s)).toMatchObject({ status: 'ended', reason: 'rejected' })
    })
  })

  // What was not answered cannot be judged, and a success is none that could be refused.
  const refusable = Object.entries(kept).filter(([name]) => !/^(a |200)/.test(name))

  test.each(refusable)('F29: %s ends it, if the app judges so', async (_, answer) => {
    expect((await refreshWith(answer, () => true)).ends).toEqual([['rejected'], ['rejected']])
  })

  test.each(Object.entries(over))('F29: %s keeps it, if the app judges so', async (_, answer) => {
    expect((await refreshWith(answer, () => false)).ends).toEqual([[], []])
  })
})

describe('F30', () => {
  test.each(seeds(3))(
    'F30: half an hour of 503, five tabs, fifty calls a minute: at most 40 requests, and a success within a minute of the end of it (seed %i)',
    async (seed) => {
      let up = false
      let asked = 0
      const refresh: RefreshFunction = async () => {
        asked++
        if (!up) return new Response('', { status: 503 })
        return tokens(`given-${asked}`)
      }
      const s = scene({ tabs: 5, seed, session: { refresh, name: 'outage' } })
      roughen(s, seed)
      await settled(s, s.tabs[0].session.signIn(tokens('first')))
      await s.advance(seconds(200))
      for (let call = 0; call < 30 * 50; call++) {
        void callFrom(s.tabs[(call % 5) as 0]).catch(() => {})
        await s.advance(1_200)
      }
      expect(asked).toBeGreaterThan(20)
      expect(asked).toBeLessThanOrEqual(40)
      up = true
      const back = s.now()
      while (s.earOf(s.tabs[0]).refreshed.length === 0) {
        void callFrom(s.tabs[1]).catch(() => {})
        await s.advance(1_200)
      }
      expect(s.now() - back).toBeLessThanOrEqual(minutes(1))
      for (const tab of s.tabs) expect(s.earOf(tab).ended).toEqual([])
    },
  )

  test('F30: ten thousand browsers, their attempts anywhere, a server back after half an hour: no second brings more than thrice the mean', () => {
    const random = seededRandom(30)
    const arrivals = new Map<number, number>()
    const recovery = minutes(30) + seconds(17)
    for (let browser = 0; browser < 10_000; browser++) {
      let retry: Retry | null = null
      let at = random() * seconds(240) // when its token was due
      while (at < recovery) {
        retry = backOff(retry, { wall: at, mono: at, chance: random() }, true)
        at += retry.wait
      }
      const second = Math.floor(at / 1_000)
      arrivals.set(second, (arrivals.get(second) ?? 0) + 1)
    }
    const mean = 10_000 / 60 // they wait for up to a minute each
    expect(Math.max(...arrivals.values())).toBeLessThanOrEqual(3 * mean)
    expect(Math.max(...arrivals.keys()) * 1_000).toBeLessThanOrEqual(recovery + seconds(60))
  })

  test('F30: and if the server failed them all in the same second, chance has spread them by then', () => {
    const random = seededRandom(31)
    const arrivals = new Map<number, number>()
    const recovery = minutes(30) + seconds(17)
    for (let browser = 0; browser < 10_000; browser++) {
      let retry: Retry | null = null
      let at = random() * seconds(1)
      while (at < recovery) {
        retry = backOff(retry, { wall: at, mono: at, chance: random() }, true)
        at += retry.wait
      }
      const second = Math.floor(at / 1_000)
      arrivals.set(second, (arrivals.get(second) ?? 0) + 1)
    }
    expect(Math.max(...arrivals.values())).toBeLessThanOrEqual((3 * 10_000) / 60)
  })
})

describe('F32', () => {
  test('F32, REQ-124, REQ-130: an endpoint that never answers, not to be asked again at once: twenty calls settle, and the lock is free, within 12 s', async () => {
    const s = scene({ tabs: 0 as 1, rotation: 'grace' })
    const refresher = { ...s.server.refresher, retryUnanswered: false }
    const tabs = [1, 2].map(() => openOn(s, () => ({}), { refresh: refresher }))
    await tabs[0]!.session.signIn(s.server.grant())
    for (const tab of tabs) tab.hide()
    await s.advance(minutes(10))
    s.server.fail('hang')
    const calls = Array.from({ length: 20 }, (_, index) => watch(callFrom(tabs[index % 2]!), s.now))
    const begun = s.now()
    await s.advance(seconds(10.5))
    const { lock } = s.browser.openTab(() => Promise.reject(new Error('No network here.'))).ports(s.server.origin)
    const taken = watch(lock.acquire(new AbortController().signal), s.now)
    await s.advance(seconds(12) - (s.now() - begun))
    for (const { result } of calls) expect(result?.code).toBe('refresh_unavailable')
    expect(taken.result?.code).toBeNull()
    const letGo = taken.result?.value as () => void // what a lock gives
    letGo()
    const next = await settled(s, callFrom(tabs[1]!))
    expect([next.value, next.took <= seconds(1)]).toEqual([200, true])
    expect(s.server.reused).toBe(0)
  })
})

describe('F34', () => {
  test('F34: nothing asks the browser whether it is online', () => {
    const root = new URL('../../../src/', import.meta.url)
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    expect(files.filter((file) => /onLine/.test(readFileSync(new URL(file, root), 'utf8')))).toEqual([])
  })

  test('F34: every request fails, and the network is said to be back each second: at most one extra attempt in five', async () => {
    const attempts: number[] = []
    const s = scene({
      session: {
        refresh: async () => {
          attempts.push(s.now())
          throw new TypeError('Failed to fetch')
        },
        name: 'liar',
      },
    })
    await s.tabs[0].session.signIn(tokens('first', { expires_in: 20 }))
    await s.advance(seconds(60))
    const before = attempts.length
    for (let second = 0; second < 120; second++) {
      s.tabs[0].online()
      await s.advance(seconds(1))
    }
    // An attempt is made twice, in the same moment; the pauses of the back-off bring a few of their own.
    const moments = new Set(attempts.slice(before))
    expect(moments.size).toBeGreaterThan(120 / 5 - 2)
    expect(moments.size).toBeLessThanOrEqual(120 / 5 + 1 + 120 / 40)
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
  })
})

test('F35: three requests wait for one refresh of 500 ms, and the first gives up at 100 ms: it hears at once, the others are answered', async () => {
  for (const all of [false, true]) {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.latency = () => 250
    const before = storedIn(s)!.generation
    const controllers = [1, 2, 3].map(() => new AbortController())
    const calls = controllers.map(({ signal }) => watch(s.tabs[0].session.fetch('https://server.test/me', { signal }), s.now))
    await s.advance(100)
    const aborted = s.now()
    for (const controller of all ? controllers : controllers.slice(0, 1)) controller.abort()
    await s.advance(10)
    expect(calls[0]!.result).toMatchObject({ code: 'AbortError' })
    expect(calls[0]!.result!.took - aborted).toBeLessThanOrEqual(10)
    await s.advance(seconds(2))
    expect(calls.map(({ result }) => result?.code)).toEqual(all ? Array(3).fill('AbortError') : ['AbortError', null, null])
    expect(s.server.calls).toHaveLength(all ? 0 : 2)
    expect(s.server.presentations).toHaveLength(1)
    expect(storedIn(s)!.generation).toBe(before + 1)
  }
})

test('F37: a hundred failing refreshes in three tabs, which nobody waits for: nothing unhandled, one trouble, one recovery', async () => {
  const unhandled = await unhandledIn(async () => {
    let left = 100
    const refresh: RefreshFunction = async () => {
      if (left-- > 0) throw left % 2 ? new TypeError('Failed to fetch') : new Response('', { status: 503 })
      return tokens(`given ${left}`.replace(/\W/g, '-'))
    }
    const s = scene({ tabs: 3, session: { refresh, name: 'failing' } })
    await s.tabs[0].session.signIn(tokens('first'))
    await s.advance(hours(3))
    expect(left).toBeLessThan(0)
    for (const tab of s.tabs) {
      const shown = s.earOf(tab).states.map((state) => (state.status === 'signed-in' ? (state.trouble ? 'trouble' : 'well') : state.status))
      expect(shown.filter((what, index) => what !== shown[index - 1] && /well|trouble/.test(what))).toEqual(['well', 'trouble', 'well'])
      expect(s.insideOf(tab).reported).toEqual([])
    }
  })
  expect(unhandled).toEqual([])
})

test('F31: a wait that a server asked for, met by tabs that come later and by a reload: nobody asks before it is over', async () => {
  const s = scene({ tabs: 2 })
  await s.tabs[0].session.signIn(s.server.grant({ expires_in: 1_000 }))
  await s.advance(seconds(10))
  s.server.fail({ status: 429, retryAfter: 120 })
  await settled(s, s.tabs[0].session.refresh())
  const asked = s.server.presentations[0]!.at
  const reloaded = s.tabs[1].reload()
  await s.advance(100)
  const tabs = [s.tabs[0], await reloaded, s.world.openTab()]
  while (s.now() < asked + seconds(119)) {
    for (const tab of tabs) void tab.session.refresh().catch(() => {})
    tabs[1]!.online() // no network has a say in it
    await s.advance(seconds(2))
    for (const tab of tabs) expect((await settled(s, callFrom(tab))).value).toBe(200)
  }
  expect(s.server.presentations).toHaveLength(1)
  await s.advance(seconds(10))
  expect(s.server.presentations).toHaveLength(2)
  expect(s.server.presentations[1]!.at - asked).toBeGreaterThanOrEqual(seconds(120))
  expect(s.server.presentations[1]!.at - asked).toBeLessThanOrEqual(seconds(125))
})

test('F33: reloaded in the middle of a refresh at a server with a grace window, a hundred times on end: always signed in, at most two requests each time', async () => {
  const s = scene({ rotation: 'grace' })
  await s.tabs[0].session.signIn(s.server.grant())
  let tab = s.tabs[0] as { reload: () => Promise<typeof tab>; session: (typeof s.tabs)[0]['session']; hide: () => void }
  s.latency = () => 500
  for (let round = 0; round < 100; round++) {
    const before = s.server.presentations.length
    void tab.session.refresh().catch(() => {})
    await s.advance(300 + 500) // the server has rotated, and its answer is on the way
    const reloading = tab.reload()
    await s.advance(100)
    tab = await reloading
    const ear = listenTo(tab.session)
    const call = await settled(s, tab.session.refresh())
    expect([call.code, ear.ended]).toEqual([null, []])
    expect(s.server.presentations.length - before).toBeLessThanOrEqual(2)
  }
  expect(s.server.reused).toBe(0)
})
