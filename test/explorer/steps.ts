import { type Course, change, courseOf, createDoings, setOperation, setRequest, type Untimed, use, type Which, without } from './course.ts'
import { atPassing, atRest, isSettled } from './invariants.ts'
import type { TabMemory } from './remembered-tab.ts'
import type { Fault, Operation, Request, Setting, Tab, World } from './world.ts'

/** One thing that can happen next. */
interface Step {
  readonly name: string
  /** Where it happens. `tab`: it reaches that tab; `fault`: it befalls one, and need not happen. */
  readonly where: 'tab' | 'store' | 'server' | 'fault' | 'time'
  readonly tab: Which | null
  /** Time stands still until it has happened. */
  readonly isDue: boolean
  /** For what it is about; no other step has it. */
  readonly about: object | null
  readonly take: (course: Course) => void | Promise<void>
}

interface Choice {
  /** What can happen. */
  readonly steps: readonly Step[]
  /** May a schedule end here? What can happen then is what befalls a tab, and need not. */
  readonly isRest: boolean
}

export interface Rules {
  readonly next: (world: World) => Choice
  readonly take: (world: World, step: Step) => Promise<{ readonly world: World; readonly violation: string | null }>
  /** What is wrong if nothing happens any more. */
  readonly end: (world: World) => string | null
}

/**
 * What can happen in a world of two tabs, and what it makes of it.
 *
 * Between two steps nothing happens: a step reaches a tab (the store's answer, the lock, a nudge, the server's answer, a timer, a
 * signal, a caller), the store (an operation is done there) or the server (a request is taken there). What a tab does then, up to
 * its next question to the outside, depends on nothing else.
 *
 * What is left out, and why nothing is lost by it:
 * - Time passes only when nothing else is due. What takes longer than some deadline is a fault of its own (`slow`, `slow store`,
 *   `freeze`); all else is so fast that only its order counts.
 * - A tab's timers ring in the order in which they are due; messages, and the answers of the store to one tab, come in the order in
 *   which they were sent. So it is in browsers.
 * - As long as neither tab has done anything, and both will want the same, they are the same but for their names: the first thing happens to A.
 * - That the server has confirmed a revocation is heard at once: all that comes of it is what `signOut` resolves with.
 * - Some steps change nothing until something else happens, and happen just before that: the store is cleared before the store is
 *   used (or at rest); a tab freezes before something would reach it; it thaws before something reaches it; a thing is slow when time
 *   would have to wait for it.
 */
export function createRules(setting: Setting, memory: TabMemory): Rules {
  const doings = createDoings(setting, memory)

  function next(world: World): Choice {
    const found = [...both.flatMap((tab) => (tab === 0 || setting.severalApis || !world.tabs.every(isUntouched) ? ofTab(tab, world) : []))]
    const isDue = found.some((step) => step.isDue)
    if (isDue) found.push(...both.flatMap((tab) => slowness(tab, world, found)))
    const passing = isDue ? null : passes(world)
    if (passing) found.push(passing)
    const isRest = !isDue && !passing
    if (has(world, 'evict') && world.shared.stored !== null && (isRest || found.some(({ where }) => where === 'store')))
      found.push(
        fault('the store is cleared', null, 'evict', (course) => {
          course.shared = { ...course.shared, stored: null, isJustCleared: !isRest }
        }),
      )
    return { steps: narrowed(world, found), isRest }
  }

  /** Some steps are followed by one of a kind, as said above. */
  function narrowed({ tabs, shared }: World, found: readonly Step[]): readonly Step[] {
    if (shared.isJustCleared) return found.filter(({ where }) => where === 'store')
    const thawed = tabs.findIndex(({ hasThawed }) => hasThawed)
    if (thawed >= 0) return found.filter(({ where, tab }) => where === 'tab' && tab === thawed)
    const told = found.find(({ where, about }) => where === 'tab' && about && 'taken' in about)
    if (told) return [told]
    return found
  }

  function passes(world: World): Step | null {
    const { tabs, shared } = world
    const moments = tabs.flatMap(({ life, moment, operations }) =>
      life === 'alive' ? [moment.timers[0]?.at ?? Infinity, operations[0]?.slowUntil ?? Infinity] : [],
    )
    const to = Math.min(...moments)
    // Peers are given half a second, a store two: a tab whose next timer is nearer than that is in the middle of something.
    if (to === Infinity || (isSettled(world) && to - shared.time > 2_000)) return null
    return {
      name: `time passes to ${to}`,
      where: 'time',
      tab: null,
      isDue: false,
      about: null,
      take(course) {
        course.violation = atPassing(course, to, setting)
        course.shared = { ...course.shared, time: to }
      },
    }
  }

  function ofTab(tab: Which, world: World): Step[] {
    const { life } = world.tabs[tab]
    const reaching = life === 'alive' ? reaches(tab, world) : []
    return [...outside(tab, world), ...reaching, ...befalls(tab, world, reaching.length > 0)]
  }

  /** What goes on whether the tab runs or not. */
  function outside(tab: Which, world: World): Step[] {
    const { life, operations, requests, revocations } = world.tabs[tab]
    const isAround = life !== 'dead'
    const found: Step[] = []
    const asked = operations.find(({ isDone }) => !isDone)
    if (asked) {
      const what = nameOfOperation(tab, asked)
      const isDue = isAround && isDueNow(asked, world)
      found.push({
        name: `the store does ${what}`,
        where: 'store',
        tab,
        isDue,
        about: asked,
        take: (course) => doings.operate(course, tab, asked),
      })
      if (asked.replaces && isAround && has(world, 'write fails'))
        found.push(
          fault(`the store fails ${what}`, tab, 'write fails', (course) =>
            setOperation(course, tab, asked, { isDone: true, answer: { failure: 'failed' } }),
          ),
        )
      if (!isAround) found.push(vanishing(what, (course) => change(course, tab, { operations: without(operations, asked) })))
    }
    for (const request of requests) {
      const what = nameOfRequest(tab, request)
      if (request.at === 'way') {
        const isDue = isAround && !request.isSlow
        const taken = (course: Course) => doings.serve(course, tab, request)
        found.push({ name: `the server takes ${what}`, where: 'server', tab, isDue, about: request, take: taken })
        if (!isAround) found.push(vanishing(what, (course) => change(course, tab, { requests: without(requests, request) })))
        if (isAround && has(world, 'busy'))
          found.push(
            fault(`the server is too busy for ${what}`, tab, 'busy', (course) =>
              setRequest(course, tab, request, { at: 'server', answer: { failure: 'busy' } }),
            ),
          )
        if (isAround && has(world, 'request lost'))
          found.push(
            fault(`${what} is lost on its way`, tab, 'request lost', (course) =>
              setRequest(course, tab, request, { at: 'server', answer: { failure: 'cut-off' } }),
            ),
          )
      } else if (
        request.at === 'server' &&
        isAround &&
        has(world, 'lost') &&
        !(request.answer && 'failure' in request.answer && request.answer.failure === 'cut-off')
      ) {
        found.push(
          fault(`the answer to ${what} is cut off`, tab, 'lost', (course) =>
            setRequest(course, tab, request, { answer: { failure: 'cut-off' } }),
          ),
          fault(`the answer to ${what} never comes`, tab, 'lost', (course) => setRequest(course, tab, request, { at: 'silent' })),
        )
      }
    }
    for (const revocation of revocations.filter(({ taken }) => !taken)) {
      const name = `the server takes ${nameOf(tab)}'s revocation of ${revocation.token}`
      found.push({
        name,
        where: 'server',
        tab,
        isDue: isAround,
        about: revocation,
        take: (course) => doings.revoke(course, tab, revocation),
      })
    }
    return found
  }

  /** What can reach a tab that runs. */
  function reaches(tab: Which, world: World): Step[] {
    const { shared } = world
    const { moment, hasCalled, waiting, operations, inbox, resumed, requests, revocations } = world.tabs[tab]
    const name = nameOf(tab)
    const found: Step[] = []
    const reach = (what: string, take: Step['take'], about: object | null = null, isDue = true) =>
      found.push({ name: `${name} ${what}`, where: 'tab', tab, isDue, about, take })
    const telling =
      (told: Untimed, part: (course: Course) => void = () => {}) =>
      (course: Course) => {
        part(course)
        return doings.tell(course, tab, told)
      }

    if (!hasCalled)
      reach(
        'is called',
        telling({ what: setting.severalApis && tab === 1 ? 'call mail' : 'call' }, (course) =>
          change(course, tab, { hasCalled: true, waiting: [...waiting, ['call', shared.time]] }),
        ),
      )
    if (resumed)
      reach(
        'hears that it runs again',
        telling({ what: 'signalled', signal: 'resumed' }, (course) => change(course, tab, { resumed: false })),
      )
    const done = operations[0]
    if (done?.isDone) reach('hears from the store', (course) => doings.answerOperation(course, tab, done), done, isDueNow(done, world))
    const place = shared.queue.findIndex((one) => one.tab === tab && !one.given)
    const request = shared.queue[place]
    if (request && (place === 0 || setting.mutation === 'lock for all'))
      reach(
        'gets the lock',
        telling({ what: 'locked', op: request.op }, (course) => {
          course.shared = { ...course.shared, queue: shared.queue.map((one) => (one === request ? { ...one, given: true } : one)) }
        }),
      )
    const news = inbox[0]
    if (news)
      reach(
        'hears a nudge',
        telling({ what: 'nudged', news }, (course) => change(course, tab, { inbox: inbox.slice(1) })),
      )
    for (const answered of requests.filter(({ at }) => at === 'server'))
      reach(
        `hears from the server about refresh ${answered.number}`,
        (course) => doings.answerRequest(course, tab, answered),
        answered,
        !answered.isSlow,
      )
    for (const revocation of revocations.filter(({ taken }) => taken))
      reach(
        `hears that ${revocation.token} is revoked`,
        telling({ what: 'revoked', op: revocation.op }, (course) => change(course, tab, { revocations: without(revocations, revocation) })),
        revocation,
      )
    const timer = moment.timers[0]
    if (timer && timer.at <= shared.time) reach('wakes', telling({ what: 'woke', op: timer.op }))
    return found
  }

  /** What can befall a tab. `isReached`: something could reach it now. */
  function befalls(tab: Which, world: World, isReached: boolean): Step[] {
    const { life, moment, inbox, waiting } = world.tabs[tab]
    const name = nameOf(tab)
    const found: Step[] = []
    if (life === 'frozen') {
      const take = (course: Course) => change(course, tab, { life: 'alive', resumed: true, hasThawed: true })
      found.push({ name: `${name} thaws`, where: 'fault', tab, isDue: false, about: null, take })
    }
    if (life !== 'dead' && has(world, 'crash')) found.push(fault(`${name} crashes`, tab, 'crash', (course) => doings.crash(course, tab)))
    if (life !== 'alive') return found
    if (inbox[0] && has(world, 'nudge lost'))
      found.push(fault(`a nudge to ${name} is lost`, tab, 'nudge lost', (course) => change(course, tab, { inbox: inbox.slice(1) })))
    if (isReached && has(world, 'freeze'))
      found.push(
        fault(`${name} freezes`, tab, 'freeze', async (course) => {
          await doings.tell(course, tab, { what: 'signalled', signal: 'frozen' })
          change(course, tab, { life: 'frozen', wasFrozen: true })
        }),
      )
    const act = (what: 'sign-out' | 'sign-in', said: string) =>
      found.push(
        fault(said, tab, what, (course) => {
          change(course, tab, { waiting: [...waiting, [what, course.shared.time]] })
          return doings.tell(course, tab, { what })
        }),
      )
    if (moment.face.status === 'signed-in' && has(world, 'sign-out')) act('sign-out', `${name}'s user signs out`)
    if (has(world, 'sign-in')) act('sign-in', `another user signs in at ${name}`)
    return found
  }

  /** A thing may be slow when all that time waits for is this thing. */
  function slowness(tab: Which, world: World, found: readonly Step[]): Step[] {
    const { life, operations, requests } = world.tabs[tab]
    if (life !== 'alive') return []
    const isWaitedFor = (thing: object) => found.every(({ isDue, about }) => !isDue || about === thing)
    const slow: Step[] = []
    for (const request of has(world, 'slow') ? requests.filter(isWaitedFor) : [])
      slow.push(
        fault(`${nameOfRequest(tab, request)} is slow`, tab, 'slow', (course) => setRequest(course, tab, request, { isSlow: true })),
      )
    for (const operation of has(world, 'slow store') ? operations.filter(isWaitedFor) : [])
      slow.push(
        fault(`the store is slow with ${nameOfOperation(tab, operation)}`, tab, 'slow store', (course) =>
          setOperation(course, tab, operation, { slowUntil: course.shared.time + slowest }),
        ),
      )
    return slow
  }

  return {
    next,
    async take(world, step) {
      const course = courseOf(world)
      await step.take(course)
      return { world: { tabs: course.tabs, shared: course.shared }, violation: course.violation }
    },
    end: atRest,
  }
}

const both: readonly Which[] = [0, 1]

const nameOf = (tab: Which) => 'AB'[tab] as string // there are two

const nameOfRequest = (tab: Which, { number, token }: Request) => `${nameOf(tab)}'s refresh ${number} with ${token}`

const nameOfOperation = (tab: Which, { replaces }: Operation) => `${nameOf(tab)}'s ${replaces ? 'write' : 'read'}`

const has = ({ shared }: World, what: Fault): boolean => shared.left.includes(what)

const fault = (name: string, tab: Which | null, what: Fault, take: Step['take']): Step => ({
  name,
  where: 'fault',
  tab,
  isDue: false,
  about: null,
  take(course) {
    use(course, what)
    return take(course)
  },
})

/** Of a tab that is gone, what was under way may never arrive. */
const vanishing = (what: string, take: Step['take']): Step => ({
  name: `${what} vanishes`,
  where: 'server',
  tab: null,
  isDue: false,
  about: null,
  take,
})

/** Longer than a store is waited for. From a store that never answers again nobody could learn anything. */
const slowest = 3_000

const isDueNow = ({ slowUntil }: Operation, { shared }: World): boolean => slowUntil === null || shared.time >= slowUntil

/** It has been opened, has read the record, and that is all. */
const isUntouched = ({ moment, life, hasCalled, inbox }: Tab): boolean =>
  moment.before?.told?.what === 'start' && life === 'alive' && !hasCalled && inbox.length === 0
