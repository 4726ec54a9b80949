import fc from 'fast-check'
import type { TokenResponse } from 'latchkey'
import { describe, expect, test, vi } from 'vitest'
import { type Issued, readTokens } from '../../src/core/tokens.ts'
import { minutes, scene, settled } from '../simulated/scene.ts'
import { expectDocumented, fragmentIn, growth, linear, shownBy } from './outputs.ts'
import { anyJson, anyValue, marked } from './values.ts'

vi.setConfig({ testTimeout: 120_000 }) // hundreds of scenes, on machines of any speed

const fields = ['access_token', 'token_type', 'expires_in', 'refresh_token', 'refresh_expires_in', 'scope', 'id_token']
const camel = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())

/** A token response, of which any part may be anything. */
const response = (part: fc.Arbitrary<unknown>, secret: string): fc.Arbitrary<object> => {
  const text = fc.constantFrom(secret, `${secret}\n`, ` ${secret}`, `${secret}é`, `${secret}.${secret}.${secret}`, [secret], { of: secret })
  return fc
    .tuple(
      fc.boolean(),
      fc.record(Object.fromEntries(fields.map((name) => [name, fc.oneof(text, part)])), { requiredKeys: [] }),
      fc.dictionary(fc.constantFrom('__proto__', 'constructor', 'toJSON', 'then', 'more'), part, { maxKeys: 2 }),
      fc.boolean(),
    )
    .map(([isCamel, found, more, isGood]) => {
      const all = Object.entries({ ...more, ...found, ...(isGood ? { access_token: secret, token_type: 'Bearer' } : {}) })
      return Object.fromEntries(all.map(([name, value]) => [isCamel ? camel(name) : name, value]))
    })
}

const asked = marked.chain((secret) => fc.record({ secret: fc.constant(secret), input: response(anyJson, secret) }))
/** `Symbol()` and objects that cannot be made a text: test/input/odd-token-responses.test.ts. */
const asText = (value: unknown) => {
  try {
    return typeof value !== 'symbol' && Number.parseFloat(value as string) !== undefined
  } catch {
    return false
  }
}
const askedOddly = marked.chain((secret) =>
  fc.record({ secret: fc.constant(secret), input: fc.oneof(response(anyValue.filter(asText), secret), anyValue) }),
)

function read(input: unknown): Issued | { readonly error: unknown } {
  try {
    return readTokens(input)
  } catch (error) {
    return { error }
  }
}

describe('F50, F64, REQ-41: whatever is in a token response', () => {
  test.each([
    { name: 'as JSON', input: asked },
    { name: 'as a program may have it', input: askedOddly },
  ])('$name: it is read, or refused by the name of a field, and shows nothing of it', ({ input }) => {
    fc.assert(
      fc.property(input, ({ secret, input }) => {
        const found = read(input)
        if ('error' in found) expectDocumented(found.error)
        else {
          for (const span of [found.lasts, found.refreshLasts]) expect(span === null || (Number.isFinite(span) && span >= 0)).toBe(true)
          expect([null, 'string']).toContain(found.subject && typeof found.subject)
        }
        expect(fragmentIn([{ ...found, scope: null }], secret)).toBeNull()
      }),
      { numRuns: 3_000 },
    )
  })

  test('nothing of it gets into the prototypes of anything', () => {
    fc.assert(
      fc.property(asked, ({ input }) => {
        read(
          JSON.parse(
            JSON.stringify({ ...input, constructor: { prototype: { polluted: 1 } } }).replace('{', '{"__proto__":{"polluted":1},'),
          ),
        )
        expect((Object.prototype as { polluted?: unknown }).polluted).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })
})

describe('F64, REQ-29: a sign-in with whatever a login answered', () => {
  test('is one, or is refused by the name of a field; nothing of the tokens is seen, and a good sign-in is good all the same', async () => {
    await fc.assert(
      fc.asyncProperty(asked, async ({ secret, input }) => {
        const seen: unknown[] = []
        const s = scene({}, { see: (_, value) => void seen.push(value) })
        const { error } = await settled(s, s.tabs[0].session.signIn(input as TokenResponse))
        if (error) expectDocumented(error)
        expect(s.tabs[0].session.state.status).toBe(error ? 'signed-out' : 'signed-in')
        await s.advance(minutes(2))
        expect(fragmentIn([...seen, error, s.browser.messages, s.server.urls, ...shownBy(s.tabs[0].session)], secret)).toBeNull()
        expect((await settled(s, s.tabs[0].session.signIn(s.server.grant()))).error).toBeNull()
        expect((await settled(s, s.tabs[0].session.getToken())).code).toBeNull()
        s.world.close()
      }),
      { numRuns: 300 },
    )
  })
})

describe('F29, F64, REQ-41, REQ-42: a refresh with whatever a server or a refresh function gives', () => {
  const body = (secret: string) =>
    fc.oneof(
      response(anyJson, secret).map((value) => JSON.stringify(value)),
      fc.string(),
      fc.constant(secret),
    )
  const status = fc.constantFrom(200, 201, 204, 301, 400, 401, 403, 404, 408, 425, 429, 500, 503)
  const type = fc.constantFrom('application/json', 'text/html', 'text/plain', '')
  const given = marked.chain((secret) =>
    fc.record({
      secret: fc.constant(secret),
      give: fc.oneof(
        response(anyJson, secret).map((value) => async () => value),
        anyValue.map((value) => async () => value),
        fc.tuple(body(secret), status, type).map(([text, code, kind]) => async () => {
          return new Response([204, 301].includes(code) ? null : text, { status: code, headers: { 'Content-Type': kind } })
        }),
        anyValue.filter((value) => typeof value !== 'object' || value instanceof Error).map((value) => () => Promise.reject(value)),
      ),
    }),
  )

  test('everybody who waits has an answer in time, the session stays unless it was refused, and nothing of the answer is seen', async () => {
    await fc.assert(
      fc.asyncProperty(given, async ({ secret, give }) => {
        const seen: unknown[] = []
        const refresh = { id: 'any', refresh: give as () => Promise<TokenResponse> }
        const s = scene({ tabs: 2, session: { refresh } }, { see: (_, value) => void seen.push(value) })
        const [here, there] = s.tabs
        await settled(s, here.session.signIn(s.server.grant()))
        const results = [
          await settled(s, here.session.refresh(), 15_000),
          await settled(s, there.session.getToken(), 15_000),
          await settled(s, there.session.refresh(), 15_000),
        ]
        for (const { error } of results) if (error) expectDocumented(error)
        const { state } = here.session
        expect(there.session.state.status).toBe(state.status)
        if (state.status === 'signed-out') expect(state.reason).toBe('rejected')
        expect(fragmentIn([...seen, results.map(({ error }) => error), s.browser.messages, state], secret)).toBeNull()
        s.world.close()
      }),
      { numRuns: 400 },
    )
  })
})

describe('a megabyte of it takes ten times as long as a tenth', () => {
  // A JWT, which does not: test/input/odd-token-responses.test.ts.
  const jwt = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`
  test.each([
    { name: 'a token', make: (size: number) => ({ access_token: 'a'.repeat(size) }) },
    { name: 'a token that is refused', make: (size: number) => ({ access_token: `${'a'.repeat(size)} ` }) },
    { name: 'a token of dots', make: (size: number) => ({ access_token: '.'.repeat(size) }) },
    { name: 'a JWT of many claims', make: (size: number) => ({ access_token: jwt(Array(size / 10).fill('a')) }) },
    { name: 'a lifetime', make: (size: number) => ({ access_token: 'a', expires_in: '1'.repeat(size) }) },
    { name: 'a lifetime of blanks', make: (size: number) => ({ access_token: 'a', expires_in: ' '.repeat(size) }) },
    { name: 'a type', make: (size: number) => ({ access_token: 'a', token_type: 'bearer'.repeat(size / 6) }) },
    { name: 'many members', make: (size: number) => Object.fromEntries(Array.from({ length: size / 20 }, (_, index) => [`m${index}`, 1])) },
  ])('$name', ({ make }) => {
    expect(
      growth((size) => {
        const input = make(size)
        return () => read(input)
      }),
    ).toBeLessThan(linear)
  })
})
