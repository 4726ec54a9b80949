/**
 * Goes through the orders in which the steps of two tabs can come, with one fault and with two, against the invariants of the refresh
 * protocol. Takes hours; words of a configuration's name narrow it: `npm run explore -- strict locks freeze`.
 */
import { explore, printed } from '../test/explorer/explorer.ts'
import { isExpected } from '../test/explorer/inherent.ts'
import { createTabMemory } from '../test/explorer/remembered-tab.ts'
import { rowOf } from '../test/explorer/row.ts'
import { type Fault, faults, type Setting } from '../test/explorer/world.ts'

interface Plan {
  readonly setting: Setting
  /** Worlds, at most. */
  readonly limit: number
}

const places = (['strict', 'grace', 'static'] as const).flatMap((rotation) => [true, false].map((hasLocks) => ({ rotation, hasLocks })))
const singles: readonly (readonly Fault[])[] = [[], ...faults.map((fault) => [fault])]
const pairs = faults.flatMap((fault, index) => faults.slice(index + 1).map((other) => [fault, other]))

const plans: readonly Plan[] = [
  ...places.flatMap((place) => singles.map((found) => ({ setting: { ...place, faults: found }, limit: 6_000_000 }))),
  ...places.flatMap((place) => pairs.map((found) => ({ setting: { ...place, faults: found, interruptions: 1 }, limit: 400_000 }))),
]

const nameOf = ({ rotation, hasLocks, faults: found }: Setting) => [
  rotation,
  hasLocks ? 'locks' : 'no-locks',
  ...(found.length ? found : ['none']),
]

const words = process.argv.slice(2)
let wrong = 0
for (const { setting, limit } of plans) {
  if (!words.every((word) => nameOf(setting).includes(word))) continue
  const from = performance.now()
  const found = await explore(setting, createTabMemory(), limit)
  const row = rowOf(found, performance.now() - from)
  console.log(row)
  for (const [what, trace] of found.violations) {
    if (isExpected(what, setting)) continue
    wrong++
    console.log(`${what}\n${printed(trace)}\n`)
  }
}
if (wrong > 0) process.exitCode = 1
