import type { Found } from './explorer.ts'
import type { Setting } from './world.ts'

/** What was visited, in one line. */
export function rowOf({ setting, schedules, worlds, steps, violations, isWhole }: Found, took: number): string {
  const { interruptions = 'any' } = setting
  const count = schedules < 1e6 ? schedules : schedules.toExponential(1)
  const speed = `${(took / 1000).toFixed(1)} s, ${Math.round((steps / took) * 1000)} steps/s`
  const found = [...violations.keys()].map((what) => `; ${what}`).join('')
  return `${nameOf(setting)}: ${count} schedules, ${worlds} worlds, ${steps} steps, interruptions ${interruptions}${isWhole ? '' : ', not whole'}; ${speed}${found}`
}

/** Rotation, locks and faults: `strict, no locks, crash + slow store`. */
export const nameOf = ({ rotation, hasLocks, severalApis, faults, mutation }: Setting): string =>
  `${rotation}, ${hasLocks ? 'locks' : 'no locks'}${severalApis ? ', several APIs' : ''}, ${[...faults, mutation].filter(Boolean).join(' + ') || 'no fault'}`
