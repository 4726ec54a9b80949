import fc from 'fast-check'
import type { Refresher, RefreshRequest, SessionOptions } from 'latchkey'
import { limits } from 'latchkey/limits'
import type { Tab } from '../../src/testing/world.ts'
import { isLeakAtAGlance } from '../sightings.ts'
import { callFrom, type Ear, listenTo, minutes, roughen, type Scene, scene, seconds, storedIn, watch } from './scene.ts'

// Schedules by chance, for random-*.test.ts and scripts/soak.ts: what users, machines, networks, servers and stores may do in any order, played on a simulated browser of three
// tabs, and what must hold whatever they did (I1 to I7 of docs/protocol.md).

interface Step {
  readonly do: string
  readonly tab?: number
  readonly span?: number
  readonly subject?: string
}

interface Setting {
  readonly seed: number
  readonly hasLocks: boolean
  readonly steps: readonly Step[]
}

type Rotation = 'strict' | 'grace' | 'static'

const tab = fc.nat(2)
const only = <Name extends string>(name: Name) => fc.constant(name)

const steps = {
  advance: fc.record({ do: only('advance'), span: fc.constantFrom(0, 1, 20, 300, 2_000, 20_000, 70_000, 200_000) }),
  act: fc.record({ do: fc.constantFrom('call', 'refresh', 'hide', 'show', 'instance'), tab }),
  signIn: fc.record({ do: only('signIn'), tab, subject: fc.constantFrom('one', 'two') }),
  signOut: fc.record({ do: only('signOut'), tab }),
  /** Of an API that wants tokens of its own. */
  mail: fc.record({ do: only('call mail'), tab }),
  /** Whatever goes wrong at times, and is mended by trying again. */
  mishap: fc.record({ do: fc.constantFrom('503', 'store fails', 'loses a message') }),
  /** Of the machine, for all its tabs. */
  clock: fc.record({ do: only('clock'), span: fc.constantFrom(-7_200_000, -15_000, 0, 15_000, 7_200_000) }),
  /** Of one tab: what the others write comes from elsewhere in time. */
  ownClock: fc.record({ do: only('own clock'), tab, span: fc.constantFrom(-7_200_000, 0, 15_000, 7_200_000) }),
  life: fc.record({ do: fc.constantFrom('freeze', 'thaw', 'crash', 'offline', 'online'), tab }),
  /** A user does something; or nobody does, for a while. */
  presence: fc.oneof(
    fc.record({ do: only('key'), tab }),
    fc.record({ do: only('advance'), span: fc.constantFrom(400_000, 800_000, 1_000_000) }),
  ),
  fault: fc.record({ do: fc.constantFrom('503', 'store fails', 'answer-lost', 'request-lost', 'hang', 'slow', 'evict') }),
}

const mail = { url: 'https://mail.test/', resource: 'urn:mail' }

/** How the sessions are made, where it is not as always. */
type Options = Partial<Pick<SessionOptions, 'attachTo' | 'limits'>>

/** How often of ten which kind of step comes. */
type Mixture = Partial<Record<keyof typeof steps, number>>

const schedule = (mixture: Mixture): fc.Arbitrary<Setting> =>
  fc.record({
    seed: fc.nat(1_000_000),
    hasLocks: fc.boolean(),
    steps: fc.array(
      fc.oneof(
        ...Object.entries(mixture).map(([kind, weight]) => ({ weight, arbitrary: steps[kind as keyof Mixture] as fc.Arbitrary<Step> })),
      ),
      { minLength: 3, maxLength: 25 },
    ),
  })

interface Played {
  readonly s: Scene<3>
  readonly live: readonly Tab[]
  readonly ears: ReadonlyMap<Tab, Ear>
  readonly work: readonly { readonly result: unknown }[]
  /** What was seen to break while it went on. */
  readonly broken: readonly string[]
  /** How each tab stood at its last call, and what that came to. */
  readonly last: readonly string[]
  readonly presence: Presence
}

/** When the user was seen by a tab, for certain and perhaps. */
interface Presence {
  readonly certain: number[]
  readonly possible: number[]
}

/** Longest that a refresh is waited for: whoever has not heard by then may try again. */
const refreshTimeout = seconds(10)

/** Is told of every presentation of a refresh token, and who makes it. */
function overseer(now: () => number, rotation: Rotation, isOver: (fetch: typeof globalThis.fetch) => boolean) {
  const broken: string[] = []
  const open = new Set<{ readonly token: string | null; readonly at: number; readonly fetch: typeof globalThis.fetch }>()
  const answered = new Set<string | null>()
  return {
    broken,
    /** Is anybody waiting for an answer? */
    isBusy: () => open.size > 0,
    /** What this tab has sent it may never hear of in time. */
    excuse(fetch: typeof globalThis.fetch): void {
      for (const sent of open) if (sent.fetch === fetch) open.delete(sent)
    },
    sends<Answer>({ refreshToken: token, fetch }: RefreshRequest, answer: Promise<Answer>): Promise<Answer> {
      const at = now()
      const sent = { token, at, fetch }
      if (isOver(fetch)) broken.push(`I6: ${token} was presented at ${at} by a tab that knew of its end`)
      if (rotation !== 'static' && answered.has(token)) broken.push(`I1: ${token} was presented again at ${at}, after its answer`)
      for (const other of open) {
        if (other.token === token && at - other.at < refreshTimeout)
          broken.push(`I2: ${token} was presented at ${other.at}, and again at ${at}`)
      }
      open.add(sent)
      const settle = () => void open.delete(sent)
      answer.then(() => {
        settle()
        // A late answer is committed while its own second presentation is still open: harmless (docs/protocol.md, what is inherent).
        for (const other of open) if (other.token === token && other.fetch === fetch) open.delete(other)
        if (now() - at < refreshTimeout) answered.add(token)
      }, settle)
      return answer
    },
  }
}

/** I3, and I6 of the store: nothing older over something newer, nothing over an end, unless it was cleared. */
function oversee(records: Map<string, string>, broken: string[]): void {
  const set = records.set.bind(records)
  records.set = (key, text) => {
    const [before, after] = [records.get(key), text].map((found) => JSON.parse(found ?? 'null'))
    if (before && before.session === after.session) {
      if (after.generation < before.generation) broken.push(`I3: generation ${after.generation} was written over ${before.generation}`)
      if (before.status === 'ended' && after.status === 'active') broken.push('I6: a session that had ended was written over its end')
    }
    return set(key, text)
  }
}

async function play({ seed, hasLocks, steps }: Setting, rotation: Rotation, options?: Options): Promise<Played> {
  const seen: unknown[] = []
  const refresh: Refresher = {
    id: 'https://server.test',
    refresh: (request) => watcher.sends(request, s.server.refresher.refresh(request)),
    revoke: async (request) => s.server.refresher.revoke?.(request),
  }
  const s = scene({ tabs: 3, seed, rotation, session: { refresh, ...options } }, { see: (_, value) => void seen.push(value) })
  const fetches = new Map<Tab, typeof globalThis.fetch>()
  const watcher = overseer(s.now, rotation, (fetch) =>
    live.some((one) => fetches.get(one) === fetch && one.session.state.status === 'signed-out'),
  )
  const { broken } = watcher
  oversee(s.browser.records, broken)
  const random = roughen(s, seed, { store: 30, message: 30, lock: 10 })
  s.browser.behaviour.hasLocks = hasLocks
  let slow = 0
  s.latency = () => random() * 400 + (slow-- > 0 ? 11_000 : 0)
  const live: Tab[] = [...s.tabs]
  const ears = new Map(live.map((one) => [one, s.earOf(one)]))
  const work: { readonly result: unknown }[] = []
  const presence: Presence = { certain: [], possible: [0] }
  const keep = (promise: Promise<unknown>) => {
    const watched = watch(promise, s.now)
    work.push(watched)
    return watched
  }
  const meet = (one: Tab) => void fetches.set(one, s.insideOf(one).ports('any').fetch)
  live.forEach(meet)
  const excuse = (one: Tab) => watcher.excuse(fetches.get(one) as typeof fetch) // each has been met
  keep(live[0]!.session.signIn(s.server.grant(), { subject: 'one' }))
  await s.advance(seconds(1))
  for (const step of steps) {
    const here = live[(step.tab ?? 0) % live.length]!
    let faults = 1
    if (['key', 'show', 'thaw', 'crash'].includes(step.do)) presence.possible.push(s.now())
    if (step.do === 'advance') await s.advance(step.span ?? 0)
    else if (step.do === 'call') keep(callFrom(here))
    else if (step.do === 'call mail') keep(callFrom(here, mail.url))
    else if (step.do === 'refresh') keep(here.session.refresh())
    else if (step.do === 'key') {
      here.thaw() // who presses a key sees the tab
      if (here.session.state.status === 'signed-in') presence.certain.push(s.now())
      here.session.extend()
      await s.advance(300) // what crashes in that very moment has not told anybody
    } else if (step.do === 'hide') here.hide()
    else if (step.do === 'show') here.show()
    else if (step.do === 'instance') s.secondSession(here).close()
    else if (step.do === 'signIn') keep(here.session.signIn(s.server.grant(), { subject: step.subject }))
    else if (step.do === 'signOut') keep(here.session.signOut())
    else if (step.do === 'clock') for (const one of live) s.insideOf(one).setClock(step.span ?? 0)
    else if (step.do === 'own clock') s.insideOf(here).setClock(step.span ?? 0)
    else if (step.do === 'freeze') {
      here.freeze()
      excuse(here)
    } else if (step.do === 'thaw') here.thaw()
    else if (step.do === 'offline') here.offline()
    else if (step.do === 'online') here.online()
    else if (step.do === 'evict') s.browser.records.clear()
    else if (step.do === 'slow') slow = 1
    else if (step.do === '503') s.server.fail({ status: 503 })
    else if (step.do === 'store fails') s.browser.behaviour.storeFault = () => (faults-- > 0 ? 'fails' : 'none')
    else if (step.do === 'loses a message') s.browser.behaviour.loses = () => faults-- > 0
    else if (step.do === 'crash') {
      excuse(here)
      here.crash()
      const next = s.world.openTab()
      meet(next)
      ears.set(next, listenTo(next.session))
      live[live.indexOf(here)] = next
    } else s.server.fail(step.do as 'hang')
  }
  presence.possible.push(s.now())
  for (const one of live) {
    one.thaw()
    one.online()
    one.show()
  }
  await s.advance(minutes(3))
  const calls = live.map((one) => ({ from: one.session.state.status, watched: watch(callFrom(one), s.now) }))
  await s.advance(seconds(15))
  // An answer on its way, or on its way into the store, is neither here nor there: until a second has passed without one.
  for (let more = 0, before = -1; (watcher.isBusy() || before !== s.server.presentations.length) && more < 20; more++) {
    before = s.server.presentations.length
    await s.advance(seconds(1))
  }
  const last = calls.map(({ from, watched: { result } }) => `${from}: ${result && (result.code ?? result.value)}`)
  if (isLeakAtAGlance([...seen, ...s.browser.messages, ...s.server.urls])) broken.push('a token was seen where none belongs')
  return { s, live, ears, work, broken, last, presence }
}

/** What holds whatever happened; `crashes`: whoever waited in a tab that is gone is not asked for. */
function violations(
  { s, live, ears, work, broken, last }: Played,
  rotation: Rotation,
  steps: readonly Step[],
  options?: Options,
): string[] {
  const found = [...broken]
  const must = (holds: boolean, what: string) => void (holds || found.push(what))
  const has = (...what: string[]) => steps.some((step) => what.includes(step.do))
  const stored = storedIn(s)
  for (const [index, { session }] of live.entries()) {
    const { state } = session
    const isSame =
      stored?.status === 'active' ? state.status === 'signed-in' && state.sessionId === stored.session : state.status === 'signed-out'
    must(isSame, `I7: tab ${index} is ${JSON.stringify(state)}, and the store says ${stored?.status} ${stored?.session}`)
    const can = ['signed-in: 200', 'signed-in: refresh_unavailable', 'signed-in: session_ended', 'signed-out: signed_out']
    must(can.includes(last[index] ?? ''), `I5: tab ${index}, last call when ${last[index]}`)
  }
  for (const [tab, ear] of ears) found.push(...mistold(ear, live.includes(tab)))
  for (const { ended, expired } of ears.values()) {
    must(new Set(ended.map(({ sessionId }) => sessionId)).size === ended.length, 'an end was announced twice in one tab')
    must(ended.filter(({ reason }) => reason !== 'signed-out').length === expired.length, 'an end is not what it was announced as')
    const never = options?.limits ? ['refresh-expired'] : ['refresh-expired', 'idle', 'max-age']
    for (const { reason } of ended) must(!never.includes(reason), `I4: a session ended ${reason}`)
    // No fault of ours or of the network makes a server refuse what is still good, unless it rotates.
    must(rotation !== 'static' || ended.every(({ reason }) => reason !== 'rejected'), 'I4: a session ended, rejected')
  }
  if (stored?.status !== 'active') must(!isLeakAtAGlance([...s.browser.records.values()]), 'I6: tokens of an ended session are stored')
  // Who has not heard of an end looks within half a minute, or when it is woken; and a request takes its time.
  // A tab whose store fails as it wakes goes on from memory, and looks again later: then nothing is said of when.
  const lookedFor =
    has('freeze') && has('store fails')
      ? Infinity
      : has('loses a message', 'store fails', 'hide', 'freeze', 'offline', 'slow', 'evict')
        ? seconds(75)
        : seconds(2)
  for (const { credential, at, revokedAt } of s.server.calls) {
    must(credential !== 'none' && credential !== 'expired', `a call went out at ${at} with a token that was ${credential}`)
    // That a server has found a reuse is heard at the next refresh.
    must(
      revokedAt === null || s.server.reused > 0 || at - revokedAt < lookedFor,
      `I6: a call went out at ${at} with a token that was revoked at ${revokedAt}`,
    )
  }
  for (const one of s.tabs) must(s.insideOf(one).reported.length === 0, 'a listener was in trouble')
  must(has('crash') || work.every(({ result }) => result), 'I5: somebody still waits')
  return found
}

/** A kind of chance: what may happen, at which server, and what must hold beside what always does. */
interface Chance {
  readonly title: string
  readonly rotation: Rotation
  readonly mixture: Mixture
  readonly options?: Options
  /** Which of the steps are played. */
  readonly played?: (steps: readonly Step[]) => readonly Step[]
  readonly also?: (played: Played, steps: readonly Step[]) => readonly string[]
}

/** Nothing was lost but what was asked for again: no reuse, and no end that nobody wanted. */
const blameless = ({ s, ears }: Played): readonly string[] => [
  ...(s.server.reused === 0 ? [] : ['I1: a refresh token was used twice']),
  ...([...ears.values()].some(({ ended }) => ended.some(({ reason }) => reason === 'rejected')) ? ['I4: a session ended, rejected'] : []),
]

/**
 * One refresh per expiry, beside those that somebody asked for; and nothing is left that is good at the server but what is stored, and
 * what a user had who has signed in again: with that a server may revoke all that the user has.
 */
function orderly(played: Played, steps: readonly Step[]): readonly string[] {
  const { s } = played
  const stored = storedIn(s)
  const { live } = s.server
  const others = stored?.grant ? live.filter((token) => token !== stored.grant?.refreshToken) : live
  const signedIn = ['one', ...steps.flatMap(({ do: what, subject }) => (what === 'signIn' ? [subject] : []))]
  const count = (...what: string[]) => steps.filter((step) => what.includes(step.do)).length
  // A clock that is set makes every session due, be it one that is just being replaced.
  const asked = count('refresh') + count('clock') * (1 + count('signIn'))
  const due = Math.floor(s.now() / seconds(225))
  return [
    ...blameless(played),
    ...(s.server.refreshes <= asked + due ? [] : [`${s.server.refreshes} refreshes, ${asked} asked for and ${due} due`]),
    ...(stored?.grant && others.length === live.length ? ['I1: what is stored is no good at the server'] : []),
    ...(others.length <= signedIn.length - new Set(signedIn).size ? [] : [`I6: good at the server, and not stored: ${others}`]),
  ]
}

/** Whatever the app of a tab was shown as signed in has an end, unless the same user signed in over it; and of what has ended nothing is told (REQ-116). */
function mistold({ order, states, ended }: Ear, isAlive: boolean): readonly string[] {
  const late = order.filter(
    ({ type, sessionId }, index) =>
      type !== 'ended' && order.slice(0, index).some((before) => before.type === 'ended' && before.sessionId === sessionId),
  )
  const untold = states.filter((state, index) => {
    const next = states[index + 1]
    if (state.status !== 'signed-in' || !next) return false
    const goesOn = next.status === 'signed-in' && (next.sessionId === state.sessionId || next.subject === state.subject)
    return !goesOn && ended.every(({ sessionId }) => sessionId !== state.sessionId)
  })
  return [
    ...late.map((told) => `after an end this was told: ${JSON.stringify(told)}`),
    // Who is gone may not have come to tell.
    ...(isAlive ? untold.map((state) => `this was over, and its end was not announced: ${JSON.stringify(state)}`) : []),
  ]
}

const idleLimit = minutes(15)
const longestSession = minutes(60)

/** What a crash may take with it of the user's activity, and then some. */
const blur = idleLimit / 20 + seconds(5)

/** No end before a limit; and no call after it, whoever slept or died meanwhile (F81, REQ-46). */
function punctual({ s, ears, presence: { certain, possible } }: Played): readonly string[] {
  const found: string[] = []
  let seen = 0
  for (const at of certain) {
    if (at - seen > idleLimit - blur) break
    seen = at
  }
  const epoch = s.browser.openTab(fetch).ports('epoch').clock.now().wall - s.now()
  for (const { reason, endedAt } of [...ears.values()].flatMap(({ ended }) => ended)) {
    const at = endedAt - epoch
    const earliest = reason === 'idle' ? seen + idleLimit - blur : reason === 'max-age' ? longestSession - seconds(1) : Infinity
    if (at < earliest) found.push(`I4: a session ended ${reason} at ${at}, when the user had been seen at ${seen}`)
  }
  for (const { at } of s.server.calls) {
    const last = Math.max(...possible.filter((one) => one <= at))
    if (at - last > idleLimit + seconds(2)) found.push(`I6: a call went out at ${at}, when nobody had been seen since ${last}`)
    if (at > longestSession + seconds(2)) found.push(`I6: a call went out at ${at}, after the absolute limit`)
  }
  return found
}

const unharmed = ({ live, ears }: Played): readonly string[] => [
  ...([...ears.values()].every(({ ended }) => ended.length === 0) ? [] : ['I4: a session ended, and nobody wanted it to']),
  ...(live.every(({ session }) => session.state.status === 'signed-in') ? [] : ['I4: somebody was signed out']),
]

/** Only an answer that was lost makes a server refuse what is still good; and then the end says so (F33). */
const explained = ({ ears }: Played): readonly string[] =>
  [...ears.values()].some(({ ended }) => ended.some(({ reason, answerLost }) => reason === 'rejected' && !answerLost))
    ? ['I4: a session ended, rejected, and no answer is said to have been lost']
    : []

const severalApis: Options = { attachTo: ['https://server.test', mail] }

const users: Mixture = { advance: 3, act: 4, signIn: 1, signOut: 1, mishap: 1 }
const lives: Mixture = { advance: 3, act: 4, life: 2, fault: 2 }

/** Cleared storage is survived by the memory of a living tab: a crash beside it may leave none, a freeze may leave one that knows too little. */
const noneForgets = (steps: readonly Step[]): readonly Step[] =>
  steps.some((step) => step.do === 'evict') ? steps.filter((step) => !['crash', 'freeze'].includes(step.do)) : steps

export const chances = {
  users: {
    title: 'users who come and go, a clock that is set, a store, a server and messages that fail: no reuse, no rejection, all agree',
    rotation: 'strict',
    mixture: { ...users, clock: 1 },
    also: orderly,
  },
  ownClocks: {
    title: 'the same, where each tab has a clock of its own',
    rotation: 'strict',
    mixture: { ...users, ownClock: 1 },
    also: blameless,
  },
  apis: {
    title: 'users who come and go, and one of two APIs that wants tokens of its own: no reuse, no rejection, all agree',
    rotation: 'strict',
    mixture: { ...users, mail: 3, clock: 1 },
    options: severalApis,
    also: blameless,
  },
  lives: {
    title: 'tabs that freeze and die, networks that go and come back, storage that is cleared: nobody is signed out',
    rotation: 'static',
    mixture: lives,
    played: noneForgets,
    also: unharmed,
  },
  apisOfLives: {
    title: 'tabs that freeze and die, and one of two APIs that wants tokens of its own: nobody is signed out',
    rotation: 'static',
    mixture: { ...lives, mail: 3 },
    options: severalApis,
    played: noneForgets,
    also: unharmed,
  },
  graceful: {
    title: 'a server that forgives for ten seconds, and such tabs: all agree, and an end comes of a lost answer, and says so',
    rotation: 'grace',
    mixture: lives,
    played: noneForgets,
    also: explained,
  },
  merciless: {
    title: 'a server that forgives nothing, and such tabs: the same',
    rotation: 'strict',
    mixture: lives,
    // A request that overtakes its own repetition revokes what that has brought: nobody can tell.
    played: (steps) => noneForgets(steps).filter((step) => step.do !== 'slow'),
    also: explained,
  },
  idle: {
    title: 'users who are there or not, in tabs that freeze and die: no end before its time, and none left after it',
    rotation: 'static',
    mixture: { advance: 2, act: 2, life: 2, presence: 3 },
    options: { limits: limits({ idle: idleLimit, maxAge: longestSession }) },
    also: punctual,
  },
  everything: {
    title: 'all of it at once, users who come and go among tabs that freeze and die: an end is an end',
    rotation: 'static',
    mixture: { ...lives, signIn: 1, signOut: 1, mishap: 1 },
    played: (steps) => steps.filter((step) => step.do !== 'evict'),
  },
} satisfies Record<string, Chance>

/** Tries schedules of one kind until `count` were tried or `limit` ms are over. A failure comes with the shortest trace that shows it. */
export async function tryChances(kind: keyof typeof chances, count: number, limit: number, seed?: number): Promise<number> {
  const settings = { numRuns: count, interruptAfterTimeLimit: limit, ...(seed === undefined ? {} : { seed }) }
  const found = await fc.check(chanceOf(chances[kind]), settings)
  // Interrupted before the first was done is no failure.
  if (found.counterexample !== null)
    throw new Error(`${(found.errorInstance as Error).message}\n\n${await fc.asyncDefaultReportMessage(found)}`)
  return found.numRuns
}

/** Fails with what was broken and the trace that led there. */
const chanceOf = ({ rotation, mixture, options, played = (steps) => steps, also }: Chance) =>
  fc.asyncProperty(schedule(mixture), async (setting) => {
    const steps = played(setting.steps)
    const result = await play({ ...setting, steps }, rotation, options)
    const found = [...violations(result, rotation, steps, options), ...(also?.(result, steps) ?? [])]
    result.s.world.close()
    if (found.length > 0) throw new Error([...found, traceOf({ ...setting, steps }, rotation)].join('\n'))
  })

const traceOf = ({ seed, hasLocks, steps }: Setting, rotation: Rotation): string =>
  [
    `seed ${seed}, ${rotation} server, ${hasLocks ? 'locks' : 'no locks'}:`,
    ...steps.map(
      ({ do: what, ...how }) =>
        `  ${what} ${Object.entries(how)
          .map(([name, value]) => `${name} ${value}`)
          .join(', ')}`,
    ),
  ].join('\n')
