import fc from 'fast-check'
import { isLatchkeyError } from 'latchkey'
import { describe, expect, test, vi } from 'vitest'
import { challengesOf, refusalOf } from '../../src/fetch/challenge.ts'
import { waitOf } from '../../src/refresh/outcome.ts'
import { byHand, recorder, refusal } from '../fetch/by-hand.ts'
import { scene, settled } from '../simulated/scene.ts'
import { growth, linear } from './outputs.ts'

vi.setConfig({ testTimeout: 120_000 }) // hundreds of scenes, on machines of any speed

/** Headers hold bytes, and no line ends. */
const headerText = (units: readonly string[]) =>
  fc
    .oneof(fc.string(), fc.string({ unit: fc.constantFrom(...units), maxLength: 60 }))
    .filter((text) => [...text].every((sign) => sign >= ' ' && sign <= 'ÿ' && sign !== '\x7f'))

const challenge = headerText([
  'Bearer',
  'DPoP',
  'Basic',
  ' ',
  ',',
  '=',
  '"',
  '\\',
  'error',
  'invalid_token',
  'insufficient_user_authentication',
  'max_age',
  '9',
  'realm',
  '/',
  'é',
])

describe('REQ-31, F54: whatever an API says with its 401', () => {
  test('is read without an exception, and each character of eight kilobytes a fixed number of times', () => {
    fc.assert(
      fc.property(fc.oneof(challenge, fc.string({ unit: 'binary' })), (header) => {
        const refusal = refusalOf(header, 'https://api.example.com')
        if (typeof refusal === 'object' && refusal) expect(refusal.maxAge ?? 0).toBeGreaterThanOrEqual(0)
        else expect([null, 'invalid', 'unsaid']).toContain(refusal)
        for (const { scheme, params } of challengesOf(header)) expect(`${scheme}${[...params.keys()].join('')}`).toMatch(/^[^A-Z]*$/)
      }),
      { numRuns: 3_000 },
    )
  })

  test('the caller has an answer: this one, or that to one retry with another token', async () => {
    await fc.assert(
      fc.asyncProperty(challenge, async (header) => {
        const { fetch: underneath, calls } = recorder(() => refusal(header))
        const { fetch, refusals } = byHand({ underneath })
        const response = await fetch('https://api.example.com/')
        expect(response.status).toBe(401)
        expect(calls.length).toBe(1 + refusals.length)
        expect(refusals.length).toBeLessThanOrEqual(1)
      }),
      { numRuns: 500 },
    )
  })

  const parts = [
    'Bearer ',
    'a',
    'a=b,',
    'a="',
    'a="\\',
    '\\"',
    ' ',
    ',',
    'a= ',
    'a ',
    '"',
    'Bearer a=',
    'a=b ',
    'a  =  b',
    '=',
    'a===',
    'Negotiate a=',
    'DPoP error="insufficient_user_authentication", acr_values="a  b ", max_age=9',
  ]
  test.each(parts)('a megabyte of %j takes no longer than ten times a tenth; nor do the eight kilobytes that are read', (part) => {
    for (const start of ['', 'Bearer ', 'Bearer realm="']) {
      const header = (size: number) => start + part.repeat(Math.ceil(size / part.length))
      expect(
        growth((size) => {
          const text = header(size)
          return () => refusalOf(text, 'https://api.example.com')
        }),
      ).toBeLessThan(linear)
      // Within what is read, a hundred headers for each: a hundredth of the sizes.
      expect(
        growth((size) => {
          const text = header(size / 125)
          return () => {
            for (let time = 0; time < 20; time++) refusalOf(text, 'https://api.example.com')
          }
        }),
      ).toBeLessThan(linear)
    }
  })
})

const date = fc.date({ noInvalidDate: true }).map((moment) => moment.toUTCString())
const retryAfter = fc.oneof(
  fc.integer().map(String),
  fc.nat().map((count) => '9'.repeat(count % 500)),
  fc.constantFrom('1e9', '0x10', ' 5 ', '5.5', '-1', '٥', 'Infinity', 'NaN', '', 'tomorrow'),
  date,
  headerText(['0', '9', ' ', '-', ':', ',', 'GMT', 'Mon', '(', ')']),
)

describe('F31: whatever a server says with Retry-After and Date', () => {
  test('REQ-128: is a span, or nothing', () => {
    fc.assert(
      fc.property(fc.option(fc.oneof(retryAfter, fc.string())), fc.option(fc.oneof(date, retryAfter, fc.string())), (after, now) => {
        const wait = waitOf(after, now)
        expect(wait === null || wait >= 0).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })

  test('REQ-128: nobody waits more than ten minutes for it, nor for ever, and the session stays', async () => {
    await fc.assert(
      fc.asyncProperty(retryAfter, fc.option(fc.oneof(date, retryAfter)), fc.constantFrom(429, 503), async (after, now, status) => {
        const headers = { 'Retry-After': after, ...(now === null ? {} : { Date: now }) }
        const s = scene({ session: { refresh: async () => new Response('', { status, headers }) } })
        await settled(s, s.tabs[0].session.signIn(s.server.grant()))
        const { error, took } = await settled(s, s.tabs[0].session.refresh())
        expect(isLatchkeyError(error, 'refresh_unavailable')).toBe(true)
        expect(took).toBeLessThan(1_000)
        const { state } = s.tabs[0].session
        const trouble = state.status === 'signed-in' ? state.trouble : null
        expect(trouble?.retryAt).toBeGreaterThanOrEqual(trouble?.since ?? Infinity)
        expect(trouble?.retryAt).toBeLessThanOrEqual((trouble?.since ?? 0) + 602_000)
        s.world.close()
      }),
      { numRuns: 400 },
    )
  })

  const megabytes = ['9', ' ', '9 ', ' 9', '-', '(', '()', 'Mon, ', '1:', 'a', '\t']
  test.each(megabytes)('a megabyte of %j takes ten times as long as a tenth', (part) => {
    for (const [start, end] of [
      ['', ''],
      ['1', 'x'],
      [' ', '1'],
    ] as const) {
      expect(
        growth((size) => {
          const text = start + part.repeat(size / part.length) + end
          return () => [waitOf(text, 'Mon, 05 Jan 2026 00:00:00 GMT'), waitOf('Mon, 05 Jan 2026 00:00:00 GMT', text)]
        }),
      ).toBeLessThan(linear)
    }
  })
})
