import { describe, expect, test } from 'vitest'
import { secret } from '../../src/core/secret.ts'
import { initialState, ownToken, type State } from '../../src/core/state.ts'
import type { Moment, Now } from '../../src/core/time.ts'
import { canPresent, freshUntil, mustLook, type Need, type Verdict, verdict } from '../../src/core/verdict.ts'
import { access, active, at, ended, epoch, grant, policy, retry, signedIn, signedOut } from './samples.ts'

const files = { ...access, token: secret('access-files'), generation: 4 }
const severalTokens = active({ grant: { ...grant, access: { '': access, 'https://files.test ': files } } })
const unknownLife = active({ grant: { ...grant, access: { '': { ...access, life: null } } } })
const nothingToPresent = active({ grant: { ...grant, refreshToken: null } })
const resting = active({ retry: { ...retry, at: epoch + 298_000 } })

const denied = { 'urn:mail ': { until: 60_000, cause: new Error('denied') } }

const token = (given = access, due = false): Verdict => ({ type: 'token', token: given, session: 's', subject: 'ann', due })

/** A tab that has looked, and found no record: a cookie may say who is signed in. */
const asking = (overrides: Partial<State> = {}): State => ({ ...initialState(true), looking: false, lookedAt: at(0), ...overrides })

interface Row {
  readonly name: string
  readonly state: State
  readonly need?: Partial<Need>
  readonly now?: Now
  readonly gives: Verdict | null
}

const rows: readonly Row[] = [
  { name: 'a fresh token', state: signedIn(), gives: token() },
  { name: 'a token that is due, and is told so', state: signedIn({ lookedAt: at(239_000) }), now: at(240_000), gives: token(access, true) },
  {
    name: 'the same in the very moment for which its renewal is set',
    state: signedIn({ lookedAt: at(235_000) }),
    now: at(235_000),
    gives: token(access, true),
  },
  { name: 'F26: not one that may run out on its way', state: signedIn({ lookedAt: at(295_000) }), now: at(295_000), gives: null },
  {
    name: 'F50: a token of unknown life, for as long as nobody refuses it',
    state: signedIn({ lookedAt: at(1e12) }, unknownLife),
    now: at(1e12),
    gives: token(unknownLife.grant.access['']),
  },
  { name: 'not the one that was refused', state: signedIn(), need: { from: 5 }, gives: null },
  { name: 'a later one than the one that was refused', state: signedIn(), need: { from: 4 }, gives: token() },
  { name: 'a token for its resource', state: signedIn({}, severalTokens), need: { resource: 'https://files.test' }, gives: token(files) },
  {
    name: 'F60: no token meant for another resource',
    state: signedIn({}, severalTokens),
    need: { resource: 'https://mail.test' },
    gives: null,
  },
  {
    name: 'REQ-25: that this resource is denied, why, and until when',
    state: signedIn({ denied }),
    need: { resource: 'urn:mail' },
    gives: { type: 'unavailable', retryAt: epoch + 60_000, cause: denied['urn:mail '].cause },
  },
  { name: 'REQ-25: the session’s own token, whatever else is denied', state: signedIn({ denied }), gives: token() },
  {
    name: 'REQ-25: of a denied resource, the token that is there',
    state: signedIn({ denied: { 'https://files.test ': denied['urn:mail '] } }, severalTokens),
    need: { resource: 'https://files.test' },
    gives: token(files),
  },
  {
    name: 'no token that is shorter-lived than asked for',
    state: signedIn({ lookedAt: at(200_000) }),
    need: { minValidity: 110_000 },
    now: at(200_000),
    gives: null,
  },
  { name: 'but more than half a life cannot be asked for', state: signedIn(), need: { minValidity: 3_600_000 }, gives: token() },
  {
    name: 'a token that has just been refreshed away is waited for',
    state: signedIn({ refreshing: true }),
    need: { from: 5 },
    gives: null,
  },
  {
    name: 'F28: a pause that no server asked for is waited for no longer than five seconds',
    state: signedIn({ lookedAt: at(6_000) }, active({ retry: { ...retry, binding: false } })),
    need: { from: 5 },
    now: at(6_000),
    gives: null,
  },
  {
    name: 'a pause is not waited for',
    state: signedIn({}, active({ retry })),
    need: { from: 5 },
    gives: { type: 'unavailable', retryAt: epoch + 60_000 },
  },
  {
    name: 'a refresh in the middle of a pause is',
    state: signedIn({ refreshing: true }, active({ retry })),
    need: { from: 5 },
    gives: null,
  },
  {
    name: 'F26: with no better one to be had, a token with a second left goes out',
    state: signedIn({ lookedAt: at(298_500) }, resting),
    now: at(298_500),
    gives: token(),
  },
  {
    name: 'F30: and none with less',
    state: signedIn({ lookedAt: at(299_500) }, resting),
    now: at(299_500),
    gives: { type: 'unavailable', retryAt: epoch + 358_000 },
  },
  {
    name: 'F57: with nothing to renew it, a token with a second left goes out',
    state: signedIn({ lookedAt: at(298_500) }, nothingToPresent),
    now: at(298_500),
    gives: token(),
  },
  {
    name: 'F57: and with less, the end is waited for',
    state: signedIn({ lookedAt: at(299_500) }, nothingToPresent),
    now: at(299_500),
    gives: null,
  },
  { name: 'nothing before the store has been read', state: initialState(true), gives: null },
  { name: 'nothing while the server is asked for the first time who is signed in', state: asking({ refreshing: true }), gives: null },
  { name: 'nothing before it is asked, either', state: asking(), gives: null },
  {
    name: 'F27: that it could not say, and when it will be asked again',
    state: asking({ held: { kind: 'loading', record: null, retry } }),
    gives: { type: 'unavailable', retryAt: epoch + 60_000 },
  },
  { name: 'F42: nothing, while nobody knows what became of the session during a freeze', state: signedIn({ doubtful: true }), gives: null },
  { name: 'F68: nothing before a look, after what may have been sleep', state: signedIn(), now: at(60_001), gives: null },
  { name: 'REQ-46: nothing before a look, where a limit may be reached', state: signedIn({ due: at(0) }), gives: null },
  { name: 'F09: nothing before a look, after a freeze', state: signedIn({ lookedAt: null }), gives: null },
  { name: 'that nobody is signed in', state: signedOut(), gives: { type: 'signed-out' } },
  { name: 'nothing while the server is asked who is signed in', state: signedOut({ refreshing: true }), need: { asks: true }, gives: null },
  {
    name: 'F67: that nobody is signed in, while the refresh of the session that has ended goes on',
    state: signedOut({ refreshing: true }),
    gives: { type: 'signed-out' },
  },
  {
    name: 'the end of the session that the call began under',
    state: signedOut({}, ended()),
    need: { session: 's' },
    gives: { type: 'ended', end: ended() },
  },
  {
    name: 'an end without its reason, where another one is remembered',
    state: signedOut({}, ended({ session: 't' })),
    need: { session: 's' },
    gives: { type: 'ended', end: null },
  },
  {
    name: 'an end without its reason, where none is remembered',
    state: signedOut(),
    need: { session: 's' },
    gives: { type: 'ended', end: null },
  },
  { name: 'a token of the session that the call began under', state: signedIn(), need: { session: 's' }, gives: token() },
  {
    name: 'F84: nothing, if held, as long as nobody is back',
    state: signedOut({}, ended({ reason: 'idle' })),
    need: { session: 's', subject: 'ann', isHeld: true },
    gives: null,
  },
  {
    name: 'F84: the end, if held, where the user was back, and has left',
    state: signedOut({}, ended({ session: 't' })),
    need: { session: 's', subject: 'ann', isHeld: true },
    gives: { type: 'ended', end: ended({ session: 't' }) },
  },
  {
    name: 'F10: an end without its reason, if held, where somebody else was there',
    state: signedOut({}, ended({ session: 't', subject: 'bob', reason: 'idle' })),
    need: { session: 's', subject: 'ann', isHeld: true },
    gives: { type: 'ended', end: null },
  },
  {
    name: 'F84: a token, if held for the user who is back',
    state: signedIn(),
    need: { session: 'r', subject: 'ann', isHeld: true },
    gives: token(),
  },
  {
    name: 'F10: none, if held for somebody else',
    state: signedIn(),
    need: { session: 'r', subject: 'bob', isHeld: true },
    gives: { type: 'ended', end: null },
  },
  {
    name: 'F10: none, if held where nobody knows who was or is there',
    state: signedIn({}, active({ subject: null })),
    need: { session: 'r', subject: null, isHeld: true },
    gives: { type: 'ended', end: null },
  },
  {
    name: 'F10: no token of the session that came after',
    state: signedIn(),
    need: { session: 'before', subject: 'bob' },
    gives: { type: 'ended', end: null },
  },
  {
    name: 'F10: nor where nobody knows whose either is',
    state: signedIn({}, active({ subject: null })),
    need: { session: 'before', subject: null },
    gives: { type: 'ended', end: null },
  },
  {
    name: 'F17: one of the session that came after, of the same user',
    state: signedIn(),
    need: { session: 'before', subject: 'ann' },
    gives: token(),
  },
  {
    name: 'F11: the end of the session that came after, of the same user',
    state: signedOut({}, ended({ session: 't', reason: 'idle' })),
    need: { session: 's', subject: 'ann' },
    gives: { type: 'ended', end: ended({ session: 't', reason: 'idle' }) },
  },
  { name: 'that it was closed', state: signedIn({ closed: true }), gives: { type: 'closed' } },
]

describe('a caller gets', () => {
  test.each(rows)('$name', ({ state, need, now = at(0), gives }) => {
    expect(verdict(state, { ...ownToken, session: null, ...need }, now, policy)).toEqual(gives)
  })
})

const moment = (span: number): Moment => ({ wall: epoch + span, mono: span })

test.each([
  { name: 'is an interval from the last look', state: signedIn(), until: moment(60_000) },
  { name: 'is when the token is due', state: signedIn({ lookedAt: at(220_000) }), until: moment(235_000) },
  { name: 'is when a limit may be reached', state: signedIn({ due: at(9_000) }), until: moment(9_000) },
  { name: 'has passed where nobody is signed in', state: signedOut(), until: { wall: 0, mono: 0 } },
  { name: 'has passed where there is none for that resource', state: signedIn(), resource: 'urn:mail', until: { wall: 0, mono: 0 } },
])('the time for which a token may leave with no second thought $name', ({ state, resource = null, until }) => {
  expect(freshUntil(state, { ...ownToken, resource })).toEqual(until)
})

test.each([
  { name: 'a refresh token, of which nobody said how long it lives', of: active(), cookie: false, can: true },
  { name: 'a refresh token that lives', of: bounded({ refreshLasts: 1_001 }), cookie: false, can: true },
  { name: 'one that has run out', of: bounded({ refreshLasts: 1_000 }), cookie: false, can: false },
  { name: 'none', of: nothingToPresent, cookie: false, can: false },
  { name: 'a cookie, of a session of which nobody said how long it lasts', of: nothingToPresent, cookie: true, can: true },
  { name: 'a cookie that lives on in a session that is over', of: bounded({ lasts: 1_000 }), cookie: true, can: false },
  {
    name: 'a cookie that was said to be over in a session that is not',
    of: bounded({ refreshLasts: 1, lasts: 1_001 }),
    cookie: true,
    can: true,
  },
  {
    name: 'a cookie in a session that the server says has no end',
    of: active({ bounds: { signedInAt: epoch, lasts: null } }),
    cookie: true,
    can: true,
  },
])('REQ-43: $name can be presented: $can', ({ of, cookie, can }) => {
  expect(canPresent(of, { ...policy, cookie }, at(1_000))).toBe(can)
})

/** From the beginning on, in ms. */
function bounded({ refreshLasts, lasts }: { readonly refreshLasts?: number; readonly lasts?: number }) {
  const refreshLife = refreshLasts === undefined ? null : { from: epoch, lasts: refreshLasts }
  return active({ grant: { ...grant, refreshLife }, bounds: { signedInAt: epoch, ...(lasts !== undefined && { lasts }) } })
}

test.each([
  { name: 'has not looked at all', lookedAt: null, must: true },
  { name: 'has looked a minute ago', lookedAt: at(-60_000), must: false },
  { name: 'has looked longer ago', lookedAt: at(-60_001), must: true },
  { name: 'has slept by the wall clock alone', lookedAt: { wall: epoch - 60_001, mono: 0 }, must: true },
  { name: 'has slept by the monotonic clock alone', lookedAt: { wall: epoch, mono: -60_001 }, must: true },
])('who $name must look: $must', ({ lookedAt, must }) => {
  expect(mustLook(signedIn({ lookedAt }), at(0))).toBe(must)
})
