import { expect, test } from 'vitest'
import { readTokens } from '../../src/core/tokens.ts'
import { growth, linear } from './outputs.ts'

const thrower = () => {
  throw new Error('c4n4ry')
}

test.each([
  { name: 'a lifetime that is a symbol', input: { access_token: 'a', expires_in: Symbol('odd') }, field: 'expires_in' },
  {
    name: 'a lifetime that no text can be made of',
    input: { access_token: 'a', expires_in: Object.assign(() => 1, { toString: thrower }) },
    field: 'expires_in',
  },
])('F64, REQ-41: $name is refused by name', ({ input, field }) => {
  expect(() => readTokens(input)).toThrow(TypeError)
  expect(() => readTokens(input)).toThrow(field)
  expect(() => readTokens(input)).toThrow(/^(?!.*c4n4ry)/)
})

const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`

test.each([
  { name: 'an access token', make: (size: number) => ({ access_token: jwt({ sub: 'a'.repeat(size) }) }) },
  { name: 'an access token of signs', make: (size: number) => ({ access_token: `e30.${'-_'.repeat(size / 2)}.` }) },
  { name: 'an ID token', make: (size: number) => ({ access_token: 'a', id_token: jwt({ sub: 'é'.repeat(size / 2) }) }) },
])('a megabyte of $name stops the page for no half second', ({ make }) => {
  const found = growth((size) => {
    const input = make(size)
    return () => readTokens(input)
  })
  expect(found).toBeLessThan(linear)
})
