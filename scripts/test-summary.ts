/** Adds up the results of all vitest runs, in one line for machines: `12 passed, 0 failed`. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'

interface Results {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

const folder = new URL('../test-results/', import.meta.url)
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : []

let passed = 0
let failed = 0
for (const file of files) {
  const results: Results = JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
  passed += results.numPassedTests
  failed += results.numFailedTests
  // A file that could not be loaded has no tests to count, and is a failure all the same.
  failed += results.testResults.filter(({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0).length
}

console.log(`${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
