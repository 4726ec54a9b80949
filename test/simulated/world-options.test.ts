import { createWorld, type WorldOptions } from 'latchkey/testing'
import { expect, onTestFinished, test } from 'vitest'

test.each<{ option: string; given: object }>([
  { option: 'tabs', given: { tabs: -1 } },
  { option: 'tabs', given: { tabs: 1.5 } },
  { option: 'tabs', given: { tabs: 'two' } },
  { option: 'seed', given: { seed: 'abc' } },
  { option: 'rotation', given: { rotation: 'stern' } },
  { option: 'expiresIn', given: { expiresIn: -1 } },
  { option: 'refresh', given: { session: { refresh: 1 } } },
])('a world names the option that it cannot use: $given', ({ option, given }) => {
  expect(() => createWorld(given as WorldOptions<number>)).toThrow(new RegExp(`^\`${option}\``))
})

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number])('a world cannot be advanced by %o', async (span) => {
  const world = createWorld()
  onTestFinished(() => world.close())
  await expect(world.advance(span)).rejects.toThrow(TypeError)
})
