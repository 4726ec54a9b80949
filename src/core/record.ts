import { open, type Secret, secret } from './secret.ts'
import type { EpochMs, Ms } from './time.ts'

/**
 * Why a session ended.
 * - `signed-out`: the user or the app, here or in another tab
 * - `rejected`: the server refused the refresh token
 * - `refresh-expired`: there was nothing left to refresh with
 * - `idle`, `max-age`: a limit was reached
 * - `user-changed`: somebody else signed in
 * - `revoked`: a signal of app or server
 * - `incident`: the kill switch
 */
export type EndReason = 'signed-out' | 'rejected' | 'refresh-expired' | 'idle' | 'max-age' | 'user-changed' | 'revoked' | 'incident'

/** What all tabs share: the truth about the session. Everything else (memory, messages, locks) is a cache or a hint. */
export type SessionRecord = ActiveRecord | EndedRecord

interface CommonRecord {
  readonly version: typeof recordVersion
  /** Random, made at sign-in, unrelated to any token. Another id is another sign-in. */
  readonly session: string
  /** +1 with every sign-in, refresh and end, and with nothing else. Compared within one session only. */
  readonly generation: number
  /** +1 with every claim. Goes on through everything, so that no two claims are ever mistaken for one another. */
  readonly fence: number
  readonly subject: string | null
  /** Whom the server last called its user: the app may do so otherwise. */
  readonly told?: string | null | undefined
  readonly bounds: Bounds
  /** The `id` of the refresher whose refresh token this is: it is never sent to another one (REQ-58). */
  readonly issuer: string
}

/** When a session began, and what was said then of how long it may last. */
export interface Bounds {
  readonly signedInAt: EpochMs
  /** How long the server lets it last, from then on, as it said last. */
  readonly lasts?: Ms | null | undefined
  /** The moment by its own clock (s) that this comes from, if it said one. */
  readonly expiry?: number | undefined
  /** How old the user's sign-in at the provider was by then: a new session is no new sign-in (REQ-109, REQ-115). */
  readonly age?: Ms | null | undefined
}

export interface ActiveRecord extends CommonRecord {
  readonly status: 'active'
  readonly claim: Claim | null
  readonly retry: Retry | null
  readonly grant: Grant
}

/** A tombstone, so that an end and an eviction are told apart. */
export interface EndedRecord extends CommonRecord {
  readonly status: 'ended'
  readonly reason: EndReason
  readonly endedAt: EpochMs
  /** It was rejected when presented again, after an answer that nobody has had: the server may have spent it itself (F33). */
  readonly answerLost: boolean
  /** What its tokens were bound to: nobody needs it any more. */
  readonly binding?: string | null | undefined
}

/** Somebody is about to present the refresh token, or has presented it. */
export interface Claim {
  /** Random per instance of the library, in memory only. */
  readonly owner: string
  /** Made under the Web Lock: whoever holds the lock now knows that the owner is gone. */
  readonly locked: boolean
  /** How long this owner may take. A span: an instant would be judged by somebody else's clock. */
  readonly lasts: Ms
}

/** Failed refreshes in a row, and how long all tabs wait before the next. A span with its start, for the same reason. */
export interface Retry {
  readonly attempt: number
  /** When the first of the row failed. */
  readonly since: EpochMs
  /** When the last one failed. */
  readonly at: EpochMs
  readonly wait: Ms
  /** The server asked for the wait, or answered at all: it binds. Where nobody answered, a sign of life may cut it short. */
  readonly binding: boolean
  /** In this row the refresh token was presented, and nobody has had an answer: the server may have spent it (F33). */
  readonly unanswered?: boolean | undefined
}

export interface Grant {
  /** `null` where the server keeps it in a cookie, or gave none. */
  readonly refreshToken: Secret | null
  readonly refreshLife: Lifetime | null
  /** The key that the refresh token can be used with only, by its thumbprint (RFC 9449 §5). */
  readonly binding?: string | null | undefined
  /** By resource and scope; the session's own token under the empty key. */
  readonly access: Readonly<Record<string, AccessToken>>
}

export interface AccessToken {
  readonly token: Secret
  /** `null`: only the server knows. It is used until a 401 says otherwise. */
  readonly life: Lifetime | null
  readonly scope: string | null
  /** As {@link Grant.binding}; not there for a Bearer token. */
  readonly binding?: string | null | undefined
  /** The generation that brought it: a 401 says which token was refused. */
  readonly generation: number
}

/** Counted from when the request was sent, on the clock of the tab that sent it. No server timestamp is ever compared with it. */
export interface Lifetime {
  readonly from: EpochMs
  readonly lasts: Ms
}

export const recordVersion = 1

/** The text that goes into the store; the only place, with the transport, where tokens are revealed. */
export const serializeRecord = (record: SessionRecord): string =>
  JSON.stringify(record, function (this: Record<string, unknown>, key, value: unknown) {
    return open(this[key]) ?? value // `value` has been through toJSON and says "[secret]"
  })

/**
 * Reads what a store held. `null` for nothing and for what cannot be a record; `'foreign'` for a record of a later version or of
 * another refresher, which is left alone.
 */
export function parseRecord(text: string | null, issuer: string): SessionRecord | 'foreign' | null {
  try {
    const found: unknown = JSON.parse(text ?? '', (key, value) => (typeof value === 'string' && /oken$/.test(key) ? secret(value) : value))
    if (!isLike(found, { version: 0 })) return null
    const record = found as SessionRecord // checked before it is given away
    if (record.version > recordVersion || (record.issuer ?? issuer) !== issuer) return 'foreign'
    const whole = record.status === 'active' ? isLike(record, active) : record.status === 'ended' && isLike(record, ended)
    return whole && isLike(record, common) && [record.generation, record.fence].every(Number.isSafeInteger) ? record : null
  } catch {
    return null
  }
}

const life = [null, { from: 0, lasts: 0 }]
const common = { session: '', generation: 0, fence: 0, subject: [null, ''], bounds: { signedInAt: 0 }, issuer: '' }
const ended = { reason: '', endedAt: 0, answerLost: true }
const token = { token: { toJSON: isLike }, life, scope: [null, ''], generation: 0 }
const active = {
  claim: [null, { owner: '', locked: true, lasts: 0 }],
  retry: [null, { attempt: 0, since: 0, at: 0, wait: 0, binding: true }],
  grant: {
    refreshToken: [null, { toJSON: isLike }],
    refreshLife: life,
    access: { '': token, '*': token },
  },
}

/** Is `value` built like `example`? A list holds alternatives, `*` stands for every member, and members that the example does not have are no concern of ours. */
function isLike(value: unknown, example: unknown): boolean {
  if (Array.isArray(example)) return example.some((other) => isLike(value, other))
  if (typeof value !== typeof example || value === null || example === null) return value === example
  const members = value as Record<string, unknown> // an object, as its example is
  return Object.entries(example as object).every(([key, part]) =>
    (key === '*' ? Object.values(members) : [members[key]]).every((member) => isLike(member, part)),
  )
}
