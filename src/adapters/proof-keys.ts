import { createStore, promisifyRequest, type UseStore } from 'idb-keyval'
import type { Ms } from '../core/time.ts'
import { within } from '../within.ts'
import { browserClock } from './clock.ts'

/** A key pair that tokens are bound to (RFC 9449). Its private half never leaves the browser's keeping (REQ-07). */
export interface ProofKey {
  /** RFC 7638: the name of the key. */
  readonly thumbprint: string
  /** As the provider calls it: the last two are the same. */
  readonly algorithm: 'ES256' | 'Ed25519' | 'EdDSA'
  readonly pair: CryptoKeyPair
}

/** Of those that no end has removed (a page in memory that was closed, a sign-in that was left half done), the latest used stay. */
const mostKept = 50

/** Longest that IndexedDB may take: in some browsers a connection that was lost, or a frozen tab, leaves it without an answer for good. */
const longestWait: Ms = 2_000

/** As it lies in the database, under its thumbprint: an entry for each, as deleting one is what a full disk does not refuse (F39). */
interface Kept extends ProofKey {
  /** The one used last has the highest. No clock: one that is set back would have the newest key go first. */
  readonly order: number
}

/** The keys of this origin, for all tabs and the next visit. Each of these rejects where IndexedDB is refused, or does not answer. */
export function proofKeys() {
  let database: UseStore | undefined

  async function inDatabase<T>(mode: IDBTransactionMode, work: (keys: IDBObjectStore) => Promise<T>): Promise<T> {
    const wasOpen = database !== undefined
    database ??= createStore('latchkey-proof-keys', 'keys')
    const done = database(mode, work).then((came) => ({ came }))
    try {
      const answer = await within(browserClock, longestWait, done)
      if (!answer) throw new DOMException('IndexedDB does not answer.', 'TimeoutError')
      return answer.came
    } catch (error) {
      database = undefined // the next try opens it anew
      if (!wasOpen) throw error
      return inDatabase(mode, work) // Safari loses a connection now and then, and all is there all the same
    }
  }

  /** In one transaction: no key that another tab removes comes back. `kept`: the one used last is the last. */
  const change = (amend: (keys: IDBObjectStore, kept: readonly Kept[]) => void): Promise<void> =>
    inDatabase('readwrite', async (keys) => {
      const kept: Kept[] = await promisifyRequest(keys.getAll()) // only this file writes there
      amend(
        keys,
        kept.sort((one, other) => one.order - other.order),
      )
      return promisifyRequest(keys.transaction)
    })

  return {
    /** A new one; it is not kept yet. @throws DOMException for an algorithm that this browser does not have */
    generate: async (algorithm: ProofKey['algorithm']) =>
      (await crypto.subtle.generateKey(made[algorithm], false, ['sign', 'verify'])) as CryptoKeyPair, // none of them is a single key
    /** As the one that was used last. */
    keep: (key: ProofKey) =>
      change((keys, kept) => {
        keys.put({ ...key, order: (kept.at(-1)?.order ?? 0) + 1 }, key.thumbprint)
        const others = kept.filter(({ thumbprint }) => thumbprint !== key.thumbprint)
        for (const { thumbprint } of others.slice(0, 1 - mostKept)) keys.delete(thumbprint)
      }),
    remove: (thumbprint: string) => change((keys) => keys.delete(thumbprint)),
    find: (thumbprint: string): Promise<ProofKey | undefined> => inDatabase('readonly', (keys) => promisifyRequest(keys.get(thumbprint))),
  }
}

const made = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
  EdDSA: { name: 'Ed25519' },
}
