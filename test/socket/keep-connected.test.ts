import { createSession, LatchkeyError, memoryStore, type Session } from 'latchkey'
import { keepConnected } from 'latchkey/socket'
import { describe, expect, test } from 'vitest'
import { connect, type How } from '../../src/socket/connect.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { Insides, Tab } from '../../src/testing/world.ts'
import { count, unhandledIn } from '../simulated/failures/by-hand.ts'
import { minutes, pause, roughen, scene, seconds, seeds, settled } from '../simulated/scene.ts'

/** A connection as a browser's sockets are: it tells when it is lost, and a little later when it has been closed. */
class Line {
  readonly #listeners: (() => void)[] = []
  readonly token: string
  isOpen = true
  constructor(token: string) {
    this.token = token
  }
  get readyState() {
    return this.isOpen ? WebSocket.OPEN : WebSocket.CLOSED
  }
  addEventListener(_: 'close', listener: () => void) {
    this.#listeners.push(listener)
  }
  close() {
    if (this.isOpen) queueMicrotask(() => this.#tell())
    this.isOpen = false
  }
  /** The other end, or the network, is gone. */
  drop() {
    this.isOpen = false
    this.#tell()
  }
  #tell() {
    for (const listener of this.#listeners) listener()
  }
}

type Stage = Pick<Insides, 'insideOf' | 'browser' | 'server' | 'now'>

/** `keepConnected` in a simulated tab. The server is asked about each token when it is opened with, as it would be. */
function keep(s: Stage, tab: Tab, how: Partial<How<Line>> = {}, chance: () => number = () => 0.5) {
  const ports = s.insideOf(tab).ports('socket')
  const { held, tamper } = count()
  const { clock, page } = { ...ports, ...tamper(ports) }
  const lines: Line[] = []
  const openedAt: number[] = []
  const reported: unknown[] = []
  const renewed: string[] = []
  const undo = connect(
    tab.session,
    {
      async open(token, signal) {
        openedAt.push(s.now())
        const { status } = await ports.fetch(`${s.server.origin}/socket`, { headers: { Authorization: `Bearer ${token}` }, signal })
        if (status !== 200) throw new Error(`The server said ${status}.`)
        lines.push(new Line(token))
        return lines.at(-1)!
      },
      ...how,
    },
    { clock, page, chance, report: (error) => reported.push(error) },
  )
  return { lines, openedAt, reported, renewed, undo, held, open: () => lines.filter(({ isOpen }) => isOpen) }
}

const credentials = ({ server }: Stage) => server.calls.map(({ credential }) => credential)

describe('a connection', () => {
  test('is opened with a fresh token once somebody is signed in, and not before', async () => {
    const s = scene()
    const { lines, open, undo } = keep(s, s.tabs[0])
    await s.advance(minutes(5))
    expect(lines).toEqual([])
    await s.tabs[0].session.signIn(s.server.grant())
    await s.advance(0)
    expect(open().map(({ token }) => token)).toEqual([await s.tabs[0].session.getToken()])
    undo()
  })

  test('is opened at once for who is signed in already, after a refresh if there is need of one', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(minutes(10))
    s.latency = () => 100
    const { open, openedAt, undo } = keep(s, s.tabs[0])
    await s.advance(seconds(1))
    expect([open().length, openedAt.length, s.server.refreshes, credentials(s)]).toEqual([1, 1, 1, ['valid']])
    undo()
  })

  test('is renewed with each new token, where the app knows how', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const renewed: [Line, string][] = []
    const { lines, undo } = keep(s, s.tabs[0], { renew: (line, token) => renewed.push([line, token]) })
    while (s.server.refreshes < 3) await s.advance(minutes(1))
    await s.advance(seconds(1))
    expect(lines).toHaveLength(1)
    expect(renewed.map(([line]) => line)).toEqual([lines[0], lines[0], lines[0]])
    expect(renewed.at(-1)![1]).toBe(await s.tabs[0].session.getToken())
    expect(new Set(renewed.map(([, token]) => token)).size).toBe(3)
    undo()
  })

  test('is opened anew with each new token, where it does not; and never are there two', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const { lines, open, undo, openedAt } = keep(s, s.tabs[0])
    while (s.server.refreshes < 3) {
      await s.advance(seconds(10))
      expect(open().length).toBeLessThanOrEqual(1)
    }
    await s.advance(seconds(1))
    expect([lines.length, openedAt.length]).toEqual([4, 4]) // its own close is no loss
    expect(open()).toEqual([lines[3]])
    expect(lines[3]!.token).toBe(await s.tabs[0].session.getToken())
    undo()
  })

  test('is closed at the end of the session, in every tab, and opened for the next', async () => {
    const s = scene({ tabs: 2 })
    const kept = s.tabs.map((tab) => keep(s, tab))
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'one' })
    await s.advance(seconds(1))
    expect(kept.map(({ open }) => open().length)).toEqual([1, 1])
    await settled(s, s.tabs[1].session.signOut())
    expect(kept.map(({ open }) => open().length)).toEqual([0, 0])
    await s.advance(minutes(10))
    expect(kept.map(({ openedAt }) => openedAt.length)).toEqual([1, 1])
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'two' })
    await s.advance(seconds(1))
    expect(kept.map(({ open }) => open().length)).toEqual([1, 1])
    await s.tabs[1].session.signIn(s.server.grant(), { subject: 'three' }) // straight over it
    await s.advance(seconds(1))
    const token = await s.tabs[0].session.getToken()
    expect(kept.map(({ open }) => open().map((line) => line.token))).toEqual([[token], [token]])
    s.server.revoke()
    await s.advance(minutes(6))
    expect(kept.map(({ open }) => open().length)).toEqual([0, 0])
    expect(credentials(s).filter((credential) => credential !== 'valid')).toEqual([])
    for (const { undo, reported } of kept) {
      undo()
      expect(reported).toEqual([])
    }
  })
})

describe('after a loss', () => {
  async function connected(chance?: () => number, how: Partial<How<Line>> = {}) {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant({ expires_in: 360_000 }))
    const kept = keep(s, s.tabs[0], how, chance)
    await s.advance(0)
    return { s, ...kept }
  }

  test.each([
    [0, [2, 4, 8, 16, 32, 60, 60]],
    [1 - 2 ** -30, [1, 2, 4, 8, 16, 30, 30]],
  ])('pauses grow from a second to a minute, half of them left to chance (%d)', async (drawn, pauses) => {
    const { s, lines, openedAt, undo } = await connected(() => drawn)
    for (const span of pauses) {
      const lostAt = s.now()
      lines.at(-1)!.drop() // as soon as it is there again: what breaks within a minute is one row of failures
      while (lines.at(-1)!.isOpen === false) await s.advance(100)
      expect(Math.round((openedAt.at(-1)! - lostAt) / 100) / 10).toBe(span)
    }
    undo()
    expect(openedAt.length).toBe(pauses.length + 1)
  })

  test.each([
    [0, [2, 4, 8, 16, 32, 60, 60]],
    [1 - 2 ** -30, [1, 2, 4, 8, 16, 30, 30]],
  ])('each attempt that fails is followed by a longer pause (%d)', async (drawn, pauses) => {
    const times: number[] = []
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant({ expires_in: 360_000 }))
    const { undo, reported } = keep(
      s,
      s.tabs[0],
      {
        open() {
          times.push(s.now())
          throw new Error('There is nobody.')
        },
      },
      () => drawn,
    )
    await s.advance(seconds(1) + pauses.reduce((sum, span) => sum + seconds(span), 0))
    expect(times.slice(1).map((at, index) => Math.round((at - times[index]!) / 100) / 10)).toEqual(pauses)
    expect(reported).toHaveLength(1) // an outage is told once
    undo()
  })

  test('of one that has lasted, the row of failures begins anew', async () => {
    const { s, lines, openedAt, undo } = await connected(() => 0)
    for (let loss = 0; loss < 5; loss++) {
      lines.at(-1)!.drop()
      await s.advance(seconds(33))
    }
    await s.advance(minutes(2))
    const before = s.now()
    lines.at(-1)!.drop()
    await s.advance(seconds(3))
    expect(openedAt.at(-1)! - before).toBe(seconds(2))
    undo()
  })

  test.each([
    ['the network is back', (tab: Tab) => tab.online()],
    ['the page is looked at', (tab: Tab) => tab.show()],
  ])('%s: at once', async (_, happen) => {
    const { s, lines, openedAt, open, undo } = await connected(() => 0)
    for (let loss = 0; loss < 6; loss++) {
      lines.at(-1)!.drop()
      await s.advance(seconds(61))
    }
    s.tabs[0].hide()
    lines.at(-1)!.drop()
    await s.advance(seconds(5))
    const before = openedAt.length
    expect(open()).toEqual([])
    happen(s.tabs[0])
    await s.advance(10)
    expect([open().length, openedAt.length - before]).toEqual([1, 1])
    happen(s.tabs[0]) // and nothing more for who is connected
    await s.advance(minutes(1))
    expect(openedAt.length - before).toBe(1)
    undo()
  })

  test('no token to be had: nothing is opened, nothing reported; and promptly when there is one', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const { lines, openedAt, open, reported, undo } = keep(s, s.tabs[0])
    await s.advance(0)
    s.tabs[0].offline()
    lines[0]!.drop()
    await s.advance(minutes(30))
    const before = openedAt.length
    await s.advance(minutes(30))
    expect(openedAt.length).toBe(before) // the token has run out, and nobody gives another
    expect(open()).toEqual([])
    s.tabs[0].online()
    await s.advance(seconds(1))
    expect(open()).toHaveLength(1)
    expect(reported.length).toBeLessThanOrEqual(1)
    expect(credentials(s).filter((credential) => credential !== 'valid')).toEqual([])
    undo()
  })
})

describe('an opening that is slow', () => {
  function slow(span: number) {
    const s = scene()
    const lines: Line[] = []
    const signals: AbortSignal[] = []
    const how: How<Line> = {
      async open(token, signal) {
        signals.push(signal)
        await pause(s, span)
        lines.push(new Line(token))
        return lines.at(-1)!
      },
    }
    return { s, lines, signals, how }
  }

  test.each([
    ['a sign-out', async (session: Session) => void (await session.signOut())],
    ['the undo', async (_: Session, undo: () => void) => undo()],
  ])('is aborted by %s, and what it gives after that is closed', async (_, act) => {
    const { s, lines, signals, how } = slow(seconds(5))
    await s.tabs[0].session.signIn(s.server.grant())
    const { undo } = keep(s, s.tabs[0], how)
    await s.advance(seconds(1))
    await settled(s, act(s.tabs[0].session, undo))
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    await s.advance(minutes(5))
    expect(lines.map(({ isOpen }) => isOpen)).toEqual([false])
    undo()
  })

  test('is begun anew with new tokens: what the old ones opened is closed', async () => {
    const { s, lines, how } = slow(seconds(5))
    await s.tabs[0].session.signIn(s.server.grant())
    const { undo } = keep(s, s.tabs[0], how)
    await s.advance(seconds(1))
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(seconds(10))
    expect(lines.map(({ isOpen }) => isOpen)).toEqual([false, true])
    expect(lines[1]!.token).toBe(await s.tabs[0].session.getToken())
    undo()
  })

  test('and brings what has been lost meanwhile is tried again', async () => {
    const { s, lines, how } = slow(seconds(5))
    await s.tabs[0].session.signIn(s.server.grant())
    const { undo } = keep(s, s.tabs[0], {
      async open(token, signal) {
        const line = await how.open(token, signal)
        if (lines.length === 1) line.drop() // with nobody there yet who listens
        return line
      },
    })
    await s.advance(seconds(20))
    expect(lines.map(({ isOpen }) => isOpen)).toEqual([false, true])
    undo()
  })

  test('for ever is given up after half a minute, and tried again', async () => {
    const { s, signals, how } = slow(minutes(60))
    await s.tabs[0].session.signIn(s.server.grant({ expires_in: 36_000 }))
    const { undo } = keep(s, s.tabs[0], how, () => 0)
    await s.advance(seconds(31))
    expect(signals.map(({ aborted }) => aborted)).toEqual([true])
    await s.advance(seconds(2))
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    undo()
  })
})

describe('the app’s own functions', () => {
  const broken = new Error('the app’s own')
  const fail = () => {
    throw broken
  }

  test('renew throws: reported, and the connection stays', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const { open, lines, reported, undo } = keep(s, s.tabs[0], { renew: fail })
    await s.advance(0)
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(0)
    expect([reported, open()]).toEqual([[broken], lines])
    undo()
  })

  test.each([
    ['', broken, [broken]],
    [', but not what the session tells anyway', new LatchkeyError('session_ended', 'It is over.', { reason: 'rejected' }), []],
  ])('renew rejects: reported%s, and no rejection is left unhandled', async (_, error, told) => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const { open, lines, reported, undo } = keep(s, s.tabs[0], { renew: () => Promise.reject(error) })
    await s.advance(0)
    const unhandled = await unhandledIn(async () => {
      await settled(s, s.tabs[0].session.refresh())
      await s.advance(0)
    })
    expect([unhandled, reported, open()]).toEqual([[], told, lines])
    undo()
  })

  test('close throws: reported, and the next one is opened all the same', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const { lines, reported, undo } = keep(s, s.tabs[0])
    await s.advance(0)
    lines[0]!.close = fail
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(0)
    expect([reported, lines.length]).toEqual([[broken], 2])
    undo()
  })

  test('a connection that cannot be listened to is closed, and tried again', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    const lines: Line[] = []
    const { reported, undo } = keep(s, s.tabs[0], {
      open(token) {
        lines.push(Object.assign(new Line(token), lines.length ? {} : { addEventListener: fail }))
        return lines.at(-1)!
      },
    })
    await s.advance(seconds(5))
    expect([reported, lines.map(({ isOpen }) => isOpen)]).toEqual([[broken], [false, true]])
    undo()
  })

  test('open says that the session is over: that is the session’s to tell, and nothing is tried again', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    let opened = 0
    const { reported, held, undo } = keep(s, s.tabs[0], {
      open() {
        opened++
        throw new LatchkeyError('session_ended', 'It is over.', { reason: 'rejected' })
      },
    })
    await s.advance(seconds(100))
    expect([opened, reported, held.timers]).toEqual([1, [], 0])
    undo()
  })
})

test('the undo may be called twice, and nothing is left: no connection, no timer, no listener', async () => {
  const s = scene({ tabs: 3 })
  await s.tabs[0].session.signIn(s.server.grant())
  await s.advance(seconds(1))
  const [open, waiting, opening] = s.tabs.map((tab) => keep(s, tab))
  await s.advance(0)
  waiting!.lines[0]!.drop()
  opening!.lines[0]!.drop()
  s.latency = () => seconds(10)
  s.tabs[2].online()
  await s.advance(100)
  expect([open, waiting, opening].map((kept) => [kept!.open().length, kept!.held.timers])).toEqual([
    [1, 0],
    [0, 1],
    [0, 1],
  ])
  for (const kept of [open, waiting, opening]) {
    kept!.undo()
    kept!.undo()
    expect([kept!.open().length, kept!.held]).toEqual([0, { timers: 0, listeners: 0, channels: 0, locks: 0 }])
  }
  const before = credentials(s).length
  await settled(s, s.tabs[0].session.refresh(), 120_000)
  await settled(s, s.tabs[0].session.signOut(), 120_000)
  await s.tabs[0].session.signIn(s.server.grant())
  for (const tab of s.tabs) tab.online()
  await s.advance(minutes(5))
  expect(credentials(s).length - before).toBeLessThanOrEqual(1) // what was on its way
  expect([open, waiting, opening].map((kept) => kept!.open().length)).toEqual([0, 0, 0])
})

describe('F80', () => {
  test.each([
    ['hidden', false, true],
    ['hidden', false, false],
    ['frozen', true, true],
    ['frozen', true, false],
  ])(
    'F80: half an hour %s, the token rotated in another tab: the new one within 100 ms of the return (frozen: %s, renews: %s)',
    async (_, freezes, renews) => {
      const s = scene({ tabs: 2 })
      roughen(s, 80, { store: 10, message: 10, lock: 5 })
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      await s.advance(seconds(5))
      const renewed: string[] = []
      const { lines, open, undo } = keep(s, s.tabs[1], renews ? { renew: (_line, token) => renewed.push(token) } : {})
      await s.advance(100)
      s.tabs[1].hide()
      if (freezes) s.tabs[1].freeze()
      await s.advance(minutes(30))
      expect(s.server.refreshes).toBeGreaterThan(5)
      s.tabs[1].thaw()
      s.tabs[1].show()
      await s.advance(100)
      const token = await s.tabs[0].session.getToken()
      expect(open()).toHaveLength(1)
      expect(renews && !freezes ? renewed.at(-1) : open()[0]!.token).toBe(token)
      expect(lines.length).toBe(freezes ? 2 : renews ? 1 : s.server.refreshes + 1)
      expect(credentials(s).filter((credential) => credential !== 'valid')).toEqual([])
      undo()
    },
  )

  test.each(seeds(10))(
    'F80: lost while frozen, and the token over: back with a new one, and no expired token seen (seed %i)',
    async (seed) => {
      const s = scene({ seed })
      const random = roughen(s, seed)
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      s.latency = () => random() * 100
      const { lines, open, undo } = keep(s, s.tabs[0], {}, random)
      await s.advance(seconds(1))
      s.tabs[0].hide()
      s.tabs[0].freeze()
      await s.advance(minutes(30))
      s.insideOf(s.tabs[0]).deliver(() => lines[0]!.drop())
      s.tabs[0].thaw()
      s.tabs[0].show()
      await s.advance(seconds(4))
      expect(open()).toHaveLength(1)
      expect(s.server.refreshes).toBe(1)
      expect(credentials(s).filter((credential) => credential !== 'valid')).toEqual([])
      undo()
    },
  )
})

test.each(seeds(20))(
  'whatever happens: never two connections, none of an ended session, and one when all is well again (seed %i)',
  async (seed) => {
    const unhandled = await unhandledIn(async () => {
      const s = scene({ tabs: 2, seed })
      const random = roughen(s, seed)
      const chance = seededRandom(seed ^ 0x50c)
      s.latency = () => random() * 300
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      const { lines, open, undo } = keep(s, s.tabs[1], chance() < 0.5 ? { renew: () => {} } : {}, chance)
      const acts = [
        () => s.insideOf(s.tabs[1]).deliver(() => lines.at(-1)?.drop()),
        () => s.tabs[1].hide(),
        () => s.tabs[1].show(),
        () => s.tabs[1].freeze(),
        () => s.tabs[1].thaw(),
        () => s.tabs[1].offline(),
        () => s.tabs[1].online(),
        () => void s.tabs[0].session.refresh().catch(() => {}),
        () => void s.tabs[0].session.signOut(),
        () => void s.tabs[1].session.signOut(),
        () => void s.tabs[0].session.signIn(s.server.grant()),
        () => void s.tabs[0].session.signIn(s.server.grant()),
        () => s.server.fail({ status: 503 }),
      ]
      for (let step = 0; step < 60; step++) {
        acts[Math.floor(chance() * acts.length)]!()
        await s.advance(10 ** (chance() * 4.5))
        expect(open().length).toBeLessThanOrEqual(1)
        if (s.tabs[1].session.state.status === 'signed-out') expect(open()).toEqual([])
      }
      s.tabs[1].thaw()
      s.tabs[1].online()
      s.tabs[1].show()
      await settled(s, s.tabs[0].session.signIn(s.server.grant()))
      await s.advance(minutes(3))
      expect(open()).toHaveLength(1)
      expect(credentials(s).filter((credential) => credential === 'expired' || credential === 'none')).toEqual([])
      undo()
      expect(open()).toEqual([])
    })
    expect(unhandled).toEqual([])
  },
)

test('stands on the browser by itself, and starts nothing on a server', async () => {
  const options = { attachTo: ['https://api.example.com'], refresh: async () => ({ access_token: 'b' }) }
  const lines: Line[] = []
  const open = (token: string) => {
    lines.push(new Line(token))
    return lines.at(-1)!
  }
  const undoNothing = keepConnected(createSession(options), { open })
  const session = createSession({ ...options, store: memoryStore() })
  const undo = keepConnected(session, { open })
  await session.ready
  await session.signIn({ access_token: 'a', expires_in: 300 })
  expect(lines.map(({ token }) => token)).toEqual(['a'])
  await session.signOut()
  undo()
  undoNothing()
  session.close()
  expect(lines.map(({ isOpen }) => isOpen)).toEqual([false])
})
