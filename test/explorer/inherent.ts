import type { Fault, Setting } from './world.ts'

/**
 * What no rule of a client can prevent: the record is evicted, and the only tab that knows what was in it is gone, asleep, not heard, or kept waiting by
 * its store; or what it has written back is evicted, too, before anybody has heard of it.
 * The others know an older generation and no better, or know that they know too little.
 */
export const isExpected = (violation: string, { faults }: Setting): boolean =>
  faults.includes('evict') &&
  faults.some((fault, index) => unheard.includes(fault) || fault === faults[index - 1]) &&
  /^I[134]:/.test(violation)

const unheard: readonly Fault[] = ['crash', 'freeze', 'nudge lost', 'slow store']
