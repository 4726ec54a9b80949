import { afterAll, describe, expect, test } from 'vitest'
import { note } from '../counted.ts'
import { explore, type Found, printed, replay } from './explorer.ts'
import { createTabMemory } from './remembered-tab.ts'
import { nameOf, rowOf } from './row.ts'
import type { Fault, Mutation, Setting } from './world.ts'

// Every order in which the steps of two tabs can come around one expiry, with the real engine, against the invariants I1 to I7.
// Here: what a minute allows. `npm run explore` goes through all of it, and through pairs of faults.

const memory = createTabMemory()
const rows: string[] = []

afterAll(() => console.info(rows.join('\n')))

async function look(setting: Setting, limit?: number): Promise<Found> {
  const from = performance.now()
  const found = await explore(setting, memory, limit)
  rows.push(rowOf(found, performance.now() - from))
  return found
}

/** Schedules beyond a thousand million are counted in round figures. */
const countsOf = ({ setting, schedules, worlds, violations, isWhole }: Found) => ({
  setting: nameOf(setting),
  interruptions: setting.interruptions ?? 'any',
  schedules: schedules < 1e9 ? schedules : schedules.toExponential(1),
  worlds,
  violations: violations.size,
  isWhole,
})

/** Prints the ways to what is wrong, ready for `replay`. */
const wrong = ({ violations }: Found): string => [...violations].map(([what, trace]) => `${what}\n${printed(trace)}`).join('\n\n')

const few: readonly (readonly Fault[])[] = [
  [],
  ['crash'],
  ['lost'],
  ['request lost'],
  ['slow'],
  ['busy'],
  ['write fails'],
  ['slow store'],
  ['nudge lost'],
]

const places = [
  { rotation: 'strict', hasLocks: true },
  { rotation: 'strict', hasLocks: false },
  { rotation: 'grace', hasLocks: true },
  { rotation: 'grace', hasLocks: false },
] as const

describe.each(places)('a server of $rotation rotation, Web Locks: $hasLocks', (place) => {
  test.for(few.map((faults) => ({ faults })))('I1 to I7 hold in every order of steps: $faults', async ({ faults }, { task }) => {
    const found = await look({ ...place, faults })
    note(task, countsOf(found))
    expect(wrong(found)).toBe('')
    expect(found.isWhole).toBe(true)
  })

  test.for(few.map((faults) => ({ faults })))(
    'F60: nor does it break any that the tabs want tokens for two APIs: $faults',
    async ({ faults }, { task }) => {
      const found = await look({ ...place, faults, severalApis: true }, 10_000)
      note(task, countsOf(found))
      expect(wrong(found)).toBe('')
    },
  )

  // These can happen at any point, and everything comes differently after: with few interruptions, then, and as far as a limit.
  test.for<{ faults: readonly Fault[] }>([
    { faults: ['sign-out'] },
    { faults: ['sign-in'] },
    { faults: ['evict'] },
    { faults: ['freeze'] },
    { faults: ['freeze', 'freeze'] },
    { faults: ['slow store', 'slow store'] },
    { faults: ['sign-in', 'sign-in'] },
    { faults: ['crash', 'nudge lost'] },
    { faults: ['write fails', 'nudge lost'] },
    { faults: ['busy', 'lost'] },
    { faults: ['crash', 'write fails'] },
  ])('I1 to I7 hold where a tab is interrupted at most once: $faults', async ({ faults }, { task }) => {
    const found = await look({ ...place, faults, interruptions: 1 }, 20_000)
    note(task, countsOf(found))
    expect(wrong(found)).toBe('')
  })
})

describe('an explorer that could find nothing would prove nothing', () => {
  test.each<{ mutation: Mutation; hasLocks: boolean; what: string }>([
    { mutation: 'lock for all', hasLocks: true, what: 'I2: a refresh is sent while another one is outstanding' },
    { mutation: 'no comparison', hasLocks: false, what: 'I2: a refresh is sent while another one is outstanding' },
    { mutation: 'claims dropped', hasLocks: false, what: 'I2: a refresh is sent while another one is outstanding' },
  ])('it finds what comes of a platform that breaks its word: $mutation', async ({ mutation, hasLocks, what }) => {
    const setting: Setting = { rotation: 'strict', hasLocks, faults: [], mutation }
    const found = await look(setting)
    expect([...found.violations.keys()]).toContain(what)
    const trace = printed(found.violations.get(what) ?? [])
    expect((await replay(setting, trace)).violation).toBe(what)
  })

  test('a schedule is the same whenever it is replayed', async () => {
    const { next, world } = await replay(
      { rotation: 'strict', hasLocks: true, faults: ['crash'] },
      "1. A is called\n2. the store does A's read",
    )
    expect(next).toEqual(['A hears from the store', 'A crashes', 'B is called', 'B crashes'])
    expect(world.tabs[0].operations).toHaveLength(1)
  })
})
