import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/core/outcome.ts'
import { reveal } from '../../src/core/secret.ts'
import { LatchkeyError } from '../../src/errors.ts'
import { isRefusal, isRefusedGrant, outcomeOf, outcomeOfError, type Refusal, tokensIn, waitOf } from '../../src/refresh/outcome.ts'

const json = (value: unknown, status: number) => Response.json(value, { status })
const html = (status: number) =>
  new Response('<!doctype html><title>Just a moment</title>', { status, headers: { 'Content-Type': 'text/html' } })
const unlabelled = (body: string, status: number) => new Response(new TextEncoder().encode(body), { status })

const judge = (response: Response, isRejected: Refusal): Promise<Outcome> => tokensIn(response, isRejected).then(outcomeOf, outcomeOfError)

interface Row {
  readonly name: string
  readonly answer: () => Response
  readonly homeMade: Outcome['type']
  readonly oauth: Outcome['type']
}

const kept = { homeMade: 'unavailable', oauth: 'unavailable' } as const
const over = { homeMade: 'rejected', oauth: 'rejected' } as const
const granted = { homeMade: 'granted', oauth: 'granted' } as const
const asItIsMeant = { homeMade: 'rejected', oauth: 'unavailable' } as const

const rows: readonly Row[] = [
  { name: '408', answer: () => json({}, 408), ...kept },
  { name: '425', answer: () => json({}, 425), ...kept },
  { name: '429', answer: () => json({ error: 'slow_down' }, 429), ...kept },
  { name: '500', answer: () => json({}, 500), ...kept },
  { name: '502', answer: () => html(502), ...kept },
  { name: '503', answer: () => json({ error: 'invalid_grant' }, 503), ...kept },
  { name: '504', answer: () => html(504), ...kept },
  { name: '200 with a web page', answer: () => html(200), ...kept },
  { name: '200 with nothing', answer: () => new Response(''), ...kept },
  { name: '403 with a web page', answer: () => html(403), ...kept },
  { name: '400 that is no JSON', answer: () => unlabelled('invalid_grant', 400), ...kept },
  { name: '400 temporarily_unavailable', answer: () => json({ error: 'temporarily_unavailable' }, 400), ...kept },
  { name: '401 with a web page', answer: () => html(401), ...kept },
  { name: '401 with a web page that does not say that it is one', answer: () => unlabelled('\n <html>invalid_grant', 401), ...kept },
  { name: '400 invalid_client', answer: () => json({ error: 'invalid_client' }, 400), ...kept },
  { name: '403 that is JSON', answer: () => json({ error: 'forbidden' }, 403), ...kept },
  { name: '404', answer: () => json({}, 404), ...kept },
  { name: '400 null', answer: () => json(null, 400), ...kept },
  { name: 'REQ-41: 200 {}', answer: () => json({}, 200), ...kept },
  { name: 'REQ-41: 200 with a list', answer: () => json(['a'], 200), ...kept },
  { name: 'REQ-41: 200 null', answer: () => json(null, 200), ...kept },
  { name: 'REQ-41: 200 with a token of an unknown type', answer: () => json({ access_token: 'a', token_type: 'mac' }, 200), ...kept },
  {
    name: 'REQ-41: 200 with tokens and more than 64 KiB',
    answer: () => json({ access_token: 'a', noise: 'x'.repeat(65_536) }, 200),
    ...kept,
  },
  { name: '302 that was not followed', answer: () => new Response(null, { status: 302 }), ...kept },
  { name: '400 invalid_grant', answer: () => json({ error: 'invalid_grant' }, 400), ...over },
  { name: '401 invalid_grant', answer: () => json({ error: 'invalid_grant', error_description: 'reused' }, 401), ...over },
  { name: '400 invalid_grant, labelled as text', answer: () => unlabelled('{"error":"invalid_grant"}', 400), ...over },
  { name: '400 interaction_required', answer: () => json({ error: 'interaction_required' }, 400), ...over },
  { name: '400 login_required', answer: () => json({ error: 'login_required' }, 400), ...over },
  { name: '400 consent_required', answer: () => json({ error: 'consent_required' }, 400), ...kept },
  { name: '200 invalid_grant', answer: () => json({ error: 'invalid_grant' }, 200), ...kept },
  { name: '401 of a home-made backend', answer: () => json({ message: 'Unauthorized' }, 401), ...asItIsMeant },
  { name: '401 with nothing', answer: () => new Response(null, { status: 401 }), ...asItIsMeant },
  { name: '401 in plain words', answer: () => unlabelled('session expired', 401), ...asItIsMeant },
  { name: '200 with tokens', answer: () => json({ access_token: 'a' }, 200), ...granted },
  { name: '201 with tokens', answer: () => json({ accessToken: 'a' }, 201), ...granted },
  { name: '200 with tokens, labelled as text', answer: () => unlabelled('{"access_token":"a"}', 200), ...granted },
]

describe('F29, REQ-42: an answer of the token endpoint', () => {
  test.each(rows)('$name: $homeMade at a home-made backend', async ({ answer, homeMade }) => {
    expect(await judge(answer(), isRefusal)).toHaveProperty('type', homeMade)
    expect(await outcomeOf(answer())).toHaveProperty('type', homeMade) // a function may return the Response as it is
  })

  test.each(rows)('$name: $oauth at an OAuth token endpoint', async ({ answer, oauth }) => {
    expect(await judge(answer(), isRefusedGrant)).toHaveProperty('type', oauth)
  })

  test.each(rows)('$name: as the app’s own judgment says', async ({ answer }) => {
    expect(await judge(answer(), () => true)).toHaveProperty('type', 'rejected')
    expect(await judge(answer(), () => false)).not.toHaveProperty('type', 'rejected')
  })
})

describe('F29: no answer keeps the session', () => {
  test.each([
    { name: 'the network', error: new TypeError('Failed to fetch') },
    { name: 'a time-out', error: new DOMException('The operation timed out.', 'TimeoutError') },
    { name: 'an abort', error: new DOMException('The operation was aborted.', 'AbortError') },
  ])('$name, and nobody knows whether the token was spent', ({ error }) => {
    expect(outcomeOfError(error)).toEqual({ type: 'unavailable', answered: false, wait: null, cause: error, denied: false })
  })

  test.each([
    { name: 'an error of the app’s own', error: new Error('The backend gave neither data nor a reason.') },
    { name: 'something else thrown', error: 'no' },
    { name: 'nothing thrown', error: undefined },
    { name: 'another of our errors', error: new LatchkeyError('sign_in_failed', 'No.') },
  ])('$name, and the token was not spent', ({ error }) => {
    expect(outcomeOfError(error)).toEqual({ type: 'unavailable', answered: true, wait: null, cause: error, denied: false })
  })

  test('REQ-25: what a function calls unavailable is about what it was asked for, and about nothing else', () => {
    const error = new LatchkeyError('refresh_unavailable', 'There is no such API.')
    expect(outcomeOfError(error)).toEqual({ type: 'unavailable', answered: true, wait: null, cause: error, denied: true })
  })

  test('a function that says refresh_rejected ends it, from whatever copy of the library', () => {
    const error = new LatchkeyError('refresh_rejected', 'The backend does not know this device any more.')
    const ofAnotherCopy = Object.assign(new Error('no'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })
    expect(outcomeOfError(error)).toEqual({ type: 'rejected', cause: error })
    expect(outcomeOfError(ofAnotherCopy)).toEqual({ type: 'rejected', cause: ofAnotherCopy })
  })
})

describe('what a refresh function returns is understood', () => {
  test.each([
    { name: 'tokens as they come over the wire', returned: { access_token: 'a', expires_in: 5 } },
    { name: 'tokens in camel case', returned: { accessToken: 'a', expiresIn: 5 } },
    { name: 'a Response', returned: Response.json({ access_token: 'a', expires_in: 5 }) },
  ])('$name', async ({ returned }) => {
    const found = await outcomeOf(returned)
    expect(found).toMatchObject({ type: 'granted', issued: { lasts: 5_000 } })
    if (found.type === 'granted') expect(reveal(found.issued.accessToken)).toBe('a')
  })

  test.each([{ returned: undefined }, { returned: null }, { returned: 'token' }, { returned: {} }, { returned: { access_token: 5 } }])(
    '$returned is an answer without tokens',
    async ({ returned }) => {
      expect(await outcomeOf(returned)).toMatchObject({ type: 'unavailable', answered: true, wait: null })
    },
  )

  test('a Response that is thrown is judged as one that is returned, for now', () => {
    const thrown = new Response('', { status: 429, headers: { 'Retry-After': '120' } })
    expect(outcomeOfError(thrown)).toMatchObject({ type: 'unavailable', answered: true, wait: 120_000 })
  })

  test('F64: an error carries neither the response nor what was in it', async () => {
    const found = await judge(json({ error: 'x', access_token: 'c4n4ry' }, 500), isRefusal)
    expect(found).toMatchObject({ cause: new Error('The server gave no tokens (status 500).') })
    expect(inspect(found, { depth: 9, showHidden: true })).not.toContain('c4n4ry')
    expect(inspect(await judge(json({ error: 'invalid_grant', hint: 'c4n4ry' }, 400), isRefusal), { depth: 9 })).not.toContain('c4n4ry')
  })
})

describe('F31: Retry-After', () => {
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  test.each([
    { name: 'absent', retryAfter: null, date, wait: null },
    { name: 'empty', retryAfter: '', date, wait: null },
    { name: 'in seconds', retryAfter: '120', date: null, wait: 120_000 },
    { name: 'in seconds, with spaces', retryAfter: ' 120 ', date: null, wait: 120_000 },
    { name: 'nothing', retryAfter: '0', date: null, wait: 0 },
    { name: 'a date, measured on the server’s own clock', retryAfter: 'Sun, 06 Nov 1994 08:51:37 GMT', date, wait: 120_000 },
    { name: 'F21: a date, where the server does not tell its own', retryAfter: 'Sun, 06 Nov 1994 08:51:37 GMT', date: null, wait: null },
    { name: 'a date that is past', retryAfter: 'Sun, 06 Nov 1994 08:48:37 GMT', date, wait: null },
    { name: 'a word', retryAfter: 'soon', date, wait: null },
    { name: 'a number with a unit', retryAfter: '120s', date, wait: null },
    { name: 'negative', retryAfter: '-5', date: 'Sun, 22 Nov 2026 00:00:00 GMT', wait: null },
    { name: 'a part of a second', retryAfter: '1.5', date: 'Sun, 22 Nov 2026 00:00:00 GMT', wait: null },
  ])('$name', ({ retryAfter, date, wait }) => {
    expect(waitOf(retryAfter, date)).toBe(wait)
  })

  test('is a wait or nothing, whatever it says', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string()), (retryAfter, date) => {
        const wait = waitOf(retryAfter, date)
        expect(wait === null || wait >= 0).toBe(true)
      }),
    )
  })

  test.each([429, 503])('is heard with a %d', async (status) => {
    const answer = new Response('', { status, headers: { 'Retry-After': '7' } })
    expect(await judge(answer, isRefusal)).toMatchObject({ answered: true, wait: 7_000 })
  })
})
