import type { SessionRecord } from '../../src/core/record.ts'
import type { News } from '../../src/core/state.ts'
import type { Rotation } from '../../src/testing/test-server.ts'
import { createInterned } from './interned.ts'
import { epoch, type Failure, issuer, type Tokens, tokensOf } from './live-tab.ts'
import type { TabMoment } from './remembered-tab.ts'
import { newServer, type ServerState } from './server.ts'

export type Fault =
  | 'crash'
  | 'freeze'
  | 'lost'
  | 'request lost'
  | 'slow'
  | 'busy'
  | 'write fails'
  | 'slow store'
  | 'sign-out'
  | 'sign-in'
  | 'evict'
  | 'nudge lost'

export const faults: readonly Fault[] = [
  'crash',
  'freeze',
  'lost',
  'request lost',
  'slow',
  'busy',
  'write fails',
  'slow store',
  'sign-out',
  'sign-in',
  'evict',
  'nudge lost',
]

/** A platform that breaks its word, to see that the explorer finds out. */
export type Mutation = 'lock for all' | 'no comparison' | 'claims dropped'

export interface Setting {
  readonly rotation: Rotation
  readonly hasLocks: boolean
  /** Each may happen once, at any point, to either tab, or not at all. */
  readonly faults: readonly Fault[]
  /**
   * How often, at most, a tab is interrupted by the other while it could go on; else as often as can be. Most of what can go wrong shows
   * with one or two, and there are far fewer such schedules.
   */
  readonly interruptions?: number
  /** B calls an API that wants a token of its own: two refreshes are due, one after the other. */
  readonly severalApis?: boolean
  readonly mutation?: Mutation
}

/** Everything there is at one point of a schedule. Never changed: a step makes the next one. */
export interface World {
  readonly tabs: readonly [Tab, Tab]
  readonly shared: Shared
}

export interface Tab {
  /** What it has been told so far, and so what it knows. */
  readonly moment: TabMoment
  readonly life: 'alive' | 'frozen' | 'dead'
  readonly wasFrozen: boolean
  readonly hasCalled: boolean
  /** What it waits for, and since when. */
  readonly waiting: readonly (readonly [what: string, since: number])[]
  readonly operations: readonly Operation[]
  readonly inbox: readonly News[]
  /** Thawed, and not told yet. */
  readonly resumed: boolean
  /** Thawed, and nothing has reached it since. */
  readonly hasThawed: boolean
  readonly requests: readonly Request[]
  readonly revocations: readonly { readonly op: number; readonly token: string | null; readonly taken: boolean }[]
  /** Which claim, counted over all tabs, it made last. */
  readonly claimed: number
  /** Refresh tokens whose answer it has been given. */
  readonly answeredFor: readonly string[]
  /** The one whose answer came in time, and when its claim is overdue. */
  readonly holds: { readonly token: string; readonly until: number } | null
  /** Refreshes so far. */
  readonly sent: number
}

/** An operation on the store: asked, then done there, then answered. */
export interface Operation {
  readonly op: number
  readonly replaces: readonly [expected: string | null, next: string | null] | null
  readonly isDone: boolean
  /** It must be done and answered by then; while time may go on before it is. `null`: it may not. */
  readonly slowUntil: number | null
  readonly answer: string | null | boolean | Failure
}

export interface Request {
  readonly op: number
  readonly number: number
  readonly token: string | null
  readonly sentAt: number
  /** The claim that it was sent under, as counted over all tabs. */
  readonly claim: number
  /** `silent`: processed, and its answer will never come. */
  readonly at: 'way' | 'server' | 'silent'
  readonly isSlow: boolean
  readonly answer: Tokens | Failure | null
}

export interface Shared {
  readonly time: number
  readonly stored: string | null
  readonly isJustCleared: boolean
  /** Who asked for the lock, first come, first served; the first one holds it. */
  readonly queue: readonly { readonly tab: number; readonly op: number; readonly given: boolean }[]
  readonly server: ServerState
  readonly left: readonly Fault[]
  readonly used: readonly Fault[]
  /** Highest generation that was ever stored, by session. */
  readonly highest: Readonly<Record<string, number>>
  /** Sessions that somebody has ended, or that another one has replaced in the store. */
  readonly over: readonly string[]
  readonly claims: number
  /** Who made the claim that was made last. */
  readonly claimant: number
  readonly presentations: number
  /** Refresh tokens in whose place another one has been stored; and the number of the claim made last before that. */
  readonly spent: Readonly<Record<string, number>>
}

/** The access token has been expired for a second. */
const first: SessionRecord = {
  version: 1,
  session: 'first',
  generation: 1,
  fence: 7,
  subject: 'one',
  bounds: { signedInAt: epoch - 400_000 },
  issuer,
  status: 'active',
  claim: null,
  retry: null,
  grant: {
    refreshToken: `one.0` as never, // stored records hold plain text where records in memory hold secrets
    refreshLife: null,
    access: {
      '': {
        token: tokensOf('one', 0, '0@-301000').access_token as never,
        life: { from: epoch - 301_000, lasts: 300_000 },
        scope: null,
        generation: 1,
      },
    },
  },
}

/** A stored record, its secrets plain. */
export interface Stored {
  readonly session: string
  readonly generation: number
  readonly fence: number
  readonly status: 'active' | 'ended'
  readonly reason?: string
  readonly claim?: { readonly owner: string } | null
  readonly grant?: { readonly refreshToken: string }
}

const parsed = new Map<string, Stored>()

export function storedIn(text: string | null): Stored | null {
  if (text === null) return null
  const found = parsed.get(text) ?? (JSON.parse(text) as Stored)
  parsed.set(text, found)
  return found
}

export function firstWorld(moments: readonly [TabMoment, TabMoment], setting: Setting): World {
  const tab = (moment: TabMoment): Tab => ({
    moment,
    life: 'alive',
    wasFrozen: false,
    hasCalled: false,
    waiting: [],
    operations: [],
    inbox: [],
    resumed: false,
    hasThawed: false,
    requests: [],
    revocations: [],
    claimed: 0,
    answeredFor: [],
    holds: null,
    sent: 0,
  })
  return {
    tabs: [tab(moments[0]), tab(moments[1])],
    shared: {
      time: 0,
      stored: firstRecord,
      isJustCleared: false,
      queue: [],
      server: newServer,
      left: [...setting.faults].sort(),
      used: [],
      highest: { first: 1 },
      over: [],
      claims: 0,
      claimant: -1,
      presentations: 0,
      spent: {},
    },
  }
}

export const firstRecord = JSON.stringify(first)

/** The same text for the same world, whatever the schedule that led there. */
export function createKeys(): (world: World) => string {
  const texts = createInterned()
  const ids = new WeakMap<object, number>()
  /** A step makes few new objects: the others are known by themselves. */
  const known = (part: object, textOf: () => string): number => {
    const id = ids.get(part) ?? texts.idOf(textOf())
    ids.set(part, id)
    return id
  }
  const partId = (part: object): number => known(part, () => JSON.stringify(part))
  const idOf = (parts: Readonly<Record<string, unknown>>): string =>
    Object.values(parts)
      .map((part) => (Array.isArray(part) ? part.map(keyOf).join('+') : keyOf(part)))
      .join()
  const keyOf = (part: unknown): string | number =>
    typeof part === 'object' && part !== null ? partId(part) : typeof part === 'string' ? texts.idOf(part) : String(part)
  const tabId = (tab: Tab): number => known(tab, () => idOf({ ...tab, moment: tab.moment.id }))
  const sharedId = (shared: Shared): number => known(shared, () => idOf({ ...shared }))
  return ({ tabs, shared }) => `${tabId(tabs[0])} ${tabId(tabs[1])} ${sharedId(shared)}`
}
