import { describe, expect, test } from 'vitest'
import { note } from '../counted.ts'
import { chances, tryChances } from './schedule.ts'

// As random-users.test.ts, for users who leave their tabs alone, and for all of it at once.

describe('I1 to I7, whatever the order of things', () => {
  test.for([
    { kind: 'idle', runs: 1_500, title: chances.idle.title },
    { kind: 'everything', runs: 2_500, title: chances.everything.title },
  ] as const)('$title', { timeout: 300_000 }, async ({ kind, runs }, { task }) => {
    const wanted = Number(process.env.LATCHKEY_RUNS ?? runs)
    const tried = await tryChances(kind, wanted, 280_000)
    note(task, { schedules: tried, violations: 0, seed: Number(process.env.LATCHKEY_SEED ?? 42) })
    expect(tried).toBe(wanted)
  })
})
