import type { Lock } from '../ports.ts'

/** A Web Lock, free as soon as its tab is gone. Never stolen: whoever is stolen from goes on all the same (F04). */
export const webLock = (name: string): Lock => ({
  acquire: (signal) =>
    new Promise((resolve, reject) => {
      // Missing on http origins and in old Safari, refused in opaque origins (F45, F46): then this rejects, and the claims decide.
      navigator.locks.request(name, { signal }, () => new Promise<void>((release) => resolve(release))).catch(reject)
    }),
})
