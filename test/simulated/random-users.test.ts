import { describe, expect, test } from 'vitest'
import { note } from '../counted.ts'
import { chances, tryChances } from './schedule.ts'

// Three files, so that two cores work. A failure prints the seed and the shortest trace that shows it; LATCHKEY_SEED starts elsewhere,
// LATCHKEY_RUNS says how many, and `npm run soak` goes on for as long as one likes.

describe('REQ-116: I1 to I7, whatever the order of things', () => {
  test.for([
    { kind: 'users', runs: 7_600, title: chances.users.title },
    { kind: 'ownClocks', runs: 60, title: chances.ownClocks.title }, // where clocks disagree by more than a token's life, refreshes have no end: each run is a long one
  ] as const)('$title', { timeout: 300_000 }, async ({ kind, runs }, { task }) => {
    const wanted = Number(process.env.LATCHKEY_RUNS ?? runs)
    const tried = await tryChances(kind, wanted, 280_000)
    note(task, { schedules: tried, violations: 0, seed: Number(process.env.LATCHKEY_SEED ?? 42) })
    expect(tried).toBe(wanted)
  })
})
