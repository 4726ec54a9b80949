import { inspect } from 'node:util'
import { isLatchkeyError, LatchkeyError } from 'latchkey'
import { describe, expect, test } from 'vitest'

describe('an error', () => {
  test('says what it is, in plain members', () => {
    const cause = new TypeError('Failed to fetch')
    const error = new LatchkeyError('refresh_unavailable', 'Later.', { cause, retryAt: 5 })
    expect(error).toBeInstanceOf(Error)
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: 'LatchkeyError',
      message: 'Later.',
      code: 'refresh_unavailable',
      retryable: true,
      reason: null,
      retryAt: 5,
      cause,
    })
    expect(inspect(error)).toContain('LatchkeyError: Later.')
  })

  test.each([
    { code: 'refresh_unavailable', retryable: true },
    { code: 'signed_out', retryable: false },
    { code: 'session_ended', retryable: false },
    { code: 'closed', retryable: false },
  ] as const)('$code can be tried again: $retryable', ({ code, retryable }) => {
    expect(new LatchkeyError(code, 'No.').retryable).toBe(retryable)
  })

  test('has no cause where there is none', () => {
    expect(new LatchkeyError('closed', 'No.')).not.toHaveProperty('cause')
  })

  test('is plain data in JSON', () => {
    const error = new LatchkeyError('session_ended', 'Over.', { reason: 'idle', cause: new Error('c4n4ry') })
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'LatchkeyError',
      code: 'session_ended',
      retryable: false,
      reason: 'idle',
      retryAt: null,
    })
  })
})

describe('isLatchkeyError', () => {
  const ours = new LatchkeyError('signed_out', 'No.')
  /** What another bundle makes, where every name has been made short. */
  class t extends Error {
    readonly code = 'signed_out'
    constructor() {
      super('No.')
      Object.defineProperty(this, Symbol.for('latchkey.error'), { value: true })
    }
  }

  test.each([
    { name: 'ours', error: ours, code: undefined, is: true },
    { name: 'ours, of this code', error: ours, code: 'signed_out', is: true },
    { name: 'ours, of another code', error: ours, code: 'closed', is: false },
    { name: 'that of another copy of the package', error: new t(), code: undefined, is: true },
    { name: 'that of another copy of the package, of this code', error: new t(), code: 'signed_out', is: true },
    {
      name: 'an error with our name',
      error: Object.assign(new Error('No.'), { name: 'LatchkeyError', code: 'signed_out' }),
      code: undefined,
      is: false,
    },
    { name: 'the network’s', error: new TypeError('Failed to fetch'), code: undefined, is: false },
    { name: 'nothing', error: undefined, code: undefined, is: false },
    { name: 'null', error: null, code: undefined, is: false },
    { name: 'a text', error: 'signed_out', code: 'signed_out', is: false },
  ] as const)('$name: $is', ({ error, code, is }) => {
    expect(isLatchkeyError(error, code)).toBe(is)
  })
})
