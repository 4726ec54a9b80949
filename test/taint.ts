import { afterEach, beforeEach, expect } from 'vitest'
import { leaksSoFar, type Sightings, sightings } from './sightings.ts'

// Every token of a test bears a mark, and no test may see one where none belongs: in the console, an error, an event or a state, a
// message between tabs, or a URL (REQ-29, F64, F65).

let seen: Sightings = sightings()

for (const method of ['debug', 'dir', 'error', 'info', 'log', 'table', 'trace', 'warn'] as const) {
  const print = console[method].bind(console)
  console[method] = (...said: unknown[]) => {
    seen.see('console', said)
    print(...said)
  }
}

beforeEach(() => {
  seen = sightings()
})

afterEach(() => {
  expect(leaksSoFar(), 'a token was seen where none belongs').toEqual([])
})
