import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clockGrain, deadlinesOf, isOver, usable } from '../../src/core/lifetime.ts'
import { left, type Now, never } from '../../src/core/time.ts'
import { access, at, epoch } from './samples.ts'

const lasting = (lasts: number, from = epoch) => ({ ...access, life: { from, lasts } })
const spans = (lasts: number, chance: number) => {
  const { fresh, renew, expires } = deadlinesOf(lasting(lasts), at(0, chance))
  return { fresh: fresh.mono, renew: renew.mono, expires: expires.mono }
}

const [second, minute, day] = [1_000, 60_000, 86_400_000]

describe('when a token is renewed', () => {
  test.each([
    { name: 'of five minutes, a minute before', lasts: 300 * second, latest: 240 * second, earliest: 230 * second },
    { name: 'of an hour, a minute before', lasts: 60 * minute, latest: 59 * minute, earliest: 59 * minute - 10 * second },
    { name: 'of a minute, a fifth of it before', lasts: 60 * second, latest: 48 * second, earliest: 42 * second },
    { name: 'F18: of a month, a minute before', lasts: 30 * day, latest: 30 * day - minute, earliest: 30 * day - minute - 10 * second },
    {
      name: 'F18: of ten years, a minute before',
      lasts: 3650 * day,
      latest: 3650 * day - minute,
      earliest: 3650 * day - minute - 10 * second,
    },
    { name: 'F24: of five seconds, not within ten', lasts: 5 * second, latest: 10 * second, earliest: 10 * second },
    { name: 'F24: of a second, not within ten', lasts: second, latest: 10 * second, earliest: 10 * second },
    { name: 'F24: of nothing, not within ten', lasts: 0, latest: 10 * second, earliest: 10 * second },
  ])('$name', ({ lasts, latest, earliest }) => {
    expect(spans(lasts, 0)).toMatchObject({ renew: latest, expires: lasts })
    expect(spans(lasts, 1).renew).toBeCloseTo(earliest)
  })

  test('F24, F30: never within ten seconds, never in the first half of its life, and no two browsers at the same moment', () => {
    fc.assert(
      fc.property(fc.nat({ max: 3650 * day }), fc.double({ min: 0, max: 0.99, noNaN: true }), (lasts, chance) => {
        const { fresh, renew } = spans(lasts, chance)
        expect(renew).toBeGreaterThanOrEqual(10 * second)
        expect(renew).toBeGreaterThan(lasts / 2)
        expect(fresh).toBeLessThanOrEqual(lasts)
        if (lasts > 100 * second) expect(spans(lasts, 0).renew - renew).toBeCloseTo(chance * 10 * second)
      }),
    )
  })

  test('F50: never, if nobody knows how long it lasts', () => {
    expect(deadlinesOf({ ...access, life: null }, at(0))).toEqual({ fresh: never, renew: never, expires: never })
  })

  test('REQ-33: counts from when the request for it was sent, not from when the record was read', () => {
    expect(deadlinesOf(lasting(300 * second), at(100 * second, 0)).expires).toEqual({ wall: epoch + 300 * second, mono: 300 * second })
  })
})

describe('clocks', () => {
  const offsets = [-25, -1, 1, 25].map((hours) => hours * 60 * minute)

  test.each(offsets)('F21, F22: a clock that is wrong by %d ms from the start changes nothing', (offset) => {
    const now: Now = { wall: epoch + offset, mono: 0, chance: 0.5 }
    const { renew } = deadlinesOf(lasting(300 * second, epoch + offset), now)
    expect(left(renew, now)).toBe(left(deadlinesOf(lasting(300 * second), at(0)).renew, at(0)))
  })

  test('F23: a clock that goes forward runs a token out early, which one refresh puts right', () => {
    const { expires } = deadlinesOf(lasting(300 * second), at(0))
    expect(left(expires, { wall: epoch + 120 * minute, mono: second })).toBeLessThan(0)
  })

  test('F23, REQ-33: a clock that goes back lets no token live longer', () => {
    const { expires } = deadlinesOf(lasting(300 * second), at(0))
    expect(left(expires, { wall: epoch - 120 * minute, mono: 301 * second })).toBe(-second)
  })

  test('F20, REQ-33: nor does a monotonic clock that stops while the machine sleeps', () => {
    const { expires } = deadlinesOf(lasting(300 * second), at(0))
    expect(left(expires, { wall: epoch + 301 * second, mono: second })).toBe(-second)
  })

  test('F22, F23: a token from the future, on reading, counts as expired', () => {
    const now = at(-clockGrain - 1)
    expect(left(deadlinesOf(lasting(300 * second), now).expires, now)).toBe(0)
  })

  test('F22, F23: but a refresh token is not over for a clock that went back: the server shall say so', () => {
    const life = { from: epoch, lasts: 300 * second }
    expect(isOver(life, at(-3600 * second))).toBe(false)
    expect(isOver(life, at(299 * second))).toBe(false)
    expect(isOver(life, at(300 * second))).toBe(true)
  })

  test('but not one that only seems so, because another tab reads its clock a little differently', () => {
    const now = at(-clockGrain)
    expect(left(deadlinesOf(lasting(300 * second), now).expires, now)).toBe(300 * second + clockGrain)
    expect(isOver({ from: epoch, lasts: 300 * second }, now)).toBe(false)
  })
})

describe('the time for which a token may still leave', () => {
  test.each([
    { name: 'F26: ends five seconds before it expires', lasts: 300 * second, now: at(0), time: 295 * second },
    { name: 'F26: or a tenth of a short life', lasts: 10 * second, now: at(0), time: 9 * second },
    { name: 'is less what the caller wants to be left', lasts: 300 * second, now: at(0), minValidity: 100 * second, time: 200 * second },
    { name: 'is less half a life at most', lasts: 300 * second, now: at(0), minValidity: 3600 * second, time: 150 * second },
    { name: 'is all of it, if the caller wants nothing to be left', lasts: 300 * second, now: at(0), minValidity: 0, time: 300 * second },
    { name: 'is over', lasts: 300 * second, now: at(300 * second), time: -5 * second },
    { name: 'has never begun', lasts: 0, now: at(0), time: 0 },
  ])('$name', ({ lasts, now, minValidity, time }) => {
    expect(usable(lasting(lasts), deadlinesOf(lasting(lasts), at(0)), now, minValidity)).toBe(time)
  })

  test('F50: has no end that anybody knows', () => {
    const token = { ...access, life: null }
    expect(usable(token, deadlinesOf(token, at(0)), at(10 * day), minute)).toBe(Number.POSITIVE_INFINITY)
  })
})

test.each([
  { name: 'that nobody knows', life: null, over: false },
  { name: 'with a millisecond left', life: { from: epoch, lasts: 1_001 }, over: false },
  { name: 'at its end', life: { from: epoch, lasts: 1_000 }, over: true },
  { name: 'of nothing', life: { from: epoch + 1_000, lasts: 0 }, over: true },
])('a life $name is over: $over', ({ life, over }) => {
  expect(isOver(life, at(1_000))).toBe(over)
})
