import { oauthRefresh, refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/core/outcome.ts'
import { reveal } from '../../src/core/secret.ts'
import type { Refresher } from '../../src/ports.ts'
import { asking, outcome } from './asking.ts'
import { type Recorded, recorded } from './recorded-answers.ts'

const answer = ({ status, headers, body }: Pick<Recorded, 'status' | 'headers' | 'body'>) =>
  typeof body === 'string'
    ? new Response(new TextEncoder().encode(body), { status, headers: { ...headers } })
    : Response.json(body, { status, headers: { ...headers } })

const judge = (refresher: Refresher, row: Pick<Recorded, 'status' | 'headers' | 'body'>): Promise<Outcome> =>
  outcome(refresher, asking({ fetch: async () => answer(row) }))

const provider = { tokenEndpoint: 'https://login.example.com/token', clientId: 'spa' }
const backend = 'https://api.example.com/refresh'

/** Answers of whatever server that must end nothing. */
const passing = [
  { status: 503, headers: { 'Content-Type': 'text/html' }, body: '<html>' },
  { status: 429, body: { error: 'slow_down' } },
  { status: 200, body: { access_token: 'a', token_type: 'Bearer' } },
]

/** Of what shape it is: the four that a refresh must tell apart. By its name where the status does not say it. */
function shapeOf({ name, status, verdict, isRejected, withIsRejected }: Recorded): string | null {
  if (/^tokens/.test(name)) return 'tokens'
  if (/^too many/.test(name)) return 'rate limit'
  if (status >= 500) return 'outage'
  return verdict.type === 'rejected' || (isRejected && !withIsRejected) ? 'refusal' : null
}

const allFour = 'tokens, refusal, rate limit, outage'

describe('F29, F50, REQ-42: how other people’s servers answer a refresh', () => {
  test.each(recorded)('$server, $name: $verdict.type', async (row) => {
    const { verdict } = row
    const found = await judge(oauthRefresh(provider), row)
    expect(found.type).toBe(verdict.type)
    if (found.type === 'unavailable' && verdict.type === 'unavailable') {
      expect(found).toMatchObject({ answered: true, wait: verdict.wait ?? null }) // answered: the token is not presented at once again
    }
    if (found.type === 'granted' && verdict.type === 'granted') {
      const { lasts, refreshLasts, refreshToken } = found.issued
      expect({ lasts, refreshLasts, refreshToken: refreshToken && reveal(refreshToken) }).toEqual({
        lasts: verdict.lasts,
        refreshLasts: verdict.refreshLasts ?? null,
        refreshToken: verdict.refreshToken,
      })
    }
  })

  // What is not here, nobody was found to have told.
  test.each([
    ['Auth0', allFour],
    ['Okta', allFour],
    ['Microsoft Entra ID', allFour],
    ['Google', allFour],
    ['Keycloak', allFour],
    ['Firebase', allFour],
    ['Supabase', allFour],
    ['Amazon Cognito', 'tokens, refusal'],
    ['Amazon Cognito, its API', allFour],
  ])('recorded of %s: %s', (server, shapes) => {
    const found = new Set(recorded.filter((row) => row.server === server).map(shapeOf))
    expect(
      allFour
        .split(', ')
        .filter((shape) => found.has(shape))
        .join(', '),
    ).toBe(shapes)
  })

  test.each(recorded)('REQ-25: $server, $name, asked for one API', async (row) => {
    const { ofOneApi, verdict } = row
    const found = await outcome(oauthRefresh(provider), asking({ scope: 'mail', fetch: async () => answer(row) }))
    expect(found.type).toBe(ofOneApi ? 'unavailable' : verdict.type)
    if (ofOneApi) expect(found).toMatchObject({ denied: true, cause: { message: expect.stringContaining(`mail (${ofOneApi})`) } })
    else expect(found).not.toHaveProperty('denied', true)
  })

  test.each(recorded)('$server, $name, handed on by a backend of one’s own', async (row) => {
    expect((await judge(refreshEndpoint(backend), row)).type).toBe(row.ofOwnBackend ?? row.verdict.type)
  })

  test.each(recorded.flatMap(({ isRejected, ...row }) => (isRejected ? [{ ...row, isRejected }] : [])))(
    '$server, $name: as the app’s `isRejected` says',
    async ({ isRejected, withIsRejected = 'rejected', ...row }) => {
      for (const refresher of [oauthRefresh({ ...provider, isRejected }), refreshEndpoint(backend, { isRejected })]) {
        expect((await judge(refresher, row)).type).toBe(withIsRejected)
        for (const other of passing) expect((await judge(refresher, other)).type).not.toBe('rejected')
      }
    },
  )
})

test('an `isRejected` that fails has judged nothing, and the server has answered all the same', async () => {
  const isRejected = (_status: number, json: unknown) => (json as { error: { code: number } }).error.code === 400
  for (const refresher of [oauthRefresh({ ...provider, isRejected }), refreshEndpoint(backend, { isRejected })]) {
    const found = await judge(refresher, { status: 400, body: '' })
    expect(found).toMatchObject({
      type: 'unavailable',
      answered: true,
      wait: null,
      cause: { message: expect.stringContaining('mend `isRejected`') },
    })
  }
})

test.each([null, 'no', 400, {}])('an `isRejected` that is %o is refused by name', (isRejected) => {
  expect(() => oauthRefresh({ ...provider, isRejected: isRejected as never })).toThrow(new TypeError('`isRejected` must be a function.'))
})
