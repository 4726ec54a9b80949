import { defineConfig } from 'vitest/config'
import config from './vitest.config.ts'

const quick = [
  'test/{core,refresh}/*.test.ts',
  'test/simulated/{around,backend-for-frontend,bugs,diagnostics,flaws,hold,late-word,prerender,promises,revocation,several-apis}.test.ts',
]
const thorough = [
  'test/{contracts,core,refresh}/*.test.ts',
  'test/simulated/**/*.test.ts',
  'test/explorer/*-*.test.ts',
  'test/{options,snapshot}.test.ts',
]

/** For `npm run mutation`. What chance tries, and the long measures, are left out. */
export default defineConfig({
  ...(config.resolve && { resolve: config.resolve }),
  test: {
    include: process.env.LATCHKEY_MUTATION === 'thorough' ? thorough : quick,
    exclude: ['test/simulated/{measures,random-*}.test.ts'],
    setupFiles: ['test/seeded.ts', 'test/taint.ts'],
    testTimeout: 60_000,
  },
})
