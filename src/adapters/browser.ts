import type { Ports, Store } from '../ports.ts'
import { broadcastPeers } from './broadcast-peers.ts'
import { browserClock } from './clock.ts'
import { browserPage } from './page-signals.ts'
import { browserRandom } from './random.ts'
import { webLock } from './web-lock.ts'

/** The browser, port by port. */
export const browserPorts = (name: string, store: Store, fetch: typeof globalThis.fetch): Ports => ({
  clock: browserClock,
  store,
  lock: webLock(`latchkey:${name}`),
  peers: broadcastPeers(`latchkey:${name}`),
  page: browserPage,
  random: browserRandom,
  fetch,
  report,
  base,
})

/**
 * What the app has given, or the page's own fetch, looked up at each call. An app may put `session.fetch` in its place: then it is the one from before (F56).
 * Called on its own: the page's own throws where it is called as a member of what it is handed on in.
 */
export function underneath(ours: () => typeof globalThis.fetch, given: typeof globalThis.fetch | null): typeof globalThis.fetch {
  const before = globalThis.fetch
  return (input, init) => (given ?? (globalThis.fetch === ours() ? before : globalThis.fetch))(input, init)
}

/** A server that renders pages has neither: there a session starts nothing (F73). In workers of Firefox a database that is refused throws when it is looked at (F38). */
export const isServer = (): boolean => typeof document === 'undefined' && !('indexedDB' in globalThis)

export const base = (): string | null =>
  typeof document === 'undefined' ? (typeof location === 'undefined' ? null : location.href) : document.baseURI

/** As an uncaught error: it is one, of the app's. */
export function report(error: unknown): void {
  if (typeof reportError === 'function') reportError(error)
  else
    queueMicrotask(() => {
      throw error
    })
}
