import { inspect } from 'node:util'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { reveal, seal, secret } from '../../src/core/secret.ts'
import { type Issued, readTokens } from '../../src/core/tokens.ts'

/** What was issued, with its secrets in the open. */
const read = (input: unknown) => {
  const { accessToken, refreshToken, ...rest } = readTokens(input)
  return { accessToken: reveal(accessToken), refreshToken: refreshToken && reveal(refreshToken), ...rest }
}

const nothingElse = {
  lasts: null,
  refreshToken: null,
  refreshLasts: null,
  sessionLasts: null,
  authAge: null,
  scope: null,
  subject: null,
  isBound: false,
  binding: null,
}

const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`
const signed = await new SignJWT({ sub: 'ann' })
  .setProtectedHeader({ alg: 'HS256' })
  .setIssuedAt(1_000)
  .setExpirationTime(1_600)
  .sign(new Uint8Array(32))
const encrypted = `${'e'.repeat(40)}..${'e'.repeat(16)}.${'e'.repeat(40)}.${'e'.repeat(22)}`

describe('a token response is read', () => {
  test.each([
    { name: 'as it comes over the wire', input: { access_token: 'a' }, issued: { accessToken: 'a', ...nothingElse } },
    { name: 'in camel case', input: { accessToken: 'a' }, issued: { accessToken: 'a', ...nothingElse } },
    {
      name: 'as it comes over the wire, with everything',
      input: {
        access_token: 'a',
        token_type: 'bearer',
        expires_in: 300,
        refresh_token: 'r',
        refresh_expires_in: 900,
        authorization_expires_in: 3_600,
        scope: 'x y',
        id_token: jwt({ sub: 'ann' }),
      },
      issued: {
        accessToken: 'a',
        lasts: 300_000,
        refreshToken: 'r',
        refreshLasts: 900_000,
        sessionLasts: 3_600_000,
        authAge: null,
        scope: 'x y',
        subject: 'ann',
        isBound: false,
        binding: null,
      },
    },
    {
      name: 'in camel case, with everything',
      input: {
        accessToken: 'a',
        tokenType: 'DPoP',
        expiresIn: 300,
        refreshToken: 'r',
        refreshExpiresIn: 900,
        authorizationExpiresIn: 3_600,
        scope: 'x y',
        idToken: jwt({ sub: 'ann' }),
      },
      issued: {
        accessToken: 'a',
        lasts: 300_000,
        refreshToken: 'r',
        refreshLasts: 900_000,
        sessionLasts: 3_600_000,
        authAge: null,
        scope: 'x y',
        subject: 'ann',
        isBound: true,
        binding: null,
      },
    },
    {
      name: 'in a mixture of both: nothing that was given is lost',
      input: { access_token: 'a', refreshToken: 'r', expires_in: null, expiresIn: 5 },
      issued: { accessToken: 'a', ...nothingElse, refreshToken: 'r', lasts: 5_000 },
    },
    {
      name: 'in the other mixture',
      input: { accessToken: 'a', refresh_token: 'r', expires_in: 5 },
      issued: { accessToken: 'a', ...nothingElse, refreshToken: 'r', lasts: 5_000 },
    },
    {
      name: 'in the spelling of RFC 6749, where it has both',
      input: { access_token: 'a', accessToken: 'b', refresh_token: 'r' },
      issued: { accessToken: 'a', ...nothingElse, refreshToken: 'r' },
    },
    {
      name: 'with members of which nobody has heard',
      input: { access_token: 'a', user: { id: 1 } },
      issued: { accessToken: 'a', ...nothingElse },
    },
    {
      name: 'REQ-26: of a type in any case',
      input: { access_token: 'a', token_type: 'BEARER' },
      issued: { accessToken: 'a', ...nothingElse },
    },
    {
      name: 'F52: without a refresh token',
      input: { access_token: 'a', refresh_token: null },
      issued: { accessToken: 'a', ...nothingElse },
    },
    {
      name: 'F52: with an empty refresh token',
      input: { access_token: 'a', refresh_token: '' },
      issued: { accessToken: 'a', ...nothingElse },
    },
    { name: 'with an ID token that is none', input: { access_token: 'a', id_token: 'none' }, issued: { accessToken: 'a', ...nothingElse } },
    {
      name: 'of latchkey/oauth, which is sealed',
      input: seal({ claims: null }, { access_token: 'a' }),
      issued: { accessToken: 'a', ...nothingElse },
    },
    {
      name: 'REQ-93: of latchkey/oauth, with what it is bound to',
      input: seal({ claims: null }, { access_token: 'a', token_type: 'dpop', binding: 'thumb' }),
      issued: { accessToken: 'a', ...nothingElse, isBound: true, binding: 'thumb' },
    },
    {
      name: 'of latchkey/oauth, with when it was asked for',
      input: seal({ claims: null }, { access_token: 'a', sent: { wall: 5, mono: 1 } }),
      issued: { accessToken: 'a', ...nothingElse, sent: { wall: 5, mono: 1 } },
    },
    {
      name: 'with members of these names, which say nothing in an answer of a server',
      input: { access_token: 'a', binding: { of: 'a book' }, sent: { wall: 5, mono: 1 } },
      issued: { accessToken: 'a', ...nothingElse },
    },
  ])('$name', ({ input, issued }) => {
    expect(read(input)).toEqual(issued)
  })
})

const day = 86_400

describe('F50: how long it lasts', () => {
  const opaque = 'a1b2c3'
  test.each([
    { name: 'seconds', expires_in: 300, token: opaque, lasts: 300_000 },
    { name: 'REQ-33: seconds, as a text', expires_in: '300', token: opaque, lasts: 300_000 },
    { name: 'a part of a second', expires_in: 0.5, token: opaque, lasts: 500 },
    { name: 'nothing: it is of no use', expires_in: 0, token: opaque, lasts: 0 },
    { name: 'F18: a month', expires_in: 30 * day, token: opaque, lasts: 30 * day * 1000 },
    { name: 'F18: ten years', expires_in: 3650 * day, token: opaque, lasts: 3650 * day * 1000 },
    { name: 'absent: unknown', expires_in: undefined, token: opaque, lasts: null },
    { name: 'null: unknown', expires_in: null, token: opaque, lasts: null },
    { name: 'REQ-33: NaN: unknown', expires_in: Number.NaN, token: opaque, lasts: null },
    { name: 'a word: unknown', expires_in: 'abc', token: opaque, lasts: null },
    ...['1h', '15m', '7d', '3600 seconds', '1,800', '2026-11-23T18:00:00Z', '0x10', '1e3'].map((text) => ({
      name: `no number, ${text}: as the JWT says`,
      expires_in: text,
      token: jwt({ iat: 1_000, exp: 4_600 }),
      lasts: 3_600_000,
    })),
    { name: 'a number with a fraction, as a text', expires_in: ' 299.25 ', token: opaque, lasts: 299_250 },
    { name: 'an empty text: unknown', expires_in: '', token: opaque, lasts: null },
    { name: 'REQ-33: negative: unknown', expires_in: -5, token: opaque, lasts: null },
    { name: 'negative, as a text: unknown', expires_in: '-5', token: opaque, lasts: null },
    { name: 'beyond all bounds: unknown', expires_in: 1e308, token: opaque, lasts: null },
    { name: 'infinite: unknown', expires_in: Number.POSITIVE_INFINITY, token: opaque, lasts: null },
    { name: 'beyond all bounds, as a text: unknown', expires_in: '9'.repeat(400), token: opaque, lasts: null },
    { name: 'infinite, as a text: unknown', expires_in: 'Infinity', token: opaque, lasts: null },
    { name: 'absent: what the JWT says', expires_in: undefined, token: signed, lasts: 600_000 },
    { name: 'NaN: what the JWT says', expires_in: Number.NaN, token: signed, lasts: 600_000 },
    { name: 'negative: what the JWT says', expires_in: -5, token: signed, lasts: 600_000 },
    { name: 'beyond all bounds: what the JWT says', expires_in: 1e308, token: signed, lasts: 600_000 },
    { name: 'REQ-27: seconds, whatever the JWT says', expires_in: 300, token: signed, lasts: 300_000 },
    {
      name: 'a JWT without iat: unknown, for no clock is compared with the server’s',
      expires_in: null,
      token: jwt({ exp: 1_600 }),
      lasts: null,
    },
    { name: 'a JWT without exp: unknown', expires_in: null, token: jwt({ iat: 1_000 }), lasts: null },
    { name: 'a JWT with a word for iat: unknown', expires_in: null, token: jwt({ iat: '1000', exp: 1_600 }), lasts: null },
    { name: 'a JWT with a word for exp: unknown', expires_in: null, token: jwt({ iat: 1_000, exp: '1600' }), lasts: null },
    { name: 'a JWT that ends before it begins: unknown', expires_in: null, token: jwt({ iat: 1_600, exp: 1_000 }), lasts: null },
    { name: 'a JWT whose claims are words: unknown', expires_in: null, token: jwt({ iat: 'now', exp: 'soon' }), lasts: null },
    { name: 'a JWT that lasts beyond all bounds: unknown', expires_in: null, token: jwt({ iat: 1, exp: 1e308 }), lasts: null },
    { name: 'a JWT that says null: unknown', expires_in: null, token: jwt(null), lasts: null },
    { name: 'F51: an encrypted JWT: unknown', expires_in: null, token: encrypted, lasts: null },
    { name: 'F51: something with dots: unknown', expires_in: null, token: 'a.b.c', lasts: null },
  ])('$name', ({ expires_in, token, lasts }) => {
    expect(readTokens({ access_token: token, expires_in }).lasts).toBe(lasts)
    if (typeof expires_in !== 'string') expect(readTokens({ accessToken: token, expiresIn: expires_in }).lasts).toBe(lasts)
  })

  test('F21: says the same whatever the clock says: both ends of a JWT are moved together', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 33 }), fc.nat({ max: 10 * 365 * day }), (iat, life) => {
        expect(readTokens({ access_token: jwt({ iat, exp: iat + life }) }).lasts).toBe(life * 1000)
      }),
    )
  })

  test('is never NaN, infinite or negative', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.double(), fc.string(), fc.constantFrom(null, undefined)),
        fc.jsonValue(),
        fc.jsonValue(),
        (expires_in, iat, exp) => {
          const { lasts } = readTokens({ access_token: jwt({ iat, exp }), expires_in })
          expect(lasts === null || (Number.isFinite(lasts) && lasts >= 0)).toBe(true)
        },
      ),
    )
  })
})

const canary = 'c4n4ry'

describe('F64, REQ-41: a response that cannot be used is refused by the name of its field', () => {
  test.each([
    { name: 'nothing', input: undefined, field: 'not an object' },
    { name: 'null', input: null, field: 'not an object' },
    { name: 'a text', input: canary, field: 'not an object' },
    { name: 'an empty object', input: {}, field: '`access_token` is missing or malformed' },
    { name: 'a list', input: [canary], field: '`access_token`' },
    { name: 'an empty access token', input: { access_token: '', refresh_token: canary }, field: '`access_token`' },
    { name: 'an access token that is an object', input: { access_token: { value: canary } }, field: '`access_token`' },
    { name: 'an access token in two lines', input: { access_token: `${canary}\r\nX-Evil: 1` }, field: '`access_token`' },
    { name: 'an access token with a space', input: { access_token: `${canary} ${canary}` }, field: '`access_token`' },
    { name: 'an access token beyond ASCII', input: { access_token: `${canary}é` }, field: '`access_token`' },
    { name: 'an access token in camel case that is a number', input: { accessToken: 5 }, field: '`accessToken`' },
    { name: 'a refresh token that is a number', input: { access_token: canary, refresh_token: 5 }, field: '`refresh_token`' },
    {
      name: 'a refresh token in camel case that is a list',
      input: { accessToken: canary, refreshToken: [canary] },
      field: '`refreshToken`',
    },
    { name: 'REQ-26: a type that nobody understands', input: { access_token: canary, token_type: `mac-${canary}` }, field: '`token_type`' },
    {
      name: 'a type that begins like one',
      input: { access_token: canary, token_type: 'BearerX' },
      field: '`token_type` is neither Bearer nor DPoP',
    },
    { name: 'a type that ends like one', input: { access_token: canary, token_type: 'x-dpop' }, field: '`token_type` is neither' },
    { name: 'a type that is a number', input: { accessToken: canary, tokenType: 5 }, field: '`tokenType`' },
    { name: 'a lifetime that is an object', input: { access_token: canary, expires_in: { of: canary } }, field: '`expires_in`' },
    { name: 'a lifetime that is a truth', input: { accessToken: canary, expiresIn: true }, field: '`expiresIn`' },
    {
      name: 'a lifetime of the refresh token that is a list',
      input: { access_token: canary, refresh_expires_in: [canary] },
      field: '`refresh_expires_in`',
    },
    { name: 'a scope that is a list', input: { access_token: canary, scope: [canary] }, field: '`scope`' },
    { name: 'an ID token that is an object', input: { access_token: canary, id_token: { sub: canary } }, field: '`id_token`' },
    { name: 'the tokens of latchkey/oauth, with a mistake', input: seal({}, { access_token: canary, scope: 5 }), field: '`scope`' },
  ])('$name', ({ input, field }) => {
    const refusal = errorOf(() => readTokens(input))
    expect(refusal).toBeInstanceOf(TypeError)
    expect((refusal as Error).message).toContain(field)
    expect(inspect(refusal, { showHidden: true, depth: 9 })).not.toContain(canary)
  })

  test('and in no other way, whatever it is', () => {
    const anyToken = fc.record(
      { access_token: fc.anything(), expires_in: fc.anything(), refresh_token: fc.anything(), id_token: fc.anything() },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(fc.anything(), anyToken), (input) => {
        const refusal = errorOf(() => readTokens(input))
        expect(refusal === null || refusal instanceof TypeError).toBe(true)
        expect(String(refusal)).toMatch(/^null$|^TypeError: The token response /)
      }),
    )
  })
})

describe('M5: a refresh that cannot be used as it is loses no refresh token: the one before is spent', () => {
  const salvaged = (input: object) => readTokens({ refresh_token: 'next', ...input }, { salvage: true })

  test.each([
    { name: 'scope', odd: { scope: ['a', 'b'] } },
    { name: 'id_token', odd: { id_token: false } },
    { name: 'expires_in', odd: { expires_in: {} } },
    { name: 'refresh_expires_in', odd: { refresh_expires_in: true } },
  ])('a malformed $name says nothing', ({ odd }) => {
    const issued = salvaged({ access_token: 'a', ...odd })
    expect([issued.refreshToken, issued.accessToken].map((it) => reveal(it!))).toEqual(['next', 'a'])
    expect(issued).toMatchObject({ lasts: null, scope: null, subject: null, refreshLasts: null, flaw: undefined })
  })

  test.each([
    { name: 'a type that nobody understands', odd: { access_token: 'a', token_type: 'urn:x' }, access: 'a', field: '`token_type`' },
    { name: 'none', odd: {}, access: '', field: '`access_token`' },
    { name: 'two lines', odd: { access_token: 'a\nb' }, access: '', field: '`access_token`' },
  ])('an access token of no use has a life of nought: $name', ({ odd, access, field }) => {
    const issued = salvaged({ expires_in: 300, ...odd })
    expect([issued.refreshToken, issued.accessToken].map((it) => reveal(it!))).toEqual(['next', access])
    expect(issued.lasts).toBe(0)
    expect(issued.flaw?.message).toContain(field)
  })

  test.each([{}, { token_type: 'urn:x', access_token: 'a' }])('where there is none either, it is refused: %o', (input) => {
    expect(() => readTokens(input, { salvage: true })).toThrow(TypeError)
  })
})

test('F64: what is read prints no token', () => {
  const issued: Issued = readTokens({ access_token: canary, refresh_token: canary })
  expect(inspect(issued) + JSON.stringify(issued)).not.toContain(canary)
  expect(JSON.stringify(issued.accessToken)).toBe(JSON.stringify(secret('')))
})

function errorOf(task: () => unknown): unknown {
  try {
    task()
    return null
  } catch (error) {
    return error
  }
}

describe('REQ-43, REQ-44: how long a server lets the refresh token and the session last', () => {
  test.each([
    { name: 'nothing', says: {}, refresh: null, session: null },
    { name: 'refresh_expires_in', says: { refresh_expires_in: 900 }, refresh: 900_000, session: null },
    { name: 'refresh_token_expires_in', says: { refresh_token_expires_in: 900 }, refresh: 900_000, session: null },
    { name: 'refresh_token_timeout', says: { refresh_token_timeout: 900 }, refresh: 900_000, session: null },
    { name: 'nought, which means no end', says: { refresh_expires_in: 0, authorization_expires_in: 0 }, refresh: null, session: null },
    { name: 'authorization_expires_in', says: { authorization_expires_in: 3_600 }, refresh: null, session: 3_600_000 },
    { name: 'a session_expiry', says: { id_token: jwt({ iat: 1_000, session_expiry: 1_120 }) }, refresh: null, session: 120_000 },
    { name: 'a session_expiry that is over', says: { id_token: jwt({ iat: 1_000, session_expiry: 900 }) }, refresh: null, session: 0 },
    { name: 'one without iat: no clock is compared', says: { id_token: jwt({ session_expiry: 1_120 }) }, refresh: null, session: null },
    { name: 'one that is a word', says: { id_token: jwt({ iat: 1_000, session_expiry: 'soon' }) }, refresh: null, session: null },
  ])('$name', ({ says, refresh, session }) => {
    expect(read({ access_token: 'a', ...says })).toMatchObject({ refreshLasts: refresh, sessionLasts: session })
  })
})

describe('REQ-109: how long ago the user had signed in at the provider', () => {
  test.each([
    { name: 'a while', says: { iat: 1_000, auth_time: 400 }, age: 600_000 },
    { name: 'just now', says: { iat: 1_000, auth_time: 1_000 }, age: 0 },
    { name: 'not said', says: { iat: 1_000 }, age: null },
    { name: 'nought, which is no moment', says: { iat: 1_000, auth_time: 0 }, age: null },
    { name: 'without iat: no clock is compared', says: { auth_time: 400 }, age: null },
    { name: 'in the future', says: { iat: 1_000, auth_time: 1_001 }, age: null },
    { name: 'in milliseconds', says: { iat: 1_000, auth_time: 400_000 }, age: null },
    { name: 'a word', says: { iat: 1_000, auth_time: '400' }, age: null },
    { name: 'beyond all bounds', says: { iat: 1e308, auth_time: -1e308 }, age: null },
  ])('$name', ({ says, age }) => {
    expect(read({ access_token: 'a', id_token: jwt(says) })).toHaveProperty('authAge', age)
  })
})
