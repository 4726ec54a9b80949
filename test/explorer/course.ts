import { atAnnouncing, atHanding, atRevoking, atSending, atTelling, atWriting } from './invariants.ts'
import { type Failure, refreshTimeout, type Said, type Tokens, type Told } from './live-tab.ts'
import type { TabMemory } from './remembered-tab.ts'
import { isGood, takeRefresh, takeRevocation } from './server.ts'
import { type Fault, type Operation, type Request, type Setting, type Shared, storedIn, type Tab, type World } from './world.ts'

export type Which = 0 | 1

/** A world on its way from one step to the next. */
export interface Course {
  tabs: [Tab, Tab]
  shared: Shared
  violation: string | null
}

/** What a step can do to a world. */
export interface Doings {
  readonly tell: (course: Course, tab: Which, told: Untimed) => Promise<void>
  /** The store does what it was asked. */
  readonly operate: (course: Course, tab: Which, operation: Operation) => void
  readonly answerOperation: (course: Course, tab: Which, operation: Operation) => Promise<void>
  /** The server takes a refresh. */
  readonly serve: (course: Course, tab: Which, request: Request) => void
  readonly answerRequest: (course: Course, tab: Which, request: Request) => Promise<void>
  readonly revoke: (course: Course, tab: Which, revocation: Tab['revocations'][number]) => void
  readonly crash: (course: Course, tab: Which) => void
}

export type Untimed = Told extends infer Each ? (Each extends Told ? Omit<Each, 'at'> : never) : never

export function createDoings(setting: Setting, memory: TabMemory): Doings {
  const { rotation, mutation } = setting

  async function tell(course: Course, tab: Which, told: Untimed): Promise<void> {
    const moment = await memory.tell(course.tabs[tab].moment, { ...told, at: course.shared.time } as Told) // all that was left out
    change(course, tab, { moment, hasThawed: false })
    course.violation ??= atTelling(moment)
    for (const said of moment.said) course.violation ??= hear(course, tab, said)
  }

  /** Does what a tab says; gives what is wrong with it. */
  function hear(course: Course, tab: Which, said: Said): string | null {
    const here = course.tabs[tab]
    const { shared } = course
    switch (said.do) {
      case 'read':
      case 'replace': {
        const replaces = said.do === 'replace' ? ([said.expected, said.next] as const) : null
        const operation = { op: said.op, replaces, isDone: false, slowUntil: null, answer: null }
        change(course, tab, { operations: [...here.operations, operation] })
        return null
      }
      case 'lock':
        course.shared = { ...shared, queue: [...shared.queue, { tab, op: said.op, given: false }] }
        return null
      case 'unlock':
        course.shared = { ...shared, queue: shared.queue.filter((one) => one.tab !== tab || one.op !== said.op) }
        return null
      case 'tell': {
        const other: Which = tab === 0 ? 1 : 0
        if (course.tabs[other].life !== 'dead') change(course, other, { inbox: [...course.tabs[other].inbox, said.news] })
        return null
      }
      case 'ask': {
        const violation = atSending(course, tab, said.token, setting)
        const { op, token } = said
        const number = here.sent + 1
        const request = { op, number, token, sentAt: shared.time, claim: here.claimed, at: 'way', isSlow: false, answer: null } as const
        change(course, tab, { requests: [...here.requests, request], sent: number })
        course.shared = { ...shared, presentations: shared.presentations + 1 }
        return violation
      }
      case 'revoke':
        change(course, tab, { revocations: [...here.revocations, { op: said.op, token: said.token, taken: false }] })
        return null
      case 'ended':
        return atAnnouncing(course, tab, said)
      case 'settled':
        change(course, tab, { waiting: here.waiting.filter(([what]) => what !== said.what) })
        return said.what === 'call' && said.token ? atHanding(course, tab, said.token) : null
      case 'reported':
        return `a listener failed: ${said.error}`
    }
  }

  function operate(course: Course, tab: Which, operation: Operation): void {
    const { shared } = course
    const answer = (given: Operation['answer']) => setOperation(course, tab, operation, { isDone: true, answer: given })
    course.shared = { ...shared, isJustCleared: false }
    if (!operation.replaces) return answer(shared.stored)
    const [expected, given] = operation.replaces
    if (expected !== shared.stored && mutation !== 'no comparison') return answer(false)
    answer(true)
    const next = mutation === 'claims dropped' && given ? JSON.stringify({ ...JSON.parse(given), claim: null }) : given
    const before = storedIn(shared.stored)
    const after = storedIn(next)
    course.violation ??= atWriting(course, before, after, setting)
    const isClaim = after?.claim?.owner.startsWith('AB'[tab] as string) && after.fence !== before?.fence
    if (isClaim) change(course, tab, { claimed: shared.claims + 1 })
    const isSame = before?.session === after?.session
    const over = [after?.status === 'ended' ? after.session : null, before && after && !isSame ? before.session : null]
    const replaced = before?.grant?.refreshToken
    const isRenewed = isSame && replaced && after?.grant && after.grant.refreshToken !== replaced
    course.shared = {
      ...course.shared,
      stored: next,
      highest: after
        ? { ...shared.highest, [after.session]: Math.max(after.generation, shared.highest[after.session] ?? 0) }
        : shared.highest,
      over: [...new Set([...shared.over, ...over.filter((session) => session !== null)])].sort(),
      claims: shared.claims + Number(isClaim ?? false),
      claimant: isClaim ? tab : shared.claimant,
      spent: isRenewed ? { [replaced]: shared.claims, ...shared.spent } : shared.spent,
    }
  }

  async function answerOperation(course: Course, tab: Which, operation: Operation): Promise<void> {
    change(course, tab, { operations: without(course.tabs[tab].operations, operation) })
    await tell(course, tab, { what: 'stored', op: operation.op, answer: operation.answer })
  }

  function serve(course: Course, tab: Which, request: Request): void {
    const { server, answer } = takeRefresh(course.shared.server, rotation, request.token, course.shared.time)
    course.shared = { ...course.shared, server }
    if (course.tabs[tab].life === 'dead') change(course, tab, { requests: without(course.tabs[tab].requests, request) })
    else setRequest(course, tab, request, { at: 'server', answer })
  }

  async function answerRequest(course: Course, tab: Which, request: Request): Promise<void> {
    const { shared } = course
    const { answer, token, sentAt, op, claim } = request
    const here = course.tabs[tab]
    change(course, tab, { requests: without(here.requests, request) })
    if (answer && 'access_token' in answer && token) {
      change(course, tab, { answeredFor: [...new Set([...here.answeredFor, token])] })
      // In time: before anybody may have watched its claim to the end.
      const isInTime = shared.time < sentAt + refreshTimeout && shared.claims === claim && shared.claimant === tab
      if (isInTime) change(course, tab, { holds: { token, until: sentAt + refreshTimeout } })
    }
    await tell(course, tab, { what: 'answered', op, answer: answer as Tokens | Failure }) // it has been served
  }

  return {
    tell,
    operate,
    answerOperation,
    serve,
    answerRequest,
    revoke(course, tab, revocation) {
      const { revocations } = course.tabs[tab]
      course.violation ??= atRevoking(course, revocation.token, isGood(course.shared.server, revocation.token))
      course.shared = { ...course.shared, server: takeRevocation(course.shared.server, revocation.token) }
      change(course, tab, { revocations: revocations.map((one) => (one === revocation ? { ...one, taken: true } : one)) })
    },
    crash(course, tab) {
      const { operations, requests } = course.tabs[tab]
      course.shared = { ...course.shared, queue: course.shared.queue.filter((one) => one.tab !== tab) }
      change(course, tab, {
        life: 'dead',
        waiting: [],
        inbox: [],
        resumed: false,
        hasThawed: false,
        // What is under way arrives, or does not; nobody is there for the answer.
        operations: operations.filter(({ isDone }) => !isDone),
        requests: requests.filter(({ at }) => at === 'way'),
      })
    },
  }
}

/** One of these faults has happened. */
export function use(course: Course, fault: Fault): void {
  const { left, used } = course.shared
  const place = left.indexOf(fault)
  course.shared = { ...course.shared, left: left.filter((_, index) => index !== place), used: [...used, fault].sort() }
}

export const change = (course: Course, tab: Which, part: Partial<Tab>): void => {
  course.tabs[tab] = { ...course.tabs[tab], ...part }
}

export const without = <Item>(items: readonly Item[], item: Item): readonly Item[] => items.filter((one) => one !== item)

export const setOperation = (course: Course, tab: Which, operation: Operation, part: Partial<Operation>): void =>
  change(course, tab, { operations: course.tabs[tab].operations.map((one) => (one === operation ? { ...one, ...part } : one)) })

export const setRequest = (course: Course, tab: Which, request: Request, part: Partial<Request>): void =>
  change(course, tab, { requests: course.tabs[tab].requests.map((one) => (one === request ? { ...one, ...part } : one)) })

export const courseOf = ({ tabs, shared }: World): Course => ({ tabs: [...tabs], shared, violation: null })
