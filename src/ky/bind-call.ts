import type { Options, RetryOptions } from 'ky'
import { isLatchkeyError } from '../errors.ts'
import type { Session } from '../session.ts'

/** Puts one call, with its options as they are at last, on the session: what the session has decided ends it. */
export function bindCall(fetch: Session['fetch'], options: Options): void {
  refuseWhatIsTheSessions(options)
  let over: unknown
  options.fetch = async (...request) => {
    if (over) throw over // a hook can have ky try again without asking `shouldRetry`
    try {
      const response = await fetch(...request)
      if (response.status === 401) over = new TypeError(noRetry)
      return response
    } catch (error) {
      // What the session says has been decided for all tabs: asking again at once gives the same answer.
      if (isLatchkeyError(error)) over = error
      throw error
    }
  }
  const retry = retryOf(options)
  options.retry = { ...retry, shouldRetry: (state) => (over ? false : retry.shouldRetry?.(state)) }
}

const noRetry =
  'A hook had ky try again after a 401. The session had done so, if another token could help, and stays as it is; nothing more was sent. Let a 401 pass in your hooks.'

/** @throws TypeError */
export function refuseWhatIsTheSessions(options: Options): void {
  if (options.fetch) throw new TypeError('`fetch` is the session here. Give a fetch of your own to createSession.')
  if (retryOf(options).statusCodes?.includes(401)) {
    throw new TypeError('`retry.statusCodes` must not hold 401: the session renews the token and tries again by itself, once.')
  }
}

const retryOf = ({ retry }: Options): RetryOptions => (typeof retry === 'number' ? { limit: retry } : (retry ?? {}))
