import { createLiveTab, type Reaction, type Told } from './live-tab.ts'

/** A tab that has been told certain things in a certain order. Told the same again, it is the same moment. */
export interface TabMoment extends Reaction {
  readonly id: number
  readonly before: TabMoment | null
  readonly told: Told | null
  /** How many things it has been told at this same time. */
  readonly turns: number
}

export interface TabMemory {
  readonly start: TabMoment
  /** What the tab does, told this at that moment. */
  readonly tell: (moment: TabMoment, told: Told) => TabMoment | Promise<TabMoment>
  /** Moments known; and things told to real sessions to find them out. */
  readonly count: () => { readonly moments: number; readonly told: number }
}

/**
 * A session does what it does because of what it has been told, and of nothing else: its ports are all the world that it has. So
 * a real session is run once for each thing that it can be told after the same past, and its reaction is remembered. The world
 * is explored over those reactions: millions of schedules are made of some thousand pasts of one tab.
 */
export function createTabMemory(): TabMemory {
  const face = { status: 'loading', session: null, generation: 0, refreshing: false }
  const start: TabMoment = { id: 0, before: null, told: null, turns: 0, said: [], timers: [], face }
  const after = new Map<string, TabMoment>()
  /** Sessions that stand at a moment: the next thing told there needs no retelling of the past. */
  const standing = new Map<number, ReturnType<typeof createLiveTab>>()
  let moments = 0
  let told = 0

  async function learn(moment: TabMoment, next: Told, key: string): Promise<TabMoment> {
    const tab = standing.get(moment.id) ?? (await retell(moment))
    standing.delete(moment.id)
    const reaction = await tab.tell(next)
    told++
    const turns = moment.told?.at === next.at ? moment.turns + 1 : 1
    const found = { ...reaction, id: ++moments, before: moment, told: next, turns }
    after.set(key, found)
    standing.set(found.id, tab)
    if (standing.size > mostStanding) standing.delete(standing.keys().next().value as number)
    return found
  }

  async function retell(moment: TabMoment): Promise<ReturnType<typeof createLiveTab>> {
    const past: TabMoment[] = []
    for (let at: TabMoment | null = moment; at?.told; at = at.before) past.push(at)
    const tab = createLiveTab()
    for (const { told: then, said, timers } of past.reverse()) {
      const again = await tab.tell(then as Told) // `past` holds moments with something told only
      told++
      // All rests on this: were there any chance or clock beside the ports, what is remembered would be worth nothing.
      if (JSON.stringify([again.said, again.timers]) !== JSON.stringify([said, timers]))
        throw new Error(`Told the same, the tab did something else: ${JSON.stringify(then)}`)
    }
    return tab
  }

  return {
    start,
    tell(moment, next) {
      const key = `${moment.id} ${JSON.stringify(next)}`
      return after.get(key) ?? learn(moment, next, key)
    },
    count: () => ({ moments, told }),
  }
}

/** A session kept costs some memory, a session retold some time. */
const mostStanding = 2_000
