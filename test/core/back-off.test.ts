import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backOff, waitLeft } from '../../src/core/back-off.ts'
import { clockGrain } from '../../src/core/lifetime.ts'
import type { Retry } from '../../src/core/record.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { at, epoch, retry } from './samples.ts'

const failed = (attempt: number): Retry => ({ ...retry, attempt })

describe('how long the next refresh waits', () => {
  test.each([
    { name: 'REQ-128: a second, after the first failure', last: null, wait: 1_000 },
    { name: 'two, after the second', last: failed(1), wait: 2_000 },
    { name: 'half a minute, after the sixth', last: failed(5), wait: 32_000 },
    { name: 'REQ-128: a minute at most', last: failed(6), wait: 60_000 },
    { name: 'a minute at most, after a weekend of them', last: failed(5_000), wait: 60_000 },
    { name: 'F31: as long as the server asked for', last: failed(5), asked: 120_000, wait: 120_000 },
    { name: 'F31: not at all, if the server asked for that', last: failed(5), asked: 0, wait: 0 },
    { name: 'REQ-128: for ten minutes at most', last: null, asked: 86_400_000, wait: 600_000 },
    { name: 'REQ-128: for ten minutes at most, even if that is for ever', last: null, asked: Number.POSITIVE_INFINITY, wait: 600_000 },
    { name: 'F25: longer, where asking sooner would give the same again', last: null, least: 40_000, wait: 40_000 },
  ])('$name', ({ last, asked, least, wait }) => {
    expect(backOff(last, at(0, 0), true, asked, least).wait).toBe(wait)
  })

  test('counts the row, and remembers when it began', () => {
    expect(backOff(failed(3), at(5_000, 0), false)).toEqual({ attempt: 4, since: epoch, at: epoch + 5_000, wait: 8_000, binding: false })
  })

  test('F30: leaves a fifth to chance, so that a thousand browsers do not come back together', () => {
    fc.assert(
      fc.property(fc.nat({ max: 100 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, chance) => {
        const [longest, wait] = [backOff(failed(attempt), at(0, 0), true).wait, backOff(failed(attempt), at(0, chance), true).wait]
        expect(wait).toBeLessThanOrEqual(longest)
        expect(wait).toBeGreaterThanOrEqual(longest * 0.8)
      }),
    )
  })

  test('F31: is never shorter than the server asked for, and little longer', () => {
    fc.assert(
      fc.property(fc.nat({ max: 600_000 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (asked, chance) => {
        const { wait } = backOff(null, at(0, chance), true, asked)
        expect(wait - asked).toBeGreaterThanOrEqual(0)
        expect(wait - asked).toBeLessThan(5_000)
      }),
    )
  })

  test('F31: is spread over two seconds after what the server asked for', () => {
    expect(backOff(null, at(0, 0.5), true, 30_000).wait).toBe(31_000)
  })

  test('F30: half an hour of failures is at most forty attempts', () => {
    const chance = seededRandom(30)
    let [span, last] = [0, null as Retry | null]
    while (span < 1_800_000) {
      last = backOff(last, at(span, chance()), true)
      span += last.wait
    }
    expect(last?.attempt).toBeGreaterThan(20)
    expect(last?.attempt).toBeLessThanOrEqual(40)
  })
})

describe('the wait that is left', () => {
  const free = { ...retry, binding: false }
  test.each([
    { name: 'is all of it at first', of: retry, now: at(0), needed: true, left: 60_000 },
    { name: 'goes down', of: retry, now: at(45_000), needed: true, left: 15_000 },
    { name: 'is over', of: retry, now: at(61_000), needed: true, left: -1_000 },
    { name: 'F31: is not cut short where a server answered', of: retry, now: at(5_000), needed: true, left: 55_000 },
    {
      name: 'F28: is cut short to five seconds where nobody answered, and somebody waits',
      of: free,
      now: at(0),
      needed: true,
      left: 5_000,
    },
    { name: 'F28: is not cut short while nobody waits', of: free, now: at(0), needed: false, left: 60_000 },
    { name: 'is not made longer by being cut short', of: { ...free, wait: 1_000 }, now: at(0), needed: true, left: 1_000 },
    {
      name: 'is not over when another tab only reads its clock a little differently',
      of: retry,
      now: at(-clockGrain),
      needed: false,
      left: 60_000 + clockGrain,
    },
    {
      name: 'F43: is no longer than any tab would have written',
      of: { ...retry, wait: 10 ** 9 },
      now: at(0),
      needed: false,
      left: 602_000,
    },
    { name: 'F23: is over when the clock has gone back', of: retry, now: at(-clockGrain - 1), needed: false, left: 0 },
  ])('$name', ({ of, now, needed, left }) => {
    expect(waitLeft(of, now, needed)).toBe(left)
  })

  test('is never longer than the wait itself, and what clocks are blurred by', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.boolean(), (wall, needed) => {
        expect(waitLeft(retry, { wall, mono: 0, chance: 0 }, needed)).toBeLessThanOrEqual(60_000 + clockGrain)
      }),
    )
  })
})
