import type { Deadlines } from './lifetime.ts'
import type { ActiveRecord, EndedRecord, EndReason, Retry, SessionRecord } from './record.ts'
import { type Moment, type MonotonicMs, type Ms, never } from './time.ts'

/** What one instance of the library knows, and what it is about. */
export interface State {
  readonly held: Held
  /** A refresh is under way: one at a time, whatever it is for. */
  readonly refreshing: boolean
  /** `null`: rendered ahead of a visit, which nothing is refreshed for (F86). */
  readonly visible: boolean | null
  /** Released: what was begun is brought to its end, and nothing is begun. */
  readonly closed: boolean
  /** As of when the record is known; `null` while this tab may have slept and must look before it acts (protocol, rule 10). */
  readonly lookedAt: Moment | null
  readonly looking: boolean
  /** Until then no limit ends the session, as far as this tab knows; from then on it looks before anything leaves (REQ-46). */
  readonly due: Moment
  /** A peer has spoken of something later: what is held is never written back. */
  readonly stale: boolean
  /** It slept, and then found no record: nobody here knows what became of the session, so a refresh comes first (rule 11). */
  readonly doubtful: boolean
  /** When a 401 last led to a refresh, under the name that a grant would hold the token. */
  readonly refusedAt: Readonly<Record<string, MonotonicMs>>
  /** What this tab has asked for in vain, for this session. */
  readonly denied: Denials
  /** When the browser last said that the network is back. */
  readonly onlineAt: Moment
}

/** The record as this tab last knew it. */
type Held =
  /** `retry`: the server has been asked who is signed in, and could not say. */
  | { readonly kind: 'loading'; readonly record: null; readonly retry: Retry | null }
  | { readonly kind: 'signed-out'; readonly record: EndedRecord | null }
  | SignedIn

export interface SignedIn {
  readonly kind: 'signed-in'
  readonly record: ActiveRecord
  readonly deadlines: Readonly<Record<string, Deadlines>>
  /** Signed in here, and not written yet: what the store says of other sessions is older. */
  readonly arriving: boolean
}

/** A session, and whose it is: who has signed in anew is who they were, if it is known who that is. */
export interface Owner {
  /** `null`: nobody's. */
  readonly session: string | null
  readonly subject?: string | null | undefined
}

/** Who is signed in, as far as this tab knows. */
export const ownerIn = ({ held }: State): Owner =>
  held.kind === 'signed-in' ? { session: held.record.session, subject: held.record.subject } : { session: null }

/** Is it the same session, or another one of the same user, as far as it is known who that is? */
export const isOf = (one: Owner, other: Owner): boolean =>
  one.session === other.session || (typeof one.subject === 'string' && one.subject === other.subject)

/** A token for this resource and scope; for neither: the session's own. */
export interface Want {
  readonly resource: string | null
  readonly scope: string | null
}

/** Which token is wanted, and which one will not do: any of a later generation will. */
export interface Goal extends Want {
  readonly from: number
}

/** Any token of the session's own will do. */
export const ownToken: Goal = { resource: null, scope: null, from: 0 }

/** Under which name a grant holds that token. */
export const keyOf = ({ resource, scope }: Want): string => (resource || scope ? `${resource ?? ''} ${scope ?? ''}` : '')

/** What the server gives no token for, though it may for others: under the name that a grant would hold it, and not asked for again until then. */
type Denials = Readonly<Record<string, { readonly until: MonotonicMs; readonly cause: unknown }>>

/** What one instance tells the others: never more than that there is something to look at. */
export interface News {
  readonly session: string
  readonly generation: number
  /** The sender found no record. Who knows something later writes it. */
  readonly missing: boolean
}

export type PageSignal = 'visible' | 'hidden' | 'frozen' | 'resumed' | 'online'

export type By = 'this-tab' | 'other-tab'

/** What has happened. */
export type Fact =
  /** `by`: who wrote it; `at`: when the store was asked, if that is not now; `due`: what the limits make of it. */
  | {
      readonly type: 'record-read'
      readonly record: SessionRecord | 'foreign' | null
      readonly by: By
      readonly at?: Moment
      readonly due?: Moment | undefined
    }
  | { readonly type: 'read-failed'; readonly at?: Moment }
  | { readonly type: 'refresh-ended' }
  /** By the server: this resource or scope, to everybody of this session. */
  | { readonly type: 'denied'; readonly denials: Denials }
  /** The server knows of nobody, or nobody knows better than what is known to be out of date. */
  | { readonly type: 'nobody-known' }
  /** The server could not say who is signed in. */
  | { readonly type: 'ask-failed'; readonly retry: Retry }
  /** The store is of no use for now: nothing is presented. */
  | { readonly type: 'store-failed' }
  | { readonly type: 'heard'; readonly news: News }
  | { readonly type: 'woke' }
  | { readonly type: 'signalled'; readonly signal: PageSignal }
  /** By somebody who waits for it, or only because it is time. */
  | { readonly type: 'token-needed'; readonly goal: Goal; readonly waiting: boolean }
  /** By an API, which called it invalid or gave no reason (RFC 6750 §3.1). */
  | { readonly type: 'token-refused'; readonly goal: Goal; readonly invalid: boolean }
  | { readonly type: 'signed-in'; readonly record: ActiveRecord }
  | { readonly type: 'signed-out'; readonly reason: EndReason }
  | { readonly type: 'closed' }

/** What shall be done about it. */
export type Order =
  | { readonly do: 'look' }
  | { readonly do: 'refresh'; readonly goal: Goal }
  /** There is nothing left to refresh with: end it, unless the store knows better. */
  | { readonly do: 'expire'; readonly record: ActiveRecord }
  /** Ask the peers for the record that is gone, and write back what is known if nobody has anything better. */
  | { readonly do: 'ask' }
  | { readonly do: 'restore' }
  | ({ readonly do: 'announce' } & Announcement)

export type Announcement =
  | { readonly type: 'signed-in' | 'refreshed'; readonly record: ActiveRecord; readonly by: By }
  | { readonly type: 'ended'; readonly record: EndedRecord; readonly by: By }

const longAgo = -Infinity

export const initialState = (visible: boolean | null): State => ({
  held: { kind: 'loading', record: null, retry: null },
  refreshing: false,
  visible,
  closed: false,
  lookedAt: null,
  looking: true,
  due: never,
  stale: false,
  doubtful: false,
  refusedAt: {},
  denied: {},
  onlineAt: { wall: longAgo, mono: longAgo },
})

/** What of the caller's options the core decides by. */
export interface Policy {
  /** This instance, at random. */
  readonly owner: string
  readonly issuer: string
  readonly keepFresh: 'while-visible' | 'always' | 'on-demand'
  readonly refreshTimeout: Ms
  /** What is presented is a cookie: there may be a session that this browser has no record of. */
  readonly cookie: boolean
  readonly retryUnanswered: boolean
  /** How often a visible tab looks though nobody has told it to. */
  readonly lookEvery: Ms
  /** How old a session may be that was not held against the limits yet: infinitely, where there are none. */
  readonly unjudged: Ms
}
