// A session where there is no page, on a store that takes its time (F48). Serves as a dedicated worker and as a service worker.

import { createSession, type Session, type Store } from 'latchkey'

declare global {
  var inWorker: { readonly session: Session }
}

const records = new Map<string, string>()
let uses = 0

/** From 50 to 500 ms, another each time. */
const takeTime = () => new Promise<void>((resolve) => setTimeout(resolve, 50 + ((uses++ * 190) % 451)))

const slowStore: Store = {
  async read(key) {
    await takeTime()
    return records.get(key) ?? null
  },
  async replace(key, expected, next) {
    await takeTime()
    if ((records.get(key) ?? null) !== expected) return false
    if (next === null) records.delete(key)
    else records.set(key, next)
    return true
  },
}

const { origin } = location

globalThis.inWorker = {
  session: createSession({
    name: `in a ${self.constructor.name}`,
    attachTo: [`${origin}/api`],
    store: slowStore,
    refresh: ({ refreshToken, fetch, signal }) => fetch(`${origin}/token`, { method: 'POST', body: refreshToken, signal }),
  }),
}
