import { resolveOptions, type SessionOptions } from '../options.ts'
import type { Session } from '../session.ts'
import { startSession } from '../start-session.ts'
import { seededRandom } from './seeded-random.ts'
import { type Behaviour, createBrowser, type SimulatedBrowser, type SimulatedTab } from './simulated-browser.ts'
import { createTestServer, type Rotation, type TestServer, type Witness } from './test-server.ts'
import { createTimeline } from './timeline.ts'

export interface WorldOptions<Tabs extends number> {
  /** @defaultValue `1` */
  readonly tabs?: Tabs | undefined
  /** @defaultValue random, in `world.seed`: print it when a test fails */
  readonly seed?: number | undefined
  /** What every tab's session is made with: the options of your app, its paths included, for a tab is a page of the scripted server. @defaultValue attached to, and refreshed at, that server */
  readonly session?: Partial<SessionOptions> | undefined
  /** @defaultValue `'strict'`: a refresh token used twice revokes the session */
  readonly rotation?: Rotation | undefined
  /** Lifetime of access tokens in seconds. @defaultValue `300` */
  readonly expiresIn?: number | undefined
}

export interface World<Tabs extends number = number> {
  readonly seed: number
  readonly tabs: Tuple<Tab, Tabs>
  readonly server: TestServer
  /** Moves every clock by `ms`, letting everything due happen in order. */
  advance(ms: number): Promise<void>
  /** Opens one more tab on the same browser. */
  openTab(): Tab
  /** Closes everything. */
  close(): void
}

export type Tuple<Item, Length extends number> = number extends Length ? readonly Item[] : TupleOf<Item, Length, readonly []>
export type TupleOf<Item, Length extends number, Found extends readonly Item[]> = Found['length'] extends Length
  ? Found
  : TupleOf<Item, Length, readonly [...Found, Item]>

export interface Tab {
  readonly session: Session
  hide(): void
  show(): void
  freeze(): void
  thaw(): void
  /** Gone without a goodbye. */
  crash(): void
  reload(): Promise<Tab>
  offline(): void
  online(): void
}

/** What our own tests see of a world, beyond what users do. */
export interface Insides {
  readonly browser: SimulatedBrowser
  readonly server: TestServer & Witness
  /** ms that one way over the network takes. */
  latency: () => number
  readonly insideOf: (tab: Tab) => SimulatedTab
  /** One more session in the same tab: another bundle, another copy. */
  readonly secondSession: (tab: Tab) => Session
  readonly now: () => number
}

/**
 * A small simulated world: tabs with real sessions on one simulated browser, one scripted server. Time moves only when told;
 * the same seed gives the same run.
 * @throws TypeError naming an unusable option
 * @example
 * ```ts
 * const world = createWorld({ tabs: 2 })
 * const [a, b] = world.tabs
 * await a.session.signIn(world.server.grant())
 * world.server.revoke()
 * await world.advance(3_600_000)
 * expect(b.session.state).toEqual({ status: 'signed-out', reason: 'rejected' })
 * ```
 */
export function createWorld<const Tabs extends number = 1>(options: WorldOptions<Tabs> = {}): World<Tabs> {
  return openWorld(options).world
}

/** `started`: is given each session as it starts, and gives what tests shall have in its place. */
export function openWorld<const Tabs extends number = 1>(
  options: WorldOptions<Tabs> = {},
  started: (session: Session) => Session = (session) => session,
): { readonly world: World<Tabs>; readonly insides: Insides } {
  const {
    tabs: count = 1,
    seed = Math.floor(Math.random() * 2 ** 32),
    session: overrides = {},
    rotation = 'strict',
    expiresIn = 300,
  } = options
  if (!Number.isInteger(count) || count < 0) throw new TypeError('`tabs` must be a whole number.')
  if (!Number.isFinite(seed)) throw new TypeError('`seed` must be a number, such as the one that a run has printed.')
  if (!['strict', 'grace', 'static'].includes(rotation)) throw new TypeError('`rotation` must be one of: strict, grace, static.')
  if (!Number.isFinite(expiresIn) || expiresIn < 0) throw new TypeError('`expiresIn` must be a span in seconds.')
  const timeline = createTimeline()
  const random = seededRandom(seed)
  const behaviour: Behaviour = {
    storeDelay: () => 0,
    messageDelay: () => 0,
    lockDelay: () => 0,
    loses: () => false,
    storeFault: () => 'none',
    hasLocks: true,
    hasChannel: true,
    prerenders: false,
  }
  const browser = createBrowser(timeline, random, behaviour)
  const server = createTestServer(timeline.now, rotation, expiresIn)
  const page = `${server.origin}/`
  const tabs = new Map<Tab, SimulatedTab>()
  const insides: Insides = {
    browser,
    server,
    latency: () => 0,
    insideOf: (tab) => tabs.get(tab) as SimulatedTab, // every Tab was made here
    secondSession: (tab) => start(insides.insideOf(tab)),
    now: timeline.now,
  }

  function start(inside: SimulatedTab): Session {
    const settings = resolveOptions({ attachTo: [server.origin], refresh: server.refresher, ...overrides }, page)
    const ports = inside.ports(settings.name)
    const given = { store: settings.store ?? ports.store, fetch: settings.fetch ?? ports.fetch }
    return started(startSession(settings, { ...ports, ...given, base: () => page }))
  }

  function openTab(): Tab {
    let online = true
    const inside: SimulatedTab = browser.openTab((input, init) => {
      // A tab's network: it takes time both ways, goes on while the tab is frozen, and forgets a tab that is gone.
      const request = new Request(typeof input === 'string' ? new URL(input, page) : input, init)
      return new Promise((resolve, reject) => {
        const fail = (error: unknown) => inside.deliver(() => reject(error))
        if (request.signal.aborted) return reject(request.signal.reason)
        request.signal.addEventListener('abort', () => fail(request.signal.reason))
        const lost = () => fail(new TypeError('Failed to fetch'))
        if (!online) return lost()
        timeline.after(insides.latency(), () => {
          if (!online) return lost()
          server.handle(request).then(({ response, fate }) => {
            if (fate === 'hang') return
            timeline.after(insides.latency(), () => {
              if (fate !== 'answered' || !online) lost()
              else inside.deliver(() => resolve(response))
            })
          }, fail)
        })
      })
    })
    const session = start(inside)
    const tab: Tab = {
      session,
      hide: () => inside.setVisible(false),
      show: () => inside.setVisible(true),
      freeze: inside.freeze,
      thaw: inside.thaw,
      crash: inside.crash,
      async reload() {
        inside.crash()
        const next = openTab()
        await next.session.ready
        return next
      },
      offline() {
        online = false
      },
      online() {
        online = true
        inside.signal('online')
      },
    }
    tabs.set(tab, inside)
    return tab
  }

  const world: World<Tabs> = {
    seed,
    server,
    tabs: Array.from({ length: count }, openTab) as unknown as Tuple<Tab, Tabs>, // as many as the type says
    async advance(span) {
      if (!Number.isFinite(span) || span < 0) throw new TypeError('`advance` takes a span in ms.')
      await timeline.advance(span)
    },
    openTab,
    close() {
      for (const tab of tabs.keys()) tab.session.close()
    },
  }
  return { world, insides }
}
