import fc from 'fast-check'

/** A secret of which not even a part may be seen: no twelve of its characters occur anywhere else. */
export const marked: fc.Arbitrary<string> = fc.stringMatching(/^[a-zA-Z0-9]{40}$/).map((noise) => `mArKeD${noise}`)

/** What nobody expects of a plain value: reading it fails, or says another thing each time. */
const hostile: fc.Arbitrary<unknown> = fc
  .constantFrom<() => unknown>(
    () => Symbol('odd'),
    () => () => 'a function',
    () => class Odd {},
    () => Object.create({ inherited: true }),
    () => Object.freeze([]),
    () => new Proxy({}, {}),
    () => new Response('of a server'),
    () => new URL('https://api.example.com'),
    () => new Error('an error'),
    () => Promise.resolve('later'),
    () => new Date(Number.NaN),
    () => Number.NaN,
    () => -0,
    () => 1e308,
    () => 2 ** 53,
    () => 10n ** 40n,
    () => Object.defineProperty({}, 'hidden', { value: 1 }),
  )
  .map((make) => make())

/** Names that mean something to the language, or to us. */
const names = fc.constantFrom(
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'toJSON',
  'then',
  'headers',
  'text',
  'data',
  'tokens',
  '',
)

/** Any JSON, with the names that have been used against parsers. As `JSON.parse` gives it: `__proto__` is a member like any other. */
export const anyJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom(null, true, false, 0, -1, 1.5, 1e308, -1e308, 2 ** 53, '', 'x', '0', 'NaN'),
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc
    .array(fc.tuple(fc.oneof(names, fc.string()), tie('value')), { maxLength: 4 })
    .map((members) => JSON.parse(`{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join()}}`)),
})).value

/** Any value that a program can have. */
export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  hostile,
  anyJson,
  fc.anything({
    maxDepth: 2,
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withObjectString: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
)

/** Any value that can be posted to another tab. */
export const anyCloneable: fc.Arbitrary<unknown> = anyValue.filter((value) => {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
})
