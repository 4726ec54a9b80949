import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url))

/** The files that take longest come first: no core waits for the last of them. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const isLong = ({ moduleId }: TestSpecification) => /random-|measures|explorer|many-tabs|engines|limits/.test(moduleId)
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

/** Runs by itself, when all others are done. */
const promptness = 'test/browser/promptness.test.ts'

const inBrowsers = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  expect: { poll: { timeout: 10_000 } },
  // What is promised in ms is promised of a machine that runs: one that was busy with something else may show it once more. So may
  // a browser whose driver has gone silent.
  retry: { count: 2, condition: /^(ms|driver): / },
}

export default defineConfig({
  resolve: {
    // Whole names only: a plain 'latchkey' would also match the front of 'latchkey/ky'.
    alias: [
      { find: /^latchkey$/, replacement: source('index.ts') },
      { find: /^latchkey\/refresh$/, replacement: source('refresh/index.ts') },
      { find: /^latchkey\/oauth$/, replacement: source('oauth/index.ts') },
      { find: /^latchkey\/dpop$/, replacement: source('dpop/index.ts') },
      { find: /^latchkey\/ky$/, replacement: source('ky/index.ts') },
      { find: /^latchkey\/socket$/, replacement: source('socket/index.ts') },
      { find: /^latchkey\/limits$/, replacement: source('limits/index.ts') },
      { find: /^latchkey\/signals$/, replacement: source('signals/index.ts') },
      { find: /^latchkey\/testing$/, replacement: source('testing/index.ts') },
    ],
  },
  test: {
    // The json goes to the file that the npm script names; scripts/test-summary.ts adds the files up.
    reporters: ['default', 'json'],
    sequence: { sequencer: LongestFirst },
    coverage: { provider: 'v8', include: ['src/**/*.ts'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/browser/**'],
          setupFiles: ['test/seeded.ts', 'test/taint.ts'],
          testTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          ...inBrowsers,
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          exclude: [promptness],
          maxWorkers: 3, // most of the time a browser waits for a token to expire
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { ...inBrowsers, name: 'promptness', include: [promptness], maxWorkers: 1, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
