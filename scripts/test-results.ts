import { existsSync, readFileSync } from 'node:fs'

export interface Test {
  readonly fullName: string
  readonly status: string
  /** What a test has counted, in words of its own: `{ schedules: 1234 }`. */
  readonly meta?: { readonly counted?: Readonly<Record<string, string | number | boolean>> }
  /** From the folder of the tests. */
  readonly file: string
}

export const root = new URL('../', import.meta.url)

/** What the last `npm test` has left behind. */
export const tests: readonly Test[] = ['unit', 'browser'].flatMap(testsOf)
export const passed: readonly Test[] = tests.filter(({ status }) => status === 'passed')

/** In a sentence: how many passed, and where. */
export const summary = `${passed.length} tests passed, ${tests.length - passed.length} did not. ${enginesIn(passed)}`

/** Where the passing tests are whose title names `id` (F01, REQ-01), and how many: `fetch/urls (3)`. */
export function placesNaming(id: string): readonly string[] {
  const files = passed.filter(({ fullName }) => new RegExp(`\\b${id}\\b`).test(fullName)).map(({ file }) => file)
  return [...new Set(files)].map((file) => `${file.replace('.test.ts', '')} (${files.filter((other) => other === file).length})`)
}

function testsOf(project: string): readonly Test[] {
  const file = new URL(`test-results/${project}.json`, root)
  if (!existsSync(file)) throw new Error(`There is no test-results/${project}.json: run \`npm test\` first.`)
  const { testResults }: { testResults: { name: string; assertionResults: Omit<Test, 'file'>[] }[] } = JSON.parse(
    readFileSync(file, 'utf8'),
  )
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((result) => ({ ...result, file: name.slice(name.indexOf('/test/') + '/test/'.length) })),
  )
}

function enginesIn(all: readonly Test[]): string {
  const browsers = all.filter(({ file }) => file.startsWith('browser/'))
  const engines = ['Firefox', 'WebKit'].filter((engine) => browsers.some(({ fullName }) => fullName.includes(engine)))
  return `Real browsers: ${['Chromium', ...engines].join(', ')}.`
}
