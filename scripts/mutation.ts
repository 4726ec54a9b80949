/**
 * Changes one thing at a time in the core and the engine, and sees whether a test notices: first the tests that take seconds, then, for
 * what those let pass, all that leave nothing to chance. Prints the score by file, and whatever nobody noticed; the scores are kept for `npm run
 * reliability`. Takes about an hour on two cores; file names narrow it: `npm run mutation -- src/engine.ts`.
 */
import { relative } from 'node:path'
import { Stryker } from '@stryker-mutator/core'
import { keepRun } from './long-runs.ts'

type MutantResult = Awaited<ReturnType<Stryker['runMutationTest']>>[number]

const files = process.argv.slice(2)
const judged = files.length ? files : ['src/core/**/*.ts', 'src/engine.ts', 'src/refresh-run.ts', 'src/shared-record.ts']
const wanted = 90

const first = await mutate(judged, 'quick')
const passed = first.filter(isUnnoticed)
const second = passed.length ? await mutate([...new Set(passed.map(placeOf))], 'thorough') : []
const later = new Set(second.filter(isNoticed).map(nameOf))
const unnoticed = passed.map(nameOf).filter((name) => !later.has(name))

const scores = new Map<string, { mutants: number; noticed: number }>()
for (const mutant of first) {
  if (!isNoticed(mutant) && !isUnnoticed(mutant)) continue // it does not compile, or is computed once
  const score = scores.get(fileOf(mutant)) ?? { mutants: 0, noticed: 0 }
  scores.set(fileOf(mutant), {
    mutants: score.mutants + 1,
    noticed: score.noticed + (isNoticed(mutant) || later.has(nameOf(mutant)) ? 1 : 0),
  })
}
console.log(unnoticed.sort().join('\n'))
for (const [file, { mutants, noticed }] of [...scores].sort()) {
  console.log(row(file, mutants, noticed))
  keepRun('mutation', file, { mutants, noticed })
}
const all = [...scores.values()]
const total = { mutants: sum(all.map(({ mutants }) => mutants)), noticed: sum(all.map(({ noticed }) => noticed)) }
console.log(row('together', total.mutants, total.noticed))
if (total.noticed / total.mutants < wanted / 100) process.exitCode = 1

function mutate(mutants: string[], tests: 'quick' | 'thorough'): Promise<MutantResult[]> {
  process.env.LATCHKEY_MUTATION = tests // for vitest.mutation.config.ts
  return new Stryker({
    testRunner: 'vitest',
    vitest: { configFile: 'vitest.mutation.config.ts' },
    mutate: mutants,
    ignoreStatic: true,
    concurrency: 2,
    timeoutMS: 10_000,
    tempDirName: '.vitest/mutation',
    reporters: ['progress-append-only'],
  }).runMutationTest()
}

function isUnnoticed({ status }: MutantResult): boolean {
  return status === 'Survived' || status === 'NoCoverage'
}

function isNoticed({ status }: MutantResult): boolean {
  return status === 'Killed' || status === 'Timeout'
}

function fileOf({ fileName }: MutantResult): string {
  return relative('.', fileName)
}

/** As Stryker wants it: lines from one, columns from nought. Several mutants may have the same. */
function placeOf(mutant: MutantResult): string {
  const { start, end } = mutant.location
  return `${fileOf(mutant)}:${start.line}:${start.column - 1}-${end.line}:${end.column - 1}`
}

function nameOf(mutant: MutantResult): string {
  return `${placeOf(mutant)} ${mutant.replacement.replaceAll(/\s+/g, ' ')}`
}

function row(file: string, mutants: number, noticed: number): string {
  return `${file.padEnd(30)} ${String(mutants).padStart(5)} ${String(noticed).padStart(5)} ${((100 * noticed) / mutants).toFixed(1)} %`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
