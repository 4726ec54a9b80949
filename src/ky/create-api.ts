import ky, { type Input, type KyInstance, type Options } from 'ky'
import type { Session } from '../session.ts'
import { bindCall, refuseWhatIsTheSessions } from './bind-call.ts'

/**
 * A ky instance on `session.fetch`, and so is all that `extend` and `create` make of it. ky's retries stay (408, 429, 5xx,
 * `Retry-After`); a 401 is the session's, and a `LatchkeyError` passes through: neither is tried again, whatever `retry`, `shouldRetry`
 * or a hook say. ky's `timeout` includes the wait for a token, so its default here is 30 s.
 * @throws TypeError without a session; and here or at once from a call, if `fetch` is among the options (give it to `createSession`), or 401 among the retried
 * codes. A call rejects with one, too, if a hook has answered a 401 with `ky.retry()`.
 * @example
 * ```ts
 * const api = createApi(session, { baseUrl: 'https://api.example.com/v1/' })
 * const me = await api('me').json<User>()
 * ```
 */
export function createApi(session: Pick<Session, 'fetch'>, options: Omit<Options, 'fetch'> = {}): KyInstance {
  if (typeof session?.fetch !== 'function') throw new TypeError('`createApi` must be given a session first: createApi(session, options).')
  refuseWhatIsTheSessions(options)
  return onSession(session, ky.create({ ...options, timeout: options.timeout ?? 30_000 }))
}

/** ky merges what `extend` and a call bring, and runs `init` hooks in order: ours comes to each call at last, so nothing can replace it. */
function onSession(session: Pick<Session, 'fetch'>, instance: KyInstance): KyInstance {
  const { create: _, extend, stop, retry, ...methods } = instance
  const last = { hooks: { init: [(options: Options) => bindCall(session.fetch, options)] } }
  const call = (input: Input, options: Options = {}) => extend(options).extend(last)(input)
  const others: Pick<KyInstance, 'create' | 'extend' | 'stop' | 'retry'> = {
    create: (options) => createApi(session, options),
    extend: (options) => onSession(session, extend(options)),
    stop: instance.stop,
    retry,
  }
  const byName = Object.keys(methods).map((method) => [method, (input: Input, options?: Options) => call(input, { ...options, method })])
  return Object.assign(call, others, Object.fromEntries(byName) as typeof methods)
}
