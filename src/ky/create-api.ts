import ky, { type KyInstance, type Options, type RetryOptions } from 'ky'
import { isLatchkeyError } from '../errors.ts'
import type { Session } from '../session.ts'

/**
 * A ky instance on `session.fetch`. ky's retries stay (408, 429, 5xx, `Retry-After`); 401 is the session's, and a
 * `LatchkeyError` passes through unretried. ky's `timeout` includes the wait for a token, so its default here is 30 s.
 * @throws TypeError if `options.fetch` is given (give it to `createSession`), or 401 is among the retried codes.
 * @example
 * ```ts
 * const api = createApi(session, { baseUrl: 'https://api.example.com/v1/' })
 * const me = await api('me').json<User>()
 * ```
 */
export function createApi(session: Pick<Session, 'fetch'>, options: Omit<Options, 'fetch'> = {}): KyInstance {
  if ((options as Options).fetch) throw new TypeError('`fetch` is the session here. Give a fetch of your own to createSession.')
  const retry: RetryOptions = typeof options.retry === 'number' ? { limit: options.retry } : (options.retry ?? {})
  if (retry.statusCodes?.includes(401)) {
    throw new TypeError('`retry.statusCodes` must not hold 401: the session renews the token and tries again by itself, once.')
  }
  return ky.create({
    ...options,
    timeout: options.timeout ?? 30_000,
    fetch: session.fetch,
    retry: {
      ...retry,
      // What the session says has been decided for all tabs: asking again at once gives the same answer.
      shouldRetry: (state) => (isLatchkeyError(state.error) ? false : retry.shouldRetry?.(state)),
    },
  })
}
