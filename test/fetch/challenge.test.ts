import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { challengesOf, refusalOf } from '../../src/fetch/challenge.ts'

const api = 'https://api.example.com'

const read = (header: string) => challengesOf(header).map(({ scheme, params }) => [scheme, Object.fromEntries(params)])

describe('REQ-31: WWW-Authenticate is read', () => {
  test.each([
    { name: 'nothing', header: '', is: [] },
    { name: 'commas and spaces', header: ' , ,\t, ', is: [] },
    { name: 'a scheme alone', header: 'Bearer', is: [['bearer', {}]] },
    { name: 'a parameter', header: 'Bearer error=invalid_token', is: [['bearer', { error: 'invalid_token' }]] },
    { name: 'parameters', header: 'Bearer realm="a", error="invalid_token"', is: [['bearer', { realm: 'a', error: 'invalid_token' }]] },
    { name: 'parameters without spaces', header: 'Bearer realm="a",error="b"', is: [['bearer', { realm: 'a', error: 'b' }]] },
    { name: 'spaces around the sign', header: 'Bearer realm = "a" , error ="b"', is: [['bearer', { realm: 'a', error: 'b' }]] },
    { name: 'names in any case', header: 'BEARER Error="invalid_token"', is: [['bearer', { error: 'invalid_token' }]] },
    {
      name: 'several challenges',
      header: 'Bearer, DPoP algs="ES256 PS256"',
      is: [
        ['bearer', {}],
        ['dpop', { algs: 'ES256 PS256' }],
      ],
    },
    {
      name: 'a comma inside quotes',
      header: 'Bearer error="a,b", DPoP error="x"',
      is: [
        ['bearer', { error: 'a,b' }],
        ['dpop', { error: 'x' }],
      ],
    },
    {
      name: 'a challenge inside quotes',
      header: 'Bearer realm="x, Basic error=\\"y\\""',
      is: [['bearer', { realm: 'x, Basic error="y"' }]],
    },
    { name: 'escapes', header: String.raw`Bearer realm="a\"b\\c"`, is: [['bearer', { realm: String.raw`a"b\c` }]] },
    { name: 'an empty quoted text', header: 'Bearer error=""', is: [['bearer', { error: '' }]] },
    {
      name: 'token68',
      header: 'Negotiate YII+/abc==, Bearer error="x"',
      is: [
        ['negotiate', {}],
        ['bearer', { error: 'x' }],
      ],
    },
    {
      name: 'token68 at the end',
      header: 'Basic, Negotiate YII=',
      is: [
        ['basic', {}],
        ['negotiate', {}],
      ],
    },
    { name: 'a parameter before any scheme: nobody’s', header: 'error="x", Bearer', is: [['bearer', {}]] },
    {
      name: 'a parameter that is there twice: nobody’s challenge',
      header: 'Bearer error="a", Error="invalid_token", DPoP',
      is: [
        ['', { error: 'invalid_token' }],
        ['dpop', {}],
      ],
    },
    { name: 'up to a mistake', header: 'Bearer realm="a", error="b" x, DPoP', is: [['bearer', { realm: 'a' }]] },
    { name: 'up to quotes that do not end', header: 'Bearer realm="a", error="invalid_token', is: [['bearer', { realm: 'a' }]] },
    { name: 'an empty element', header: 'Bearer ,, error="x"', is: [['bearer', { error: 'x' }]] },
  ])('$name', ({ header, is }) => {
    expect(read(header)).toEqual(is)
  })

  const scheme = fc.constantFrom('Bearer', 'DPoP', 'Basic')
  const params = fc.dictionary(
    fc.stringMatching(/^[a-z]{1,8}$/),
    fc.string({ unit: fc.constantFrom('a', ' ', ',', '=', '"', '\\', '/') }),
    { maxKeys: 4, noNullPrototype: true },
  )
  const quoted = (text: string) => `"${text.replace(/["\\]/g, '\\$&')}"`

  test('whatever a server says by the rules', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(scheme, params)), (said) => {
        const header = said
          .map(
            ([name, values]) =>
              `${name} ${Object.entries(values)
                .map(([key, value]) => `${key}=${quoted(value)}`)
                .join(', ')}`,
          )
          .join(', ')
        expect(read(header)).toEqual(said.map(([name, values]) => [name.toLowerCase(), values]))
      }),
    )
  })

  test('without an exception, whatever a server says', () => {
    const unit = fc.constantFrom('Bearer', ' ', ',', '=', '"', '\\', 'error', 'invalid_token', '/', '\t', 'é')
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit, maxLength: 200 })), (header) => challengesOf(header).length <= header.length),
    )
  })
})

describe('REQ-31: of a header without end, no more than eight kilobytes are read', () => {
  const megabyte = (part: string) => part.repeat(Math.ceil(1_000_000 / part.length))
  test.each(['Bearer ', 'a', 'a=b,', 'a="', 'a="\\', ' ', ',', 'a= ', 'a ', '"', 'Bearer a=', 'Bearer realm="x", '])(
    'a megabyte of %j',
    (part) => {
      for (const header of [megabyte(part), `Bearer ${megabyte(part)}`, `Bearer realm="${megabyte(part)}`]) {
        expect(challengesOf(header)).toEqual(challengesOf(header.slice(0, 8_192)))
      }
    },
  )

  test('what comes after them is not there', () => {
    expect(refusalOf(`Bearer realm="${'x'.repeat(9_000)}", error="invalid_token"`, api)).toBe('unsaid')
  })
})

describe('a 401 is about the token', () => {
  test.each([
    { name: 'without a header, or with one that CORS hides: perhaps', header: null, is: 'unsaid' },
    { name: 'with a bare challenge: perhaps', header: 'Bearer', is: 'unsaid' },
    { name: 'with a realm: perhaps', header: 'Bearer realm="api"', is: 'unsaid' },
    { name: 'for DPoP: perhaps', header: 'DPoP algs="ES256"', is: 'unsaid' },
    { name: 'invalid_token: yes', header: 'Bearer error="invalid_token"', is: 'invalid' },
    { name: 'invalid_token for DPoP: yes', header: 'DPoP error="invalid_token"', is: 'invalid' },
    {
      name: 'invalid_token among others: yes',
      header: 'Basic realm="x", Bearer error="invalid_token", error_description="expired, sorry"',
      is: 'invalid',
    },
    { name: 'F54: insufficient_scope: no', header: 'Bearer error="insufficient_scope"', is: null },
    { name: 'F54: a malformed request: no', header: 'Bearer error="invalid_request"', is: null },
    { name: 'F54: another credential: no', header: 'Basic realm="downstream"', is: null },
    { name: 'F54: invalid_token of another scheme: no', header: 'Custom error="invalid_token"', is: null },
    { name: 'a nonce: no', header: 'DPoP error="use_dpop_nonce"', is: null },
    { name: 'REQ-89: a nonce, with Bearer offered beside it: no', header: 'Bearer, DPoP error="use_dpop_nonce", algs="ES256"', is: null },
    { name: 'an empty header: no', header: '', is: null },
    {
      name: 'one scheme that gives a reason, and one that is only named: no',
      header: 'Bearer error="insufficient_scope", DPoP algs="ES256"',
      is: null,
    },
    { name: 'two schemes that are only named: perhaps', header: 'Bearer, DPoP algs="ES256"', is: 'unsaid' },
    { name: 'two errors at once: no', header: 'Bearer error="invalid_token", error="invalid_request"', is: null },
  ] as const)('$name', ({ header, is }) => {
    expect(refusalOf(header, api)).toBe(is)
  })
})

describe('REQ-100: a 401 demands a stronger or fresher sign-in (RFC 9470 §3)', () => {
  const demand = { origin: api, acrValues: [], maxAge: null, scope: null }
  const error = 'error="insufficient_user_authentication"'
  test.each([
    { name: 'and says no more', header: `Bearer ${error}`, is: demand },
    { name: 'for DPoP', header: `DPoP ${error}, algs="ES256"`, is: demand },
    { name: 'in capitals', header: `BEARER ${error.replace('error', 'ERROR')}, Max_Age=5`, is: { ...demand, maxAge: 5_000 } },
    {
      name: 'of the RFC’s own example',
      header: `Bearer ${error}, error_description="A different authentication level is required", acr_values="myACR"`,
      is: { ...demand, acrValues: ['myACR'] },
    },
    {
      name: 'one of several levels, best first',
      header: `Bearer ${error}, acr_values=" gold  silver "`,
      is: { ...demand, acrValues: ['gold', 'silver'] },
    },
    { name: 'an empty list of levels', header: `Bearer ${error}, acr_values=""`, is: demand },
    { name: 'an age in quotes, in seconds', header: `Bearer ${error}, max_age="300"`, is: { ...demand, maxAge: 300_000 } },
    { name: 'an age without quotes', header: `Bearer ${error}, max_age=300`, is: { ...demand, maxAge: 300_000 } },
    { name: 'a sign-in now', header: `Bearer ${error}, max_age=0`, is: { ...demand, maxAge: 0 } },
    ...['-1', '1.5', '1e3', '0x10', 'soon', '', '9'.repeat(400)].map((age) => ({
      name: `an age that is none: ${age.slice(0, 12)}`,
      header: `Bearer ${error}, max_age="${age}"`,
      is: demand,
    })),
    { name: 'a scope', header: `Bearer ${error}, scope="payments read"`, is: { ...demand, scope: 'payments read' } },
    {
      name: 'beside a scheme that is only named',
      header: `DPoP algs="ES256", Bearer ${error}, max_age=1`,
      is: { ...demand, maxAge: 1_000 },
    },
    { name: 'beside a scheme of somebody else', header: `Basic realm="a, Bearer b", Bearer ${error}`, is: demand },
  ])('$name', ({ header, is }) => {
    expect(refusalOf(header, api)).toEqual(is)
  })

  test.each([
    { name: 'inside quotes: a realm', header: 'Bearer realm="error=\\"insufficient_user_authentication\\""', is: 'unsaid' },
    { name: 'of another scheme', header: `Custom ${error}`, is: null },
    { name: 'twice in one challenge: it says two things, and nothing', header: `Bearer ${error}, max_age=1, max_age=2`, is: null },
    { name: 'beside invalid_token: a token comes first', header: `Bearer ${error}, DPoP error="invalid_token"`, is: 'invalid' },
  ])('not: $name', ({ header, is }) => {
    expect(refusalOf(header, api)).toBe(is)
  })
})
