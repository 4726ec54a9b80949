import type { Which } from './course.ts'
import { createTabMemory, type TabMemory, type TabMoment } from './remembered-tab.ts'
import { createRules, type Rules } from './steps.ts'
import { createKeys, firstRecord, firstWorld, type Setting, type World } from './world.ts'

export interface Found {
  readonly setting: Setting
  /** Different ways through, from the first step to rest. */
  readonly schedules: number
  readonly worlds: number
  readonly steps: number
  /** The first of each kind, with the shortest way there. */
  readonly violations: ReadonlyMap<string, readonly string[]>
  /** Was everything visited that has no more interruptions than were asked for? */
  readonly isWhole: boolean
}

/**
 * Visits every world that any order of steps can lead to. Two schedules after which the tabs have been told the
 * same, and store, server, messages and time are the same, have the same future: it is visited once, and counted as often as there
 * are ways to it.
 */
export async function explore(setting: Setting, memory: TabMemory = createTabMemory(), limit = Infinity): Promise<Found> {
  const { interruptions: most = Infinity } = setting
  const rules = createRules(setting, memory)
  const keyOf = createKeys()
  const known = new Map<string, number>()
  const ways: Way[] = []
  const ahead: (readonly number[])[] = []
  const rests: boolean[] = []
  const violations = new Map<string, readonly string[]>()
  /** By how often a tab was interrupted on the way: whatever is met twice has been met first with the fewest. */
  const queues: (Stop | null)[][] = []
  let steps = 0
  let isWhole = true

  function meet(world: World, turn: Which | null, interruptions: number, from: number, name: string): number {
    const key = most === Infinity ? keyOf(world) : `${keyOf(world)} ${turn}`
    const seen = known.get(key)
    if (seen !== undefined) return seen
    const id = ways.push({ from, name }) - 1
    known.set(key, id)
    const queue = queues[interruptions] ?? []
    queues[interruptions] = queue
    queue.push({ id, world, turn, interruptions })
    return id
  }

  async function visit({ id, world, turn, interruptions }: Stop): Promise<void> {
    const choice = rules.next(world)
    const after: number[] = []
    const blame = (violation: string, ...last: string[]) => {
      if (!violations.has(violation)) violations.set(violation, [...traceTo(ways, id), ...last])
    }
    const wrong = choice.isRest ? rules.end(world) : null
    if (wrong) blame(wrong)
    // A tab that waits for the server, or for time to pass, is not interrupted.
    const isGoing = turn !== null && choice.steps.some(({ tab, where, isDue }) => isDue && tab === turn && where !== 'server')
    for (const step of choice.steps) {
      const isOther = step.tab !== null && step.tab !== turn && (step.where === 'tab' || step.where === 'store')
      const count = most !== Infinity && isOther && isGoing ? interruptions + 1 : interruptions
      if (count > most) continue
      if (known.size > limit) {
        isWhole = false
        continue
      }
      steps++
      const next = await rules.take(world, step)
      // What comes of a world in which something is wrong already is of no interest.
      if (next.violation) blame(next.violation, step.name)
      else after.push(meet(next.world, isOther ? step.tab : turn, count, id, step.name))
    }
    ahead[id] = after
    rests[id] = choice.isRest
  }

  meet(await begin(setting, memory), null, 0, -1, '')
  for (const queue of queues) {
    // It grows while it is gone through.
    for (const [index, stop] of queue?.entries() ?? []) {
      if (stop) await visit(stop)
      queue[index] = null // a world takes room, and is not visited again
    }
  }
  return { setting, schedules: count(ahead, rests), worlds: known.size, steps, violations, isWhole }
}

interface Stop {
  readonly id: number
  readonly world: World
  /** Which tab acted last. */
  readonly turn: Which | null
  readonly interruptions: number
}

interface Way {
  readonly from: number
  readonly name: string
}

function traceTo(ways: readonly Way[], to: number): string[] {
  const trace: string[] = []
  for (let way = ways[to]; way && way.from >= 0; way = ways[way.from]) trace.push(way.name)
  return trace.reverse()
}

/** Ways from the first world to rest. No world comes again: whatever happens, something has happened that had not. */
function count(ahead: readonly (readonly number[])[], rests: readonly boolean[]): number {
  const ways: number[] = []
  const stack = [0]
  for (let at = stack.at(-1); at !== undefined; at = stack.at(-1)) {
    const missing: number[] = ways[at] === undefined ? (ahead[at] ?? []).filter((next) => ways[next] === undefined) : []
    stack.push(...missing)
    if (missing.length > 0) continue
    stack.pop()
    ways[at] = (ahead[at] ?? []).reduce((sum, next) => sum + (ways[next] as number), Number(rests[at]))
  }
  return ways[0] as number
}

/** Both tabs have been opened, and have read a record whose access token has expired. */
async function begin(setting: Setting, memory: TabMemory): Promise<World> {
  const open = async (name: string): Promise<TabMoment> => {
    const opened = await memory.tell(memory.start, { what: 'start', name, hasLocks: setting.hasLocks, at: 0 })
    const read = opened.said.find((said) => said.do === 'read')
    if (!read) throw new Error('A tab that is opened reads the record.')
    return memory.tell(opened, { what: 'stored', op: read.op, answer: firstRecord, at: 0 })
  }
  return firstWorld([await open('A'), await open('B')], setting)
}

/** As a failure is printed, and as `replay` takes it. */
export const printed = (trace: readonly string[]): string => trace.map((name, index) => `${index + 1}. ${name}`).join('\n')

export interface Replayed {
  readonly world: World
  readonly violation: string | null
  /** What could happen next. */
  readonly next: readonly string[]
}

/** Takes the steps of a printed trace, one a line, with or without their numbers. */
export async function replay(setting: Setting, trace: string): Promise<Replayed> {
  const memory = createTabMemory()
  const rules: Rules = createRules(setting, memory)
  let world = await begin(setting, memory)
  let violation: string | null = null
  for (const line of trace.split('\n')) {
    const name = line.trim().replace(/^\d+\.\s*/, '')
    if (!name) continue
    const { steps } = rules.next(world)
    const step = steps.find((one) => one.name === name)
    if (!step) throw new Error(`There is no step "${name}" here, but: ${steps.map((one) => one.name).join('; ')}`)
    const next = await rules.take(world, step)
    world = next.world
    violation ??= next.violation
  }
  const { steps, isRest } = rules.next(world)
  return { world, violation: violation ?? (isRest ? rules.end(world) : null), next: steps.map(({ name }) => name) }
}
