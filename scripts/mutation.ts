/**
 * Changes one thing at a time in the core and the engine, and sees whether a test notices: first the tests that take seconds, then, for
 * what those let pass, all that leave nothing to chance. Prints what each of the two has let pass, and the score by file; the scores are kept for `npm run
 * reliability`. Takes about an hour on two cores that do nothing else; file names narrow it: `npm run mutation -- src/engine.ts`.
 */
import { relative } from 'node:path'
import { Stryker } from '@stryker-mutator/core'
import { keepRun } from './long-runs.ts'

type MutantResult = Awaited<ReturnType<Stryker['runMutationTest']>>[number]

interface Score {
  readonly mutants: number
  readonly noticed: number
}

const files = process.argv.slice(2)
const judged = files.length ? files : ['src/core/**/*.ts', 'src/engine.ts', 'src/refresh-run.ts', 'src/shared-record.ts']
const wanted = 90

const later = new Set<string>()
const first = await mutate(judged, 'quick')
const passed = first.filter(isUnnoticed)
keep() // the second part may take longer than there is time for
print('Not noticed by the quick tests', passed.map(nameOf))
if (passed.length)
  for (const mutant of (await mutate([...new Set(passed.map(placeOf))], 'thorough')).filter(isNoticed)) later.add(nameOf(mutant))
keep()

print(
  'Not noticed by any',
  passed.map(nameOf).filter((name) => !later.has(name)),
)
const all = [...scores()]
for (const [file, { mutants, noticed }] of all.sort()) console.log(row(file, mutants, noticed))
const total = { mutants: sum(all.map(([, { mutants }]) => mutants)), noticed: sum(all.map(([, { noticed }]) => noticed)) }
console.log(row('together', total.mutants, total.noticed))
if (total.noticed / total.mutants < wanted / 100) process.exitCode = 1

function keep(): void {
  for (const [file, score] of scores()) keepRun('mutation', file, { ...score })
}

/** By file. */
function scores(): ReadonlyMap<string, Score> {
  const found = new Map<string, Score>()
  for (const mutant of first) {
    if (!isNoticed(mutant) && !isUnnoticed(mutant)) continue // it does not compile, or is computed once
    const { mutants, noticed } = found.get(fileOf(mutant)) ?? { mutants: 0, noticed: 0 }
    found.set(fileOf(mutant), { mutants: mutants + 1, noticed: noticed + Number(isNoticed(mutant) || later.has(nameOf(mutant))) })
  }
  return found
}

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

function print(what: string, names: readonly string[]): void {
  console.log(`${what}: ${names.length}\n${names.toSorted().join('\n')}`)
}

function row(file: string, mutants: number, noticed: number): string {
  return `${file.padEnd(30)} ${String(mutants).padStart(5)} ${String(noticed).padStart(5)} ${((100 * noticed) / mutants).toFixed(1)} %`
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
