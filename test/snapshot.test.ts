import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { initialState } from '../src/core/state.ts'
import { loading, snapshotOf } from '../src/snapshot.ts'
import { access, active, ended, epoch, grant, retry, signedIn, signedOut } from './core/samples.ts'

const cause = new TypeError('Failed to fetch')
const shown = { status: 'signed-in', sessionId: 's', subject: 'ann', signedInAt: epoch, expiresAt: epoch + 300_000, trouble: null }
const unknownLife = active({ grant: { ...grant, access: { '': { ...access, life: null } } } })

describe('what an app shows', () => {
  test.each([
    { name: 'while the store is read', state: initialState(true), is: { status: 'loading' } },
    { name: 'of a session', state: signedIn(), is: shown },
    { name: 'F50: of a token whose end only the server knows', state: signedIn({}, unknownLife), is: { ...shown, expiresAt: null } },
    { name: 'of nobody', state: signedOut(), is: { status: 'signed-out', reason: null } },
    { name: 'of an end', state: signedOut({}, ended({ reason: 'rejected' })), is: { status: 'signed-out', reason: 'rejected' } },
    {
      name: 'of refreshes that fail',
      state: signedIn({}, active({ retry })),
      is: {
        ...shown,
        trouble: {
          since: epoch,
          retryAt: epoch + 60_000,
          error: expect.objectContaining({ code: 'refresh_unavailable', retryAt: epoch + 60_000, cause }),
        },
      },
    },
  ])('$name', ({ state, is }) => {
    expect(snapshotOf(state, loading, cause)).toEqual(is)
  })

  test('says nothing against the token that is there, which may be good', () => {
    const state = snapshotOf(signedIn({}, active({ retry })), loading, cause)
    const { message } = (state.status === 'signed-in' && state.trouble?.error) || new Error('There is no trouble.')
    expect(message).toMatch(/no new access token.*last refresh failed.*session stays.*later/)
    expect(message).not.toMatch(/usable/)
  })

  test('is the same object until something changes that it shows', () => {
    const first = snapshotOf(signedIn(), loading, undefined)
    expect(snapshotOf(signedIn({ refreshing: true }, active({ fence: 9 })), first, undefined)).toBe(first)
    expect(snapshotOf(signedIn({}, active({ subject: 'bob' })), first, undefined)).not.toBe(first)
  })

  test('cannot be changed, in any part', () => {
    const state = snapshotOf(signedIn({}, active({ retry })), loading, undefined)
    expect(Object.isFrozen(state)).toBe(true)
    expect(state.status === 'signed-in' && Object.isFrozen(state.trouble)).toBe(true)
  })

  test('REQ-01: holds no token', () => {
    expect(inspect(snapshotOf(signedIn(), loading, undefined), { depth: 9, showHidden: true })).not.toMatch(/(access|refresh)-5|secret/)
  })
})
