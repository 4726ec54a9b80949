import { describe, expect, test } from 'vitest'
import { arrival, renewal } from '../../src/core/grant.ts'
import { reveal, seal, secret } from '../../src/core/secret.ts'
import { ownToken } from '../../src/core/state.ts'
import { readTokens } from '../../src/core/tokens.ts'
import { access, active, at, epoch, grant, retry } from './samples.ts'

const now = at(1_000, 0)

describe('a session that begins', () => {
  test('counts its tokens’ lives from when they were asked for', () => {
    const issued = readTokens({ access_token: 'a', expires_in: 300, refresh_token: 'r', refresh_expires_in: 900, scope: 'x' })
    expect(arrival('t', 1, 'ann', 'https://login.test', issued, at(0))).toMatchObject({
      session: 't',
      generation: 1,
      subject: 'ann',
      issuer: 'https://login.test',
      status: 'active',
      bounds: { signedInAt: epoch },
      grant: {
        refreshLife: { from: epoch, lasts: 900_000 },
        access: { '': { life: { from: epoch, lasts: 300_000 }, scope: 'x', generation: 1 } },
      },
    })
  })

  test('F50: is bounded by nothing that the server has not said, and its tokens live for as long as they are taken', () => {
    const { bounds, grant: first } = arrival('t', 1, null, 'i', readTokens({ access_token: 'a', refresh_token: 'r' }), at(0))
    expect(bounds).toEqual({ signedInAt: epoch, lasts: null, age: 0 })
    expect([first.refreshLife, first.access['']?.life]).toEqual([null, null])
  })

  test('REQ-43: nothing outlasts what the server allows the session, but for a second', () => {
    const given = { access_token: 'a', expires_in: 300, refresh_token: 'r', authorization_expires_in: 200 }
    const { bounds, grant: first } = arrival('t', 1, null, 'i', readTokens(given), at(0))
    expect(bounds).toEqual({ signedInAt: epoch, lasts: 200_000, age: 0 })
    expect(first.refreshLife).toEqual({ from: epoch, lasts: 201_000 })
    expect(first.access['']?.life).toEqual({ from: epoch, lasts: 201_000 })
  })

  test('REQ-33, REQ-43, REQ-109: what an app has kept for a while is as old as it is, but the user is here now', () => {
    const given = { access_token: 'a', expires_in: 300, refresh_token: 'r', authorization_expires_in: 200 }
    const issued = { ...readTokens(given), authAge: 50_000, sent: at(10_000) }
    const { bounds, grant: kept } = arrival('t', 1, null, 'i', issued, at(40_000))
    expect(bounds).toEqual({ signedInAt: epoch + 40_000, lasts: 170_000, age: 80_000 })
    expect(kept.refreshLife).toEqual({ from: epoch + 10_000, lasts: 201_000 })
    expect(kept.access['']?.life).toEqual({ from: epoch + 10_000, lasts: 201_000 })
    expect(arrival('t', 1, null, 'i', issued, at(900_000)).bounds.lasts).toBe(0)
  })

  test.each([
    { name: 'the ID token’s, if the app says nothing', given: null, is: 'bob' },
    { name: 'what the app says', given: 'ann', is: 'ann' },
  ])('is of a subject: $name', ({ given, is }) => {
    const idToken = `e30.${Buffer.from('{"sub":"bob"}').toString('base64url')}.`
    expect(arrival('t', 1, given, 'i', readTokens({ access_token: 'a', id_token: idToken }), now).subject).toBe(is)
  })
})

test('REQ-141: an access token does not say whose a session is', () => {
  const jwt = `e30.${Buffer.from('{"sub":"bob","exp":2000,"iat":1000}').toString('base64url')}.`
  expect(arrival('t', 1, null, 'i', readTokens({ access_token: jwt }), now).subject).toBeNull()
})

test.each([
  { type: 'DPoP', binding: 'thumb' },
  { type: 'Bearer', binding: null },
])('REQ-92, REQ-93: bound are the refresh token and a token of type DPoP: $type', ({ type, binding }) => {
  const issued = readTokens(seal({}, { access_token: 'a', token_type: type, refresh_token: 'r', binding: 'thumb' }))
  const { grant: first } = arrival('t', 1, null, 'i', issued, now)
  expect([first.binding, first.access['']?.binding]).toEqual(['thumb', binding])
  const refreshed = readTokens({ access_token: 'b', token_type: type })
  const { grant: next } = renewal(active({ grant: first }), ownToken, refreshed, at(500), now, () => 'new', { cookie: false })
  expect([next.binding, next.access['']?.binding]).toEqual(['thumb', binding])
})

describe('what a refresh has brought', () => {
  const brought = (input: object, of = active(), want = ownToken, tokenless = false) =>
    renewal(of, want, readTokens(input, { tokenless }), at(500), now, () => 'new', { cookie: tokenless })
  const idToken = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`

  test('REQ-33: is of the next generation, lives from when it was asked for, and ends the row of failures', () => {
    const { retry: after, grant: next } = brought({ access_token: 'b', expires_in: 60 }, active({ retry }))
    expect(after).toBeNull()
    expect(next.access['']).toMatchObject({ generation: 6, life: { from: epoch + 500, lasts: 60_000 } })
    expect(reveal(next.access['']?.token ?? secret(''))).toBe('b')
  })

  test.each([
    { name: 'what is left of it', of: 100_000, says: {}, lasts: 100_500 },
    { name: 'what the server says now', of: 100_000, says: { authorization_expires_in: 30 }, lasts: 31_000 },
    { name: 'nothing, once it is over', of: 400, says: {}, lasts: 1_000 },
    { name: 'its own life, if that is less', of: 1_000_000, says: {}, lasts: 300_000 },
  ])('REQ-43: lasts no longer than its session: $name', ({ of, says, lasts }) => {
    const { grant: next } = brought({ access_token: 'b', expires_in: 300, ...says }, active({ bounds: { signedInAt: epoch, lasts: of } }))
    expect(next.access['']?.life).toEqual({ from: epoch + 500, lasts })
  })

  const expiry = { iat: 1_700_000_000, session_expiry: 1_700_000_030 }

  test.each([
    { name: 'nothing, where it says nothing', says: {}, bounds: undefined },
    { name: 'for how long', says: { authorization_expires_in: 30 }, bounds: { signedInAt: epoch, lasts: 30_500 } },
    {
      name: 'until when',
      says: { id_token: idToken(expiry) },
      bounds: { signedInAt: epoch, lasts: 30_500, expiry: expiry.session_expiry },
    },
    { name: 'nothing, where it repeats itself', known: expiry.session_expiry, says: { id_token: idToken(expiry) }, bounds: undefined },
    {
      name: 'for how long, whatever the clock said at the sign-in',
      signedInAt: epoch + 10_000,
      says: { authorization_expires_in: 30 },
      bounds: { signedInAt: epoch + 10_000, lasts: 30_000 },
    },
  ])('REQ-43, REQ-44: says anew of the session what the server does: $name', ({ signedInAt = epoch, known, says, bounds }) => {
    const of = active({ bounds: { signedInAt, lasts: 100_000, ...(known && { expiry: known }) } })
    expect(brought({ access_token: 'b', expires_in: 300, ...says }, of).bounds).toEqual(bounds)
  })

  test('REQ-43: what the server says of another user’s session is that session’s', () => {
    const issued = readTokens({ access_token: 'b', id_token: idToken({ sub: 'bob', ...expiry }) })
    const of = active({ told: 'ann', bounds: { signedInAt: epoch, lasts: 100_000 } })
    const { bounds } = renewal(of, ownToken, issued, at(500), now, () => 'new', { cookie: true })
    expect(bounds).toEqual({ signedInAt: epoch + 500, lasts: 30_000, expiry: expiry.session_expiry })
  })

  describe('M5, REQ-34: an access token that is of no use', () => {
    const flawed = (more: object = {}) => readTokens({ access_token: 'in\ntwo lines', refresh_token: 'r', ...more }, { salvage: true })

    test.each([
      { name: 'takes nothing from the one before, which may still be good', of: active(), cookie: false, more: {}, keys: [] },
      {
        name: 'is the one there is, where there was none',
        of: active({ grant: { ...grant, access: {} } }),
        cookie: false,
        more: {},
        keys: [''],
      },
      {
        name: 'does not leave the token of another user there',
        of: active({ told: 'ann' }),
        cookie: true,
        more: { id_token: idToken({ sub: 'bob' }) },
        keys: [''],
      },
    ])('$name', ({ of, cookie, more, keys }) => {
      const { grant: next } = renewal(of, ownToken, flawed(more), at(500), now, () => 'new', { cookie })
      expect(reveal(next.refreshToken ?? secret(''))).toBe('r')
      expect(Object.keys(next.access)).toEqual(keys)
    })
  })

  test('F60: is a token for what was asked for, and for nothing else', () => {
    expect(Object.keys(brought({ access_token: 'b' }, active(), { ...ownToken, resource: 'urn:files' }).grant.access)).toEqual([
      'urn:files ',
    ])
  })

  test.each([
    { name: 'the token that was to be replaced', input: { access_token: 'access-5', expires_in: 300 }, of: active(), isNone: true },
    { name: 'that token, with more of a life', input: { access_token: 'access-5', expires_in: 3_600 }, of: active(), isNone: true },
    { name: 'a token that has expired', input: { access_token: 'b', expires_in: 0 }, of: active(), isNone: true },
    { name: 'that token, which has lived on meanwhile', input: { access_token: 'access-5', expires_in: 200 }, of: active(), isNone: false },
    { name: 'another token', input: { access_token: 'b', expires_in: 300 }, of: active(), isNone: false },
    { name: 'another token, of unknown life', input: { access_token: 'b' }, of: active(), isNone: false },
    {
      name: 'the first for a resource',
      input: { access_token: 'access-5' },
      of: active({ grant: { ...grant, access: {} } }),
      isNone: false,
    },
    {
      name: 'the same, where nobody knows its life',
      input: { access_token: 'access-5' },
      of: active({ grant: { ...grant, access: { '': { ...access, life: null } } } }),
      isNone: true,
    },
  ])('F25: $name is no renewal, and asked for again only after a pause: $isNone', ({ input, of, isNone }) => {
    const { retry: after } = brought(input, of)
    expect(after && after.wait >= 10_000 && after.binding).toBe(isNone || null)
  })

  test.each([
    { name: 'was over on the way', lasts: 0.5, before: null, wait: 0 },
    { name: 'was over on the way again', lasts: 0.5, before: retry, wait: 2_000 },
    { name: 'is not quite over', lasts: 0.6, before: null, wait: null },
    { name: 'has no more left than is kept free for a request’s way', lasts: 0.5, sent: 550, before: null, wait: 0 },
  ])('F26: a token whose life $name: the next refresh waits $wait ms', ({ lasts, sent = 500, before, wait }) => {
    const issued = readTokens({ access_token: 'b', expires_in: lasts })
    const { retry: after } = renewal(active({ retry: before }), ownToken, issued, at(sent), now, () => 'new', { cookie: false })
    expect(after && [after.wait, after.binding]).toEqual(wait === null ? null : [wait, false])
  })

  test('F25: where the server keeps the tokens, the same answer again is a renewal', () => {
    const bare = brought({ expires_in: 300 }, active(), ownToken, true)
    expect(bare.retry).toBeNull()
    const again = brought({ expires_in: 300 }, active({ grant: bare.grant }), ownToken, true)
    expect(again).toMatchObject({
      retry: null,
      grant: { refreshToken: null, access: { '': { life: { from: epoch + 500, lasts: 300_000 } } } },
    })
  })

  test.each([
    { name: 'the same user', subject: 'ann', sub: 'ann', session: undefined },
    { name: 'nobody in particular', subject: 'ann', sub: undefined, session: undefined },
    { name: 'another user', subject: 'ann', sub: 'bob', session: 'new' },
    { name: 'a user where nobody was known', subject: null, sub: 'bob', session: 'new' },
  ])('F10: a cookie that is now of $name: session $session', ({ subject, sub, session }) => {
    const found = brought({ expires_in: 300, sub }, active({ subject }), ownToken, true)
    expect(found.session).toBe(session)
    expect(found).toEqual(
      session ? expect.objectContaining({ subject: sub, bounds: { signedInAt: epoch + 500 } }) : expect.not.objectContaining({ subject }),
    )
  })

  test.each([
    { name: 'the same user', subject: 'ann', told: 'ann', sub: 'ann', want: ownToken, is: { told: 'ann' } },
    { name: 'the same user, whom the app calls otherwise', subject: '42', told: 'ann', sub: 'ann', want: ownToken, is: { told: 'ann' } },
    { name: 'a user of whom only the app has spoken', subject: '42', told: null, sub: 'ann', want: ownToken, is: { told: 'ann' } },
    { name: 'another user', subject: 'ann', told: 'ann', sub: 'bob', want: ownToken, is: { told: 'bob', subject: 'bob', session: 'new' } },
    { name: 'a user where nobody was known', subject: null, told: null, sub: 'bob', want: ownToken, is: { told: 'bob', subject: 'bob' } },
    {
      name: 'another user, and was asked for one API',
      subject: 'ann',
      told: 'ann',
      sub: 'bob',
      want: { ...ownToken, resource: 'urn:files' },
      is: {},
    },
  ])('F10: a cookie that brings tokens, and is now of $name: $is', ({ subject, told, sub, want, is }) => {
    const issued = readTokens({ access_token: 'b', id_token: idToken({ sub }) })
    const of = active({ subject, told })
    const { retry: _, grant: __, bounds, ...whose } = renewal(of, want, issued, at(500), now, () => 'new', { cookie: true })
    expect(whose).toEqual(is)
    expect(bounds).toEqual('session' in is ? { signedInAt: epoch + 500 } : undefined)
  })

  test('an ID token that came with tokens for a refresh token renames nobody', () => {
    expect(Object.keys(brought({ access_token: 'b', id_token: idToken({ sub: 'bob' }) }))).toEqual(['retry', 'grant'])
  })
})
