import { LatchkeyError } from './errors.ts'
import { matcher } from './fetch/destinations.ts'
import { sessionFetch } from './fetch/session-fetch.ts'
import { resolveOptions, type SessionOptions } from './options.ts'
import type { Session } from './session.ts'
import { loading } from './snapshot.ts'

/** A session on a server, which renders for everybody and signs in nobody: it starts nothing and knows nothing (F73, REQ-135). */
export function inertSession(options: SessionOptions): Session {
  const { targets, fetch } = resolveOptions(options, nowhere)
  const match = matcher(targets, () => nowhere)
  const ready = Promise.resolve(loading)
  const nobodyHere = async (): Promise<never> => {
    throw new LatchkeyError('signed_out', 'A server keeps no session, so nothing was sent. Make this call in the browser.')
  }
  const listen = () => () => {}
  return Object.freeze<Session>({
    state: loading,
    ready,
    subscribe(listener) {
      listener(loading)
      return listen()
    },
    on: listen,
    onSessionExpired: listen,
    onSessionEnded: listen,
    signIn: nobodyHere,
    signOut: async () => ({ revoked: false }),
    refresh: nobodyHere,
    fetch: sessionFetch(
      match,
      { take: nobodyHere, instead: nobodyHere, stepUp: undefined },
      (input, init) => (fetch ?? globalThis.fetch)(input, init),
      undefined,
    ),
    getToken: nobodyHere,
    destinationOf: (url) => match(url)?.target.entry ?? null,
    extend() {},
    close() {},
  })
}

/** Where the page will be, only the browser knows: a path is listed all the same. */
const nowhere = 'https://page.invalid'
