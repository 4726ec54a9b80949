import { describe, expect, test } from 'vitest'
import { backOff } from '../../src/core/back-off.ts'
import type { ActiveRecord, EndedRecord, EndReason } from '../../src/core/record.ts'
import { secret } from '../../src/core/secret.ts'
import { type By, type Fact, type Goal, initialState, type Order, ownToken, type Policy, type State } from '../../src/core/state.ts'
import { type Now, never } from '../../src/core/time.ts'
import { nextWake, transition } from '../../src/core/transition.ts'
import { endOf } from '../../src/core/write.ts'
import { access, active, at, ended, epoch, grant, holding, policy, retry, signedIn, signedOut } from './samples.ts'

interface Row {
  readonly name: string
  readonly from: State
  readonly fact: Fact
  /** @defaultValue a second after the tab has looked */
  readonly now?: Now
  readonly policy?: Partial<Policy>
  /** What is different afterwards. */
  readonly to?: Partial<State>
  readonly orders?: readonly Order[]
}

const soon = at(1_000)
const setForward = { ...soon, wall: soon.wall + 60_000 }
const looked = (now = soon): Partial<State> => ({ lookedAt: now, looking: false })
const gone = (record: EndedRecord | null = null): Partial<State> => ({ held: { kind: 'signed-out', record }, due: never })

const later = active({ generation: 6, grant: { ...grant, access: { '': { ...access, token: secret('access-6'), generation: 6 } } } })
const bob = active({ session: 't', subject: 'bob' })
const annAgain = active({ session: 't' })
const somebody = active({ subject: null })
const somebodyElse = active({ session: 't', subject: null })
const nothingToPresent = active({ grant: { ...grant, refreshToken: null } })
const opaque = active({ grant: { ...grant, refreshToken: null, access: { '': { ...access, life: null } } } })
const opaqueOfTwo = active({ grant: { ...opaque.grant, access: { ...opaque.grant.access, 'urn:files ': access } } })

const read = (record: Extract<Fact, { type: 'record-read' }>['record'], by: By = 'other-tab'): Fact => ({ type: 'record-read', record, by })
const announceEnd = (record: ActiveRecord, reason: EndReason, by: By, now = soon): Order => ({
  do: 'announce',
  type: 'ended',
  record: endOf(record, reason, now.wall),
  by,
})
const announce = (type: 'signed-in' | 'refreshed', record: ActiveRecord, by: By = 'other-tab'): Order => ({
  do: 'announce',
  type,
  record,
  by,
})
const refresh = (goal: Goal): Order => ({ do: 'refresh', goal })
const needed = (goal: Partial<Goal> = {}, waiting = true): Fact => ({ type: 'token-needed', goal: { ...ownToken, ...goal }, waiting })
const refused = (goal: Partial<Goal> = {}, invalid = true): Fact => ({
  type: 'token-refused',
  goal: { ...ownToken, from: 5, ...goal },
  invalid,
})
const news = (part: Partial<Extract<Fact, { type: 'heard' }>['news']> = {}): Fact => ({
  type: 'heard',
  news: { session: 's', generation: 5, missing: false, ...part },
})
const signal = (what: Extract<Fact, { type: 'signalled' }>['signal']): Fact => ({ type: 'signalled', signal: what })

const day = 86_400_000
const look: Order = { do: 'look' }
const starting = initialState(true)

const denial = { until: 60_000, cause: new Error('denied') }
const denied = { 'urn:files ': denial }

const table: Record<Fact['type'], readonly Row[]> = {
  'record-read': [
    { name: 'an empty store means that nobody is signed in', from: starting, fact: read(null), to: { ...looked(), ...gone() } },
    {
      name: 'an empty store says nothing where a cookie may: the server is asked',
      from: starting,
      fact: read(null),
      policy: { cookie: true },
      to: { ...looked(), refreshing: true },
      orders: [refresh(ownToken)],
    },
    {
      name: 'the session that was there at the start is no news',
      from: starting,
      fact: read(active()),
      to: { ...looked(), held: holding(active(), soon) },
    },
    {
      name: 'an end from before the start is remembered, and no news',
      from: starting,
      fact: read(ended()),
      to: { ...looked(), ...gone(ended()) },
    },
    {
      name: 'REQ-25: what one sign-in was denied, another may be granted',
      from: signedIn({ denied }),
      fact: read(annAgain),
      to: { ...looked(), held: holding(annAgain, soon), denied: {} },
      orders: [announce('signed-in', annAgain)],
    },
    {
      name: 'REQ-25: what was denied stays so, whatever else is refreshed',
      from: signedIn({ denied }),
      fact: read(later),
      to: { ...looked(), held: holding(later, soon) },
      orders: [announce('refreshed', later)],
    },
    { name: 'F44: a record of a later version is left alone', from: starting, fact: read('foreign'), to: { ...looked(), ...gone() } },
    { name: 'F44: a record of a later version does not end what is held', from: signedIn(), fact: read('foreign'), to: looked() },
    { name: 'the same record again changes nothing', from: signedIn(), fact: read(active()), to: looked() },
    {
      name: 'F07: a later generation is adopted',
      from: signedIn(),
      fact: read(later),
      to: { ...looked(), held: holding(later, soon) },
      orders: [announce('refreshed', later)],
    },
    {
      name: 'F09: an end by another tab is an end',
      from: signedIn(),
      fact: read(ended({ reason: 'idle' })),
      to: { ...looked(), ...gone(ended({ reason: 'idle' })) },
      orders: [{ do: 'announce', type: 'ended', record: ended({ reason: 'idle' }), by: 'other-tab' }],
    },
    {
      name: 'an older generation, written back by somebody who slept, is put right',
      from: signedIn({}, later),
      fact: read(active()),
      to: looked(),
      orders: [{ do: 'restore' }],
    },
    {
      name: 'F10, F11: another user in the place of ours ends our session',
      from: signedIn(),
      fact: read(bob),
      to: { ...looked(), held: holding(bob, soon) },
      orders: [announceEnd(active(), 'user-changed', 'other-tab'), announce('signed-in', bob)],
    },
    {
      name: 'F17: the same user in another session is no end',
      from: signedIn(),
      fact: read(annAgain),
      to: { ...looked(), held: holding(annAgain, soon) },
      orders: [announce('signed-in', annAgain)],
    },
    {
      name: 'F10: whose user is unknown counts as another',
      from: signedIn({}, somebody),
      fact: read(somebodyElse),
      to: { ...looked(), held: holding(somebodyElse, soon) },
      orders: [announceEnd(somebody, 'user-changed', 'other-tab'), announce('signed-in', somebodyElse)],
    },
    {
      name: 'F10: the end of another user’s session that had taken the place of ours is an end of ours, for another user',
      from: signedIn(),
      fact: read(ended({ session: 't', subject: 'bob' })),
      to: { ...looked(), ...gone(ended({ session: 't', subject: 'bob' })) },
      orders: [announceEnd(active(), 'user-changed', 'other-tab')],
    },
    {
      name: 'F11: that of the same user’s is an end of ours for its own reason',
      from: signedIn(),
      fact: read(ended({ session: 't', reason: 'idle' })),
      to: { ...looked(), ...gone(ended({ session: 't', reason: 'idle' })) },
      orders: [announceEnd(active(), 'idle', 'other-tab')],
    },
    {
      name: 'F33: and says of a lost answer what that one says',
      from: signedIn(),
      fact: read(ended({ session: 't', reason: 'rejected', answerLost: true })),
      to: { ...looked(), ...gone(ended({ session: 't', reason: 'rejected', answerLost: true })) },
      orders: [{ do: 'announce', type: 'ended', record: endOf(active(), 'rejected', soon.wall, true), by: 'other-tab' }],
    },
    {
      name: 'F17: a sign-in in another tab is seen by one that was signed out',
      from: signedOut({}, ended()),
      fact: read(bob),
      to: { ...looked(), held: holding(bob, soon) },
      orders: [announce('signed-in', bob)],
    },
    {
      name: 'F42: a record that is gone is asked for, and is no end',
      from: signedIn(),
      fact: read(null),
      to: looked(),
      orders: [{ do: 'ask' }],
    },
    {
      name: 'our own sign-in, on its way, is not missed in the store',
      from: signedIn({ held: holding(active(), at(0), true) }),
      fact: read(null),
      to: looked(),
    },
    {
      name: 'our own sign-in arrives, which is no refresh',
      from: signedIn({ held: holding(active(), at(0), true) }),
      fact: read(active({ generation: 9 }), 'this-tab'),
      to: { ...looked(), held: holding(active({ generation: 9 })) },
    },
    {
      name: 'F22: what this tab makes of a token it has had before stays as it was, though its clock was set since',
      from: signedIn(),
      fact: read(active({ fence: 9 })),
      now: setForward,
      to: { ...looked(setForward), held: { ...holding(active()), record: active({ fence: 9 }) } },
    },
    {
      name: 'F66: who knows of the end writes it again where the session has come back',
      from: signedOut({}, ended()),
      fact: read(active()),
      to: looked(),
      orders: [{ do: 'restore' }],
    },
  ],
  'read-failed': [
    {
      name: 'F40: at the start the tab goes on without a session',
      from: starting,
      fact: { type: 'read-failed' },
      to: { ...looked(), ...gone() },
    },
    {
      name: 'F40: at the start a cookie is asked about all the same',
      from: starting,
      fact: { type: 'read-failed' },
      policy: { cookie: true },
      to: { ...looked(), refreshing: true },
      orders: [refresh(ownToken)],
    },
    { name: 'F40: what is held stays', from: signedIn(), fact: { type: 'read-failed' }, to: looked() },
  ],
  'refresh-ended': [
    { name: 'the next one may begin', from: signedIn({ refreshing: true }), fact: { type: 'refresh-ended' }, to: { refreshing: false } },
  ],
  'nobody-known': [
    {
      name: 'a session that nobody vouches for any more is over',
      from: signedIn({ stale: true }),
      fact: { type: 'nobody-known' },
      to: gone(endOf(active(), 'refresh-expired', soon.wall)),
      orders: [announceEnd(active(), 'refresh-expired', 'this-tab')],
    },
    {
      name: 'a cookie that stands for nobody means signed out',
      from: { ...starting, ...looked(at(0)) },
      fact: { type: 'nobody-known' },
      to: gone(),
    },
    { name: 'the reason of the last end is kept', from: signedOut({}, ended()), fact: { type: 'nobody-known' } },
  ],
  'ask-failed': [
    {
      name: 'F27: a server that could not say who is there is asked again, later',
      from: { ...starting, ...looked(at(0)) },
      fact: { type: 'ask-failed', retry },
      policy: { cookie: true },
      now: at(0),
      to: { held: { kind: 'loading', record: null, retry } },
    },
    { name: 'who is known to be signed out stays so', from: signedOut({}, ended()), fact: { type: 'ask-failed', retry } },
  ],
  'store-failed': [
    {
      name: 'F39: the session stays and tries again later',
      from: signedIn(),
      fact: { type: 'store-failed' },
      to: { held: holding(active({ retry: backOff(null, soon, false) })) },
    },
    { name: 'there is nothing to try again without a session', from: signedOut(), fact: { type: 'store-failed' } },
    {
      name: 'F40: who is signed in is asked again later',
      from: { ...starting, ...looked(at(0)) },
      fact: { type: 'store-failed' },
      policy: { cookie: true },
      to: { held: { kind: 'loading', record: null, retry: backOff(null, soon, false) } },
    },
  ],
  denied: [
    {
      name: 'REQ-25: each resource is denied by itself',
      from: signedIn({ denied }),
      fact: { type: 'denied', denials: { 'urn:mail ': denial } },
      to: { denied: { ...denied, 'urn:mail ': denial } },
    },
  ],
  heard: [
    { name: 'what is known already is no reason to look', from: signedIn(), fact: news() },
    { name: 'F12: older news is dropped', from: signedIn(), fact: news({ generation: 4 }) },
    {
      name: 'a later generation is looked at',
      from: signedIn(),
      fact: news({ generation: 6 }),
      to: { stale: true, looking: true },
      orders: [look],
    },
    {
      name: 'F11: another session is always looked at',
      from: signedIn(),
      fact: news({ session: 't', generation: 1 }),
      to: { stale: true, looking: true },
      orders: [look],
    },
    {
      name: 'a nudge during a look is a look of its own: what is being read may be older',
      from: signedIn({ looking: true }),
      fact: news({ generation: 6 }),
      to: { stale: true },
      orders: [look],
    },
    {
      name: 'a tab without a session looks, and has nothing to be stale',
      from: signedOut(),
      fact: news(),
      to: { looking: true },
      orders: [look],
    },
    {
      name: 'F42: a record that is missed is written by who knows later',
      from: signedIn({}, later),
      fact: news({ missing: true }),
      orders: [{ do: 'restore' }],
    },
    { name: 'F42: a record that is missed is not written by who knows the same', from: signedIn(), fact: news({ missing: true }) },
    {
      name: 'F66: an ended session that is missed is answered with its end',
      from: signedOut({}, ended()),
      fact: news({ missing: true }),
      orders: [{ do: 'restore' }],
    },
  ],
  woke: [
    { name: 'nothing is due', from: signedIn(), fact: { type: 'woke' } },
    {
      name: 'the token is due: it is renewed ahead of need',
      from: signedIn({ lookedAt: at(239_000) }),
      now: at(240_000),
      fact: { type: 'woke' },
      to: { refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    {
      name: 'M5: a session without a token of its own, for what came was of no use, is renewed at once',
      from: signedIn({}, active({ grant: { ...grant, access: {} } })),
      fact: { type: 'woke' },
      to: { refreshing: true },
      orders: [refresh(ownToken)],
    },
    {
      name: 'F16: one refresh at a time',
      from: signedIn({ refreshing: true, lookedAt: at(239_000) }),
      now: at(240_000),
      fact: { type: 'woke' },
    },
    {
      name: 'F81: a tab that nobody looks at keeps no session alive',
      from: signedIn({ visible: false, lookedAt: at(239_000) }),
      now: at(240_000),
      fact: { type: 'woke' },
    },
    {
      name: 'unless the app says so',
      from: signedIn({ visible: false, lookedAt: at(239_000) }),
      now: at(240_000),
      fact: { type: 'woke' },
      policy: { keepFresh: 'always' },
      to: { refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    {
      name: 'nothing is renewed ahead of need on demand',
      from: signedIn({ lookedAt: at(239_000) }),
      now: at(240_000),
      fact: { type: 'woke' },
      policy: { keepFresh: 'on-demand' },
    },
    {
      name: 'F20: who may have slept looks before anything else',
      from: signedIn(),
      now: at(3_600_000),
      fact: { type: 'woke' },
      to: { looking: true },
      orders: [look],
    },
    {
      name: 'a lost nudge is made good by a look now and then',
      from: signedIn(),
      now: at(30_000),
      fact: { type: 'woke' },
      to: { looking: true },
      orders: [look],
    },
    { name: 'who is not looked at does not look', from: signedIn({ visible: false }), now: at(30_000), fact: { type: 'woke' } },
    {
      name: 'F57: a token that has run out with nothing to renew it ends the session',
      from: signedIn({ lookedAt: at(299_000) }, nothingToPresent),
      now: at(300_000),
      fact: { type: 'woke' },
      to: { refreshing: true },
      orders: [{ do: 'expire', record: nothingToPresent }],
    },
    {
      name: 'a server that asked for a pause gets it',
      from: signedIn({ lookedAt: at(239_000) }, active({ retry: { ...retry, at: epoch + 230_000 } })),
      now: at(240_000),
      fact: { type: 'woke' },
    },
  ],
  signalled: [
    { name: 'F20: before the freeze, forgets that it has looked', from: signedIn(), fact: signal('frozen'), to: { lookedAt: null } },
    { name: 'hidden', from: signedIn(), fact: signal('hidden'), to: { visible: false } },
    {
      name: 'F16: two signals of one waking are one look',
      from: signedIn({ visible: false }),
      fact: signal('visible'),
      to: { visible: true },
    },
    {
      name: 'F75: visible again after a while is one look',
      from: signedIn({ visible: false }),
      now: at(2_000),
      fact: signal('visible'),
      to: { visible: true, looking: true },
      orders: [look],
    },
    {
      name: 'F68: back from the cache of pages, it looks first',
      from: signedIn({ lookedAt: null }),
      fact: signal('resumed'),
      to: { looking: true },
      orders: [look],
    },
    {
      name: 'F28: a network that is back ends a pause that no server asked for',
      from: signedIn({ lookedAt: at(299_500) }, active({ retry: { ...retry, at: epoch + 299_000, binding: false } })),
      now: at(300_000),
      fact: signal('online'),
      to: { onlineAt: at(300_000), refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    {
      name: 'F34: a network that comes and goes is one attempt in five seconds',
      from: signedIn(
        { onlineAt: at(299_000), lookedAt: at(299_500) },
        active({ retry: { ...retry, at: epoch + 299_500, binding: false } }),
      ),
      now: at(300_000),
      fact: signal('online'),
    },
  ],
  'token-needed': [
    { name: 'a fresh token answers the need', from: signedIn(), fact: needed() },
    {
      name: 'an expired token does not',
      from: signedIn({ visible: false, lookedAt: at(300_000) }),
      now: at(301_000),
      fact: needed(),
      to: { refreshing: true },
      orders: [refresh(ownToken)],
    },
    {
      name: 'F60: a token for another resource is another token',
      from: signedIn(),
      fact: needed({ resource: 'https://files.test' }),
      to: { refreshing: true },
      orders: [refresh({ ...ownToken, resource: 'https://files.test' })],
    },
    { name: 'REQ-25: what was denied is not asked for', from: signedIn({ denied }), fact: needed({ resource: 'urn:files' }) },
    {
      name: 'REQ-25: until a minute is over',
      from: signedIn({ denied, lookedAt: at(60_000) }),
      now: at(60_000),
      fact: needed({ resource: 'urn:files' }),
      to: { refreshing: true },
      orders: [refresh({ ...ownToken, resource: 'urn:files' })],
    },
    {
      name: 'REQ-25: and everything else is',
      from: signedIn({ denied }),
      fact: needed({ resource: 'urn:files', scope: 'read' }),
      to: { refreshing: true },
      orders: [refresh({ ...ownToken, resource: 'urn:files', scope: 'read' })],
    },
    { name: 'one refresh for all who wait', from: signedIn({ refreshing: true }), fact: needed({ from: 5 }) },
    {
      name: 'F30: nobody cuts short what a server asked for',
      from: signedIn({}, active({ retry })),
      now: at(30_000),
      fact: needed({ from: 5 }),
    },
    {
      name: 'F28: somebody who waits cuts short a pause that no server asked for',
      from: signedIn({ visible: false }, active({ retry: { ...retry, binding: false } })),
      now: at(5_000),
      fact: needed({ from: 5 }),
      to: { refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    {
      name: 'F28: nobody waits, nothing is cut short',
      from: signedIn({ visible: false }, active({ retry: { ...retry, binding: false } })),
      now: at(5_000),
      fact: needed({ from: 5 }, false),
    },
    {
      name: 'who may have slept looks first',
      from: signedIn({ lookedAt: null, visible: false }),
      fact: needed({ from: 5 }),
      to: { looking: true },
      orders: [look],
    },
    { name: 'nobody is signed in, nothing can be had', from: signedOut(), fact: needed() },
    {
      name: 'nobody is signed in as far as this browser knows: the cookie is asked',
      from: signedOut(),
      fact: needed(),
      policy: { cookie: true },
      to: { refreshing: true },
      orders: [refresh(ownToken)],
    },
    { name: 'a sign-in on its way is waited for', from: signedIn({ held: holding(active(), at(0), true) }), fact: needed({ from: 5 }) },
    { name: 'nothing is begun after close', from: signedIn({ closed: true, visible: false }), fact: needed({ from: 5 }) },
  ],
  'token-refused': [
    {
      name: 'F22: the token of now is replaced',
      from: signedIn(),
      fact: refused(),
      to: { refusedAt: { '': soon.mono }, refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    { name: 'F55: a late refusal of an earlier token is nothing', from: signedIn({}, later), fact: refused() },
    {
      name: 'F53, F54: not twice within half a minute',
      from: signedIn({ refusedAt: { '': 0 } }),
      now: at(29_000),
      fact: refused({}, false),
    },
    {
      name: 'F53: not twice within half a minute, not even when it says invalid',
      from: signedIn({ refusedAt: { '': 0 } }),
      now: at(29_000),
      fact: refused(),
    },
    {
      name: 'F54: but after half a minute',
      from: signedIn({ refusedAt: { '': 0 }, lookedAt: at(29_000) }),
      now: at(30_000),
      fact: refused({}, false),
      to: { refusedAt: { '': 30_000 }, refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    {
      name: 'F50: a refusal is all that tells the end of a token of unknown life: that is heard sooner',
      from: signedIn({ refusedAt: { '': 0 } }, active({ grant: { ...grant, access: { '': { ...access, life: null } } } })),
      now: at(10_000),
      fact: refused(),
      to: { refusedAt: { '': 10_000 }, refreshing: true },
      orders: [refresh({ ...ownToken, from: 5 })],
    },
    {
      name: 'F51, F57: and where nothing can renew it, that is the end',
      from: signedIn({}, opaque),
      fact: refused(),
      to: { held: { ...holding(opaque), deadlines: { '': { fresh: soon, renew: soon, expires: soon } } }, refreshing: true },
      orders: [{ do: 'expire', record: opaque }],
    },
    {
      name: 'F51: and until it is written the tokens for other APIs are what they were',
      from: signedIn({}, opaqueOfTwo),
      fact: refused(),
      to: {
        held: {
          ...holding(opaqueOfTwo),
          deadlines: { ...holding(opaqueOfTwo).deadlines, '': { fresh: soon, renew: soon, expires: soon } },
        },
        refreshing: true,
      },
      orders: [{ do: 'expire', record: opaqueOfTwo }],
    },
    {
      name: 'F54: but not a refusal that gives no reason',
      from: signedIn({}, opaque),
      fact: refused({}, false),
      to: { refusedAt: { '': soon.mono } },
    },
    {
      name: 'nor one of a token whose life is known',
      from: signedIn({}, nothingToPresent),
      fact: refused(),
      to: { refusedAt: { '': soon.mono } },
    },
    {
      name: 'nor one of a token for one API',
      from: signedIn({}, opaque),
      fact: refused({ resource: 'urn:files' }),
      to: { refusedAt: { 'urn:files ': soon.mono } },
    },
  ],
  'signed-in': [
    {
      name: 'usable at once, and on its way to the store',
      from: signedOut({}, ended()),
      fact: { type: 'signed-in', record: bob },
      to: { held: holding(bob, soon, true) },
      orders: [announce('signed-in', bob, 'this-tab')],
    },
    {
      name: 'F10: ends the session of another user',
      from: signedIn(),
      fact: { type: 'signed-in', record: bob },
      to: { held: holding(bob, soon, true) },
      orders: [announceEnd(active(), 'user-changed', 'this-tab'), announce('signed-in', bob, 'this-tab')],
    },
    {
      name: 'F17: ends nothing for the same user',
      from: signedIn(),
      fact: { type: 'signed-in', record: annAgain },
      to: { held: holding(annAgain, soon, true) },
      orders: [announce('signed-in', annAgain, 'this-tab')],
    },
  ],
  'signed-out': [
    {
      name: 'F66, F67: over in memory at once',
      from: signedIn(),
      fact: { type: 'signed-out', reason: 'incident' },
      to: gone(endOf(active(), 'incident', soon.wall)),
    },
    { name: 'F58: twice is once', from: signedOut({}, ended()), fact: { type: 'signed-out', reason: 'signed-out' } },
  ],
  closed: [
    {
      name: 'F71: nothing is begun any more',
      from: signedIn(),
      fact: { type: 'closed' },
      to: { closed: true, visible: false, lookedAt: null },
    },
    { name: 'twice is once', from: signedIn({ closed: true, visible: false, lookedAt: null }), fact: { type: 'closed' } },
  ],
}

/** What follows from several kinds of facts. */
const limits: readonly Row[] = [
  {
    name: 'what they make of a session comes with its record',
    from: signedIn(),
    fact: { type: 'record-read', record: active(), by: 'other-tab', due: at(9_000) },
    to: { ...looked(), due: at(9_000) },
  },
  {
    name: 'REQ-46: at the limit a tab looks, visible or not',
    from: signedIn({ due: at(5_000), visible: false }),
    fact: { type: 'woke' },
    now: at(5_000),
    to: { looking: true },
    orders: [{ do: 'look' }],
  },
  {
    name: 'REQ-46: and refreshes nothing before it has looked',
    from: signedIn({ due: at(250_000), lookedAt: at(230_000) }),
    fact: needed({ from: 5 }),
    now: at(250_000),
    to: { looking: true },
    orders: [{ do: 'look' }],
  },
  {
    name: 'a look of no use is not repeated within a second',
    from: signedIn({ due: at(5_000), lookedAt: at(4_500) }),
    fact: { type: 'woke' },
    now: at(5_000),
  },
  {
    name: 'a session that begins is held against them within two seconds',
    from: signedOut(),
    fact: { type: 'signed-in', record: active() },
    policy: { unjudged: 2_000 },
    to: { held: holding(active(), soon, true), due: { wall: epoch + 2_000, mono: 3_000 } },
    orders: [announce('signed-in', active(), 'this-tab')],
  },
  {
    name: 'and one that is older, at once',
    from: signedOut(),
    fact: read(active({ bounds: { signedInAt: epoch - day } })),
    policy: { unjudged: 2_000 },
    to: {
      ...looked(),
      held: holding(active({ bounds: { signedInAt: epoch - day } }), soon),
      due: { wall: epoch - day + 2_000, mono: 3_000 },
    },
    orders: [announce('signed-in', active({ bounds: { signedInAt: epoch - day } }))],
  },
]

describe.each([...Object.entries(table), ['limits', limits] as const])('%s', (_, rows) => {
  test.each(rows)('$name', ({ from, fact, now = soon, policy: changes, to, orders = [] }) => {
    expect(transition(from, fact, now, { ...policy, ...changes })).toEqual([{ ...from, ...to }, orders])
  })
})

test('a transition leaves the state that it was given as it was', () => {
  const from = Object.freeze(signedIn({ held: Object.freeze(holding(active())) }))
  const [to] = transition(from, read(later), soon, policy)
  expect(to).not.toBe(from)
  expect(from).toEqual(signedIn())
})

const wakes: readonly { name: string; from: State; now?: Now; policy?: Partial<Policy>; in: number }[] = [
  { name: 'a visible tab looks after its interval', from: signedIn(), in: 29_000 },
  {
    name: 'F18: in a month, to renew a token of a month',
    from: signedIn(
      { visible: false },
      active({ grant: { ...grant, access: { '': { ...access, life: { from: epoch, lasts: 30 * day } } } } }),
    ),
    policy: { keepFresh: 'always' },
    in: 30 * day - 60_000 - 5_000 - 1_000,
  },
  { name: 'a tab that nobody looks at wakes for the expiry only', from: signedIn({ visible: false }), in: 299_000 },
  { name: 'or to renew, if it always does', from: signedIn({ visible: false }), policy: { keepFresh: 'always' }, in: 234_000 },
  { name: 'to renew, where that is sooner than the look', from: signedIn({ lookedAt: at(230_000) }), now: at(230_000), in: 5_000 },
  {
    name: 'not before the pause is over',
    from: signedIn({ lookedAt: at(240_000) }, active({ retry: { ...retry, at: epoch + 230_000, wait: 20_000 } })),
    now: at(240_000),
    in: 10_000,
  },
  { name: 'at once, if it is late', from: signedIn(), now: at(3_600_000), in: 30_000 - 3_600_000 },
  {
    name: 'never while the answer to a look is awaited and a refresh is running',
    from: signedIn({ looking: true, refreshing: true }),
    in: Infinity,
  },
  { name: 'at the limit', from: signedIn({ visible: false, due: at(9_000) }), in: 8_000 },
  { name: 'at the limit, a refresh or not', from: signedIn({ visible: false, refreshing: true, due: at(9_000) }), in: 8_000 },
  { name: 'a second after a look of no use', from: signedIn({ visible: false, due: at(500) }), in: 1_000 },
  { name: 'not for a limit while it looks', from: signedIn({ looking: true, refreshing: true, due: at(500) }), in: Infinity },
  { name: 'never after close', from: signedIn({ closed: true }), in: Infinity },
  {
    name: 'F50: never for a token of unknown life that nobody looks at',
    from: signedIn({ visible: false }, active({ grant: { ...grant, access: { '': { ...access, life: null } } } })),
    in: Infinity,
  },
  { name: 'never for nobody, where nobody looks', from: signedOut({ visible: false }), in: Infinity },
]

describe('the next waking', () => {
  test.each(wakes)('$name', ({ from, now = soon, policy: changes, in: span }) => {
    expect(nextWake(from, now, { ...policy, ...changes })).toBe(span)
  })
})
