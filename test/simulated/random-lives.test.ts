import { describe, expect, test } from 'vitest'
import { note } from '../counted.ts'
import { chances, tryChances } from './schedule.ts'

// As random-users.test.ts, for what befalls tabs.

describe('I1 to I7, whatever the order of things', () => {
  test.for([
    { kind: 'lives', runs: 3_500, title: chances.lives.title },
    { kind: 'graceful', runs: 2_500, title: chances.graceful.title },
    { kind: 'merciless', runs: 2_500, title: chances.merciless.title },
  ] as const)('$title', { timeout: 300_000 }, async ({ kind, runs }, { task }) => {
    const wanted = Number(process.env.LATCHKEY_RUNS ?? runs)
    const tried = await tryChances(kind, wanted, 280_000)
    note(task, { schedules: tried, violations: 0, seed: Number(process.env.LATCHKEY_SEED ?? 42) })
    expect(tried).toBe(wanted)
  })
})
