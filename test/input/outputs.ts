import { inspect } from 'node:util'
import { isLatchkeyError, type Session } from 'latchkey'
import { expect } from 'vitest'

/** Everything that people print a value with. */
const printed = (value: unknown): string =>
  [
    inspect(value, { depth: 9, showHidden: true, maxStringLength: null, maxArrayLength: null }),
    ...attempts(
      () => JSON.stringify(value),
      () => String(value),
    ),
    value instanceof Error ? `${value.message} ${value.stack} ${printed(value.cause)}` : '',
  ].join('\n')

const attempts = (...prints: (() => string | undefined)[]): string[] =>
  prints.map((print) => {
    try {
      return print() ?? ''
    } catch {
      return '' // what cannot be printed shows nothing
    }
  })

/** The first twelve characters of `secret` in a row that any of `values` shows, or `null`. */
export function fragmentIn(values: readonly unknown[], secret: string): string | null {
  const text = values.map(printed).join('\n')
  for (let from = 0; from + 12 <= secret.length; from++) {
    const part = secret.slice(from, from + 12)
    if (text.includes(part)) return part
  }
  return null
}

const codes = ['signed_out', 'session_ended', 'refresh_unavailable', 'closed', 'refresh_rejected']

/** What is documented to be thrown: one of ours with a code that is known, or a TypeError that names what is wrong. */
export function expectDocumented(error: unknown): void {
  if (isLatchkeyError(error)) expect(codes).toContain(error.code)
  else {
    expect(error).toBeInstanceOf(TypeError)
    expect((error as TypeError).message).toMatch(/`\w+(\.\w+)*`|is not an object/)
  }
}

/** All that is said of a session without being asked. */
export const shownBy = (session: Session): unknown[] => [session, session.state]

/**
 * How much longer `work` takes for a megabyte than for a tenth of one: medians, after tries that do not count. The tenth is done ten times
 * over, so that both make as much garbage; and what is done in no time may take ten times as long for all we care. Of four such
 * measurements the least counts: a busy machine slows down now the one, now the other, and a square is one every time.
 */
export function growth(work: (size: number) => () => unknown): number {
  let least = Infinity
  for (let tries = 0; tries < 4 && least >= linear; tries++) least = Math.min(least, growthOnce(work))
  return least
}

function growthOnce(work: (size: number) => () => unknown): number {
  const [small, large] = [work(100_000), work(1_000_000)]
  // Of the processor's time, not the clock's: other work on the machine is none of ours.
  const now = () => process.cpuUsage().user / 1_000
  const time = (run: () => unknown, times: number) => {
    const begun = now()
    for (let time = 0; time < times; time++) run()
    return now() - begun
  }
  const median = (run: () => unknown, times: number) => {
    time(run, times)
    return Array.from({ length: 5 }, () => time(run, times)).sort((a, b) => a - b)[2] as number // of five
  }
  const [before, after] = [median(small, 10), median(large, 1)]
  return after < 10 ? 1 : (after / before) * 10
}

/** Ten times the work, and more for caches and the collector of garbage; what is quadratic would be a hundred. */
export const linear = 40
