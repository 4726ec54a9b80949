import { describe, expect, test } from 'vitest'
import { note } from '../counted.ts'
import { chances, tryChances } from './schedule.ts'

/**
 * So many schedules of each kind. Three files call it, so that two cores work. A failure prints the seed and the shortest trace that shows it;
 * LATCHKEY_SEED starts elsewhere, LATCHKEY_RUNS says how many, and `npm run soak` goes on for as long as one likes.
 */
export function testChances(rule: string, runs: Partial<Record<keyof typeof chances, number>>): void {
  describe(rule, () => {
    for (const [name, count] of Object.entries(runs)) {
      const kind = name as keyof typeof chances // the type says so
      test(chances[kind].title, { timeout: 300_000 }, async ({ task }) => {
        const wanted = Number(process.env.LATCHKEY_RUNS ?? count)
        const tried = await tryChances(kind, wanted, 280_000)
        note(task, { schedules: tried, violations: 0, seed: Number(process.env.LATCHKEY_SEED ?? 42) })
        expect(tried).toBe(wanted)
      })
    }
  })
}
