import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AccessToken,
  type ActiveRecord,
  type EndedRecord,
  type Lifetime,
  parseRecord,
  recordVersion,
  serializeRecord,
} from '../../src/core/record.ts'
import { reveal, type Secret, secret } from '../../src/core/secret.ts'
import { keyOf } from '../../src/core/state.ts'
import { access, active, claim, ended, epoch, grant, policy, retry } from './samples.ts'

const { issuer } = policy
const parse = (text: string | null) => parseRecord(text, issuer)
const full = active({
  claim,
  retry,
  grant: {
    ...grant,
    refreshLife: { from: epoch, lasts: 1 },
    access: { '': access, 'https://files.test read': { ...access, scope: 'read' } },
  },
})

describe('a record', () => {
  test.each([
    { name: 'an active session, with everything', record: full },
    { name: 'an active session, with as little as possible', record: active({ subject: null, grant: { ...grant, refreshToken: null } }) },
    { name: 'a tombstone', record: ended() },
  ])('comes back from the store as it went: $name', ({ record }) => {
    const text = serializeRecord(record)
    const found = parse(text)
    expect(found).not.toBe('foreign')
    expect(serializeRecord(found as ActiveRecord)).toBe(text)
    expect(JSON.parse(JSON.stringify(found))).toEqual(JSON.parse(JSON.stringify(record)))
  })

  test('hides nothing from the store', () => {
    expect(JSON.parse(serializeRecord(active()))).toMatchObject({
      grant: { refreshToken: 'refresh-5', access: { '': { token: 'access-5' } } },
    })
  })

  test('has its tokens back as secrets', () => {
    const found = parse(serializeRecord(active())) as ActiveRecord
    expect(reveal(found.grant.refreshToken as Secret)).toBe('refresh-5')
    expect(String(found.grant.refreshToken)).toBe('[secret]')
  })

  test('keeps what is no token as it is, whatever it is called', () => {
    expect(parse(JSON.stringify({ ...JSON.parse(serializeRecord(active())), tokenizer: 'x' }))).toMatchObject({ tokenizer: 'x' })
  })

  test('carries members that a later minor version has added', () => {
    expect(parse(JSON.stringify({ ...JSON.parse(serializeRecord(active())), later: { a: 1 } }))).toMatchObject({
      session: 's',
      later: { a: 1 },
    })
  })

  const token = fc.string({ minLength: 1 }).map(secret)
  const moment = fc.integer({ min: 0, max: 2 ** 45 })
  const life: fc.Arbitrary<Lifetime | null> = fc.option(fc.record({ from: moment, lasts: fc.nat() }))
  const accessToken: fc.Arbitrary<AccessToken> = fc.record({ token, life, scope: fc.option(fc.string()), generation: fc.nat() })
  const others = fc.array(fc.tuple(fc.record({ resource: fc.webUrl(), scope: fc.string() }).map(keyOf), accessToken))
  const common = {
    version: fc.constant(recordVersion),
    session: fc.string(),
    generation: fc.nat(),
    fence: fc.nat(),
    subject: fc.option(fc.string({ unit: 'binary' })),
    bounds: fc.oneof(fc.record({ signedInAt: moment }), fc.record({ signedInAt: moment, lasts: fc.option(fc.nat()) })),
    issuer: fc.constant(issuer),
  }
  const anyActive: fc.Arbitrary<ActiveRecord> = fc.record({
    ...common,
    status: fc.constant('active'),
    claim: fc.option(fc.record({ owner: fc.string(), locked: fc.boolean(), lasts: fc.nat() })),
    retry: fc.option(fc.record({ attempt: fc.nat(), since: moment, at: moment, wait: fc.nat(), binding: fc.boolean() })),
    grant: fc.record({
      refreshToken: fc.option(token),
      refreshLife: life,
      access: fc.tuple(accessToken, others).map(([own, rest]) => ({ ...Object.fromEntries(rest), '': own })),
    }),
  })
  const anyEnded: fc.Arbitrary<EndedRecord> = fc.record({
    ...common,
    status: fc.constant('ended'),
    reason: fc.constantFrom('signed-out', 'rejected', 'user-changed'),
    endedAt: moment,
    answerLost: fc.boolean(),
  })

  test('comes back from the store as it went, whatever it holds', () => {
    fc.assert(
      fc.property(fc.oneof(anyActive, anyEnded), (record) => {
        const text = serializeRecord(record)
        expect(serializeRecord(parse(text) as ActiveRecord)).toBe(text)
      }),
    )
  })

  test('no text makes the reader throw', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => parse(text) === null || parse(text) === 'foreign'))
  })
})

const text = serializeRecord(active())
const without = (...names: string[]) => {
  const record = JSON.parse(text)
  const owner = names.slice(0, -1).reduce((part, name) => part[name], record)
  delete owner[names.at(-1) ?? '']
  return JSON.stringify(record)
}
const withMember = (name: string, value: unknown) => JSON.stringify({ ...JSON.parse(text), [name]: value })

test.each([
  { name: 'nothing', text: null },
  { name: 'an empty text', text: '' },
  { name: '{', text: '{' },
  { name: 'undefined', text: 'undefined' },
  { name: 'null', text: 'null' },
  { name: 'an empty list', text: '[]' },
  { name: 'a string', text: '"x"' },
  { name: 'a number', text: '5' },
  { name: 'the record of another library', text: '{"v":99}' },
  { name: 'a megabyte of noise', text: 'nöise '.repeat(170_000) },
  { name: 'a megabyte of brackets', text: '['.repeat(1_000_000) },
  { name: 'half a record', text: text.slice(0, text.length / 2) },
  { name: 'a record without a session', text: without('session') },
  { name: 'a record without a grant', text: without('grant') },
  { name: 'a record without an access token', text: without('grant', 'access', '') },
  { name: 'a record whose token is no text', text: text.replace('"access-5"', '5') },
  { name: 'a record whose token is an object', text: text.replace('"access-5"', '{"toJSON":1}') },
  { name: 'a record whose lifetime is no number', text: text.replace('300000', 'null') },
  { name: 'a record whose generation is a text', text: withMember('generation', '5') },
  { name: 'a record whose generation cannot be counted on', text: withMember('generation', 2 ** 53) },
  { name: 'a record whose fence lies between two', text: withMember('fence', 1.5) },
  { name: 'a record without a version', text: without('version') },
  { name: 'a record that is neither active nor ended', text: withMember('status', 'paused') },
  { name: 'an ended record that names itself something else', text: JSON.stringify({ ...ended(), status: 'over' }) },
  { name: 'a record one of whose tokens is none', text: text.replace('"access":{', '"access":{"https://files.test ":{},') },
  { name: 'a tombstone without a reason', text: JSON.stringify({ ...ended(), reason: undefined }) },
])('F43: $name is no record', ({ text: found }) => {
  expect(parse(found)).toBeNull()
})

test.each([
  { name: 'of a later version', text: withMember('version', 2) },
  { name: 'of a later version, with nothing else that we know', text: '{"version":99}' },
  { name: 'for another refresher', text: withMember('issuer', 'https://elsewhere.test') },
])('F44, REQ-58: a record $name is foreign', ({ text: found }) => {
  expect(parse(found)).toBe('foreign')
})

describe('F64: a secret prints nothing', () => {
  const sealed = secret('the-token')
  test.each([
    { how: 'String', print: String },
    { how: 'a template', print: (it: unknown) => `${it}` },
    { how: 'concatenation', print: (it: unknown) => `x${[it]}` },
    { how: 'JSON.stringify', print: (it: unknown) => JSON.stringify({ it }) },
    { how: 'JSON.stringify with a replacer', print: (it: unknown) => JSON.stringify(it, (_, value) => value) },
    { how: 'inspect', print: (it: unknown) => inspect(it, { showHidden: true, depth: 9, getters: true }) },
    { how: 'its own members', print: (it: unknown) => Reflect.ownKeys(it as object).map((key) => String(Reflect.get(it as object, key))) },
    { how: 'entries', print: (it: unknown) => Object.entries(it as object).join() },
    { how: 'a number', print: (it: unknown) => String(Number(it)) },
    { how: 'an error', print: (it: unknown) => new Error(String(it)).stack },
  ])('$how', ({ print }) => {
    expect(inspect(print(sealed))).not.toContain('the-token')
  })

  test('nor does a record that holds it', () => {
    for (const text of [inspect(active()), JSON.stringify(active())]) expect(text).not.toMatch(/(access|refresh)-5/)
  })

  test('and nobody can change what it says', () => {
    expect(Object.isFrozen(sealed)).toBe(true)
    expect(reveal(sealed)).toBe('the-token')
  })

  test('nor clone it', () => {
    expect(() => structuredClone(sealed)).toThrow()
  })
})
