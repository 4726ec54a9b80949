import type { ContractCase } from 'latchkey/testing'

let names = 0

/** Cases for any runner, in a page too. Each is given a name that nobody else uses. */
export const casesOf = (subject: string, cases: Readonly<Record<string, (name: string) => Promise<void>>>): readonly ContractCase[] =>
  Object.entries(cases).map(([what, run]) => ({ name: `${subject} ${what}`, run: () => run(`contract ${Date.now()} ${names++}`) }))

export function same(found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`It was ${JSON.stringify(found)} where ${JSON.stringify(wanted)} is right.`)
}
