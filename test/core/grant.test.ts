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
      bounds: { signedInAt: epoch },
      grant: {
        refreshLife: { from: epoch, lasts: 900_000 },
        access: { '': { life: { from: epoch, lasts: 300_000 }, scope: 'x', generation: 1 } },
      },
    })
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
    const issued = { ...readTokens(given), authAge: 50_000, sent: at(0) }
    const { bounds, grant: kept } = arrival('t', 1, null, 'i', issued, at(30_000))
    expect(bounds).toEqual({ signedInAt: epoch + 30_000, lasts: 170_000, age: 80_000 })
    expect(kept.refreshLife).toEqual({ from: epoch, lasts: 201_000 })
    expect(kept.access['']?.life).toEqual({ from: epoch, lasts: 201_000 })
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
  ])('F26: a token whose life $name: the next refresh waits $wait ms', ({ lasts, before, wait }) => {
    const { retry: after } = brought({ access_token: 'b', expires_in: lasts }, active({ retry: before }))
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

  const idToken = (sub: string) => `e30.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.`

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
    const issued = readTokens({ access_token: 'b', id_token: idToken(sub) })
    const of = active({ subject, told })
    const { retry: _, grant: __, bounds, ...whose } = renewal(of, want, issued, at(500), now, () => 'new', { cookie: true })
    expect(whose).toEqual(is)
    expect(bounds).toEqual('session' in is ? { signedInAt: epoch + 500 } : undefined)
  })

  test('an ID token that came with tokens for a refresh token renames nobody', () => {
    expect(Object.keys(brought({ access_token: 'b', id_token: idToken('bob') }))).toEqual(['retry', 'grant'])
  })
})
