/**
 * Goes through the orders in which the steps of two tabs can come, with one fault and with two, and with two APIs, against the invariants of the refresh
 * protocol. Takes hours; words of a configuration's name narrow it: `npm run explore -- strict locks 'slow store'`. LATCHKEY_WORLDS is how many it
 * visits of each pair, at most, and of each single fault fifteen times that. What it has found is kept for `npm run reliability`.
 */
import { explore, printed } from '../test/explorer/explorer.ts'
import { isExpected } from '../test/explorer/inherent.ts'
import { createTabMemory, type TabMemory } from '../test/explorer/remembered-tab.ts'
import { nameOf, rowOf } from '../test/explorer/row.ts'
import { type Fault, faults, type Setting } from '../test/explorer/world.ts'
import { keepRun } from './long-runs.ts'

/** What to visit. `limit`: worlds, at most. */
interface Plan extends Pick<Setting, 'faults' | 'interruptions' | 'severalApis'> {
  readonly limit: number
}

const most = Number(process.env.LATCHKEY_WORLDS ?? 400_000)

const places = (['strict', 'grace', 'static'] as const).flatMap((rotation) => [true, false].map((hasLocks) => ({ rotation, hasLocks })))
const singles: readonly (readonly Fault[])[] = [[], ...faults.map((fault) => [fault])]
const pairs = faults.flatMap((fault, index) => faults.slice(index).map((other) => [fault, other])) // one of a kind twice, too

const plans: readonly Plan[] = [
  ...singles.map((found) => ({ faults: found, limit: 15 * most })),
  ...singles.map((found) => ({ faults: found, severalApis: true, limit: most })),
  ...pairs.map((found) => ({ faults: found, interruptions: 1, limit: most })),
]

const words = process.argv.slice(2)
let wrong = 0
for (const { limit, ...plan } of plans) {
  const memory = createTabMemory() // what a tab does when it is told something is the same in all places
  for (const place of places) {
    const setting: Setting = { ...place, ...plan }
    if (
      words.every((word) =>
        nameOf(setting)
          .split(/, | \+ /)
          .includes(word),
      )
    )
      await visit(setting, memory, limit)
  }
}
if (wrong > 0) process.exitCode = 1

async function visit(setting: Setting, memory: TabMemory, limit: number): Promise<void> {
  const from = performance.now()
  const found = await explore(setting, memory, limit)
  console.log(rowOf(found, performance.now() - from))
  const violations = [...found.violations].filter(([what]) => !isExpected(what, setting))
  for (const [what, trace] of violations) console.log(`${what}\n${printed(trace)}\n`)
  wrong += violations.length
  const { schedules, worlds, isWhole } = found
  keepRun('explore', nameOf(setting), { schedules, worlds, isWhole, violations: violations.length })
}
