import { deadlinesOf } from '../../src/core/lifetime.ts'
import {
  type AccessToken,
  type ActiveRecord,
  type Claim,
  type EndedRecord,
  type Grant,
  type Retry,
  recordVersion,
} from '../../src/core/record.ts'
import { secret } from '../../src/core/secret.ts'
import { initialState, type Policy, type SignedIn, type State } from '../../src/core/state.ts'
import type { Now } from '../../src/core/time.ts'

/** Any moment will do; a round one makes a failing test readable. */
export const epoch = 1_700_000_000_000

/** So long after the session began, on both clocks. */
export const at = (span: number, chance = 0.5): Now => ({ wall: epoch + span, mono: span, chance })

export const policy: Policy = {
  owner: 'this-tab',
  issuer: 'https://login.test',
  keepFresh: 'while-visible',
  refreshTimeout: 10_000,
  cookie: false,
  retryUnanswered: true,
  lookEvery: 30_000,
  unjudged: Infinity,
}

/** Good for 300 s from the beginning, brought by generation 5. */
export const access: AccessToken = { token: secret('access-5'), life: { from: epoch, lasts: 300_000 }, scope: null, generation: 5 }

export const grant: Grant = { refreshToken: secret('refresh-5'), refreshLife: null, access: { '': access } }

export const claim: Claim = { owner: 'other-tab', locked: true, lasts: 12_000 }

export const retry: Retry = { attempt: 1, since: epoch, at: epoch, wait: 60_000, binding: true }

/** Generation 5 and fence 3 of session `s`, unless a test says otherwise. */
export const active = (overrides: Partial<ActiveRecord> = {}): ActiveRecord => ({
  version: recordVersion,
  session: 's',
  generation: 5,
  fence: 3,
  subject: 'ann',
  bounds: { signedInAt: epoch },
  issuer: policy.issuer,
  status: 'active',
  claim: null,
  retry: null,
  grant,
  ...overrides,
})

export const ended = (overrides: Partial<EndedRecord> = {}): EndedRecord => ({
  version: recordVersion,
  session: 's',
  generation: 6,
  fence: 3,
  subject: 'ann',
  bounds: { signedInAt: epoch },
  issuer: policy.issuer,
  status: 'ended',
  reason: 'signed-out',
  endedAt: epoch,
  answerLost: false,
  ...overrides,
})

/** What a tab holds that saw `record` at `seen`. */
export const holding = (record: ActiveRecord, seen: Now = at(0), arriving = false): SignedIn => ({
  kind: 'signed-in',
  record,
  deadlines: Object.fromEntries(Object.entries(record.grant.access).map(([key, token]) => [key, deadlinesOf(token, seen)])),
  arriving,
})

/** A visible tab that has just looked, and holds the session. */
export const signedIn = (overrides: Partial<State> = {}, record = active()): State => ({
  ...initialState(true),
  held: holding(record),
  looking: false,
  lookedAt: at(0),
  ...overrides,
})

export const signedOut = (overrides: Partial<State> = {}, record: EndedRecord | null = null): State =>
  signedIn({ held: { kind: 'signed-out', record }, ...overrides })
