import { base, browserPorts, isServer, underneath } from './adapters/browser.ts'
import { deviceStore } from './adapters/device-store.ts'
import { inertSession } from './inert-session.ts'
import { resolveOptions, type SessionOptions } from './options.ts'
import type { Session } from './session.ts'
import { startSession } from './start-session.ts'

/**
 * Makes the session of this app: one per page and per `name`, at module level.
 *
 * Synchronous. Reads the stored session in the background; until then `state.status` is `loading` and requests to
 * listed destinations wait. Starts nothing on a server (no IndexedDB, no document, no `store` given): there the state
 * stays `loading` and listed requests reject with `signed_out`.
 *
 * Two sessions of one name (two tabs, two bundles, a hot reload that forgot `close`) share one record and one refresh.
 *
 * @throws TypeError if an option is missing or unusable; the message names it and prints no secret.
 * @example
 * ```ts
 * const session = createSession({
 *   attachTo: ['https://api.example.com'],
 *   refresh: refreshEndpoint('https://api.example.com/auth/refresh'),
 * })
 * ```
 */
export function createSession(options: SessionOptions): Session {
  if (!options) throw new TypeError('`options` is missing: createSession({ attachTo, refresh }).')
  if (!options.store && isServer()) return inertSession(options)
  const settings = resolveOptions(options, base())
  const { name, store, fetch } = settings
  const session: Session = startSession(
    settings,
    browserPorts(
      name,
      store ?? deviceStore(),
      underneath(() => session.fetch, fetch),
    ),
  )
  return session
}
