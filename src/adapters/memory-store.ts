import type { Store } from '../ports.ts'

/**
 * Keeps the session in this page: a reload or another tab needs a sign-in of its own. With a cookie strategy neither does, but
 * each tab then refreshes for itself, one after the other.
 * @example
 * ```ts
 * createSession({ attachTo, refresh, store: memoryStore() })
 * ```
 */
export function memoryStore(): Store {
  const records = new Map<string, string>()
  return {
    read: async (key) => records.get(key) ?? null,
    async replace(key, expected, next) {
      if ((records.get(key) ?? null) !== expected) return false
      if (next === null) records.delete(key)
      else records.set(key, next)
      return true
    },
  }
}
