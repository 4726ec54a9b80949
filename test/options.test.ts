import { memoryStore, type SessionOptions } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { resolveOptions } from '../src/options.ts'

const page = 'https://app.example.com/'
const refresh = async () => ({ access_token: 'c4n4ry' })
const strategy = { id: 'https://login.test spa', refresh }
const resolve = (options: object, base: string | null = page) =>
  resolveOptions({ attachTo: ['/api'], refresh, ...options } as SessionOptions, base)

describe('an option that cannot be used is a TypeError that names it', () => {
  test.each([
    { option: 'attachTo', given: undefined },
    { option: 'attachTo', given: 'https://api.example.com' },
    { option: 'attachTo', given: { url: '/api' } },
    { option: 'attachTo', given: [5] },
    { option: 'attachTo', given: ['api.example.com'] },
    { option: 'attachTo', given: ['https://*.example.com'] },
    { option: 'attachTo', given: ['https://api.example.com/*'] },
    { option: 'refresh', given: undefined },
    { option: 'refresh', given: null },
    { option: 'refresh', given: 'https://api.example.com/refresh' },
    { option: 'refresh', given: {} },
    { option: 'refresh', given: { refresh } },
    { option: 'refresh', given: { id: 'x' } },
    { option: 'refresh', given: { id: '', refresh } },
    { option: 'name', given: '' },
    { option: 'name', given: 5 },
    { option: 'store', given: {} },
    { option: 'store', given: new Map() },
    { option: 'store', given: { read: async () => null } },
    { option: 'fetch', given: 'fetch' },
    { option: 'onStepUp', given: 'popup' },
    { option: 'onStepUp', given: { popup: true } },
    { option: 'keepFresh', given: 'never' },
    { option: 'keepFresh', given: true },
    { option: 'refreshTimeout', given: 999 },
    { option: 'refreshTimeout', given: 120_001 },
    { option: 'refreshTimeout', given: Number.NaN },
    { option: 'refreshTimeout', given: Number.POSITIVE_INFINITY },
    { option: 'refreshTimeout', given: '10000' },
    { option: 'refreshTimeout', given: null },
    { option: 'whenSignedOut', given: 'wait' },
    { option: 'whenSignedOut', given: false },
  ])('$option: $given', ({ option, given }) => {
    const make = () => resolve({ [option]: given })
    expect(make).toThrow(TypeError)
    expect(make).toThrow(new RegExp(`^\`${option}\` must `))
    expect(make).toThrow(/^(?!.*c4n4ry)/)
  })

  test.each([
    { part: 'presents', given: 'cookies' },
    { part: 'presents', given: null },
    ...['revoke', 'send', 'isSameUser', 'prepare', 'forget'].map((part) => ({ part, given: 'c4n4ry' })),
  ])('of a strategy, too: $part: $given', ({ part, given }) => {
    const make = () => resolve({ refresh: { ...strategy, [part]: given } })
    expect(make).toThrow(TypeError)
    expect(make).toThrow(new RegExp(`^\`refresh.${part}\` must `))
    expect(make).toThrow(/^(?!.*c4n4ry)/)
  })

  test('in a destination, too', () => {
    expect(() => resolve({ attachTo: [{ url: '/api', whenSignedOut: 'wait' }] })).toThrow(
      /^`whenSignedOut` must be one of: reject, send, hold/,
    )
  })
})

test('what is left out, or undefined, means its default', () => {
  const defaults = { name: 'https://app.example.com/api', store: null, fetch: null, keepFresh: 'while-visible', refreshTimeout: 10_000 }
  expect(resolve({})).toMatchObject(defaults)
  const left = ['name', 'store', 'fetch', 'keepFresh', 'refreshTimeout', 'whenSignedOut']
  expect(resolve(Object.fromEntries(left.map((option) => [option, undefined])))).toMatchObject(defaults)
})

test('what is given is kept', () => {
  const given = { name: 'work', store: memoryStore(), fetch: globalThis.fetch, keepFresh: 'always', refreshTimeout: 20_000 }
  expect(resolve(given)).toMatchObject(given)
})

test.each([1_000, 120_000])('a refresh may take %d ms', (refreshTimeout) => {
  expect(resolve({ refreshTimeout })).toMatchObject({ refreshTimeout })
})

describe('a session is called', () => {
  test.each([
    { name: 'as the app says', options: { name: 'work', refresh: strategy }, is: 'work' },
    { name: 'by its server', options: { refresh: strategy }, is: 'https://login.test spa' },
    {
      name: 'by its first destination, for a plain function',
      options: { attachTo: ['https://api.example.com/v1/', '/api'] },
      is: 'https://api.example.com/v1',
    },
    { name: 'by its first destination, of this page', options: {}, is: 'https://app.example.com/api' },
  ])('$name', ({ options, is }) => {
    expect(resolve(options).name).toBe(is)
  })
})

test('a plain function without a destination needs a name', () => {
  expect(() => resolve({ attachTo: [] })).toThrow(/`name` must be given/)
  expect(resolve({ attachTo: [], name: 'mine' }).name).toBe('mine')
})

test('a strategy stays whole, and a function becomes one', () => {
  expect(resolve({ refresh: strategy }).refresher).toBe(strategy)
  expect(resolve({}).refresher).toEqual({ refresh, id: 'https://app.example.com/api' })
})

test('a destination says for itself what happens when nobody is signed in', () => {
  const attachTo = ['/a', { url: '/b', whenSignedOut: 'reject' }]
  expect(resolve({ attachTo, whenSignedOut: 'send' }).targets.map(({ whenSignedOut }) => whenSignedOut)).toEqual(['send', 'reject'])
})
