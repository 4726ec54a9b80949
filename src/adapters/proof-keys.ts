import { createStore, type UseStore, update } from 'idb-keyval'
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

/** The keys of this origin, for all tabs and the next visit. Each of these rejects where IndexedDB is refused, or does not answer. */
export function proofKeys() {
  let database: UseStore | undefined

  async function change(amend: (keys: readonly ProofKey[]) => readonly ProofKey[]): Promise<void> {
    database ??= createStore('latchkey-keys', 'keys')
    const changed = update<readonly ProofKey[]>('keys', (found = []) => amend(found), database).then(() => true)
    try {
      if (!(await within(browserClock, longestWait, changed))) throw new DOMException('IndexedDB does not answer.', 'TimeoutError')
    } catch (error) {
      database = undefined // the next try opens it anew
      throw error
    }
  }

  return {
    /** A new one; it is not kept yet. @throws DOMException for an algorithm that this browser does not have */
    generate: async (algorithm: ProofKey['algorithm']) =>
      (await crypto.subtle.generateKey(made[algorithm], false, ['sign', 'verify'])) as CryptoKeyPair, // none of them is a single key
    keep: (key: ProofKey) => change((keys) => [...keys.filter(isOther(key.thumbprint)), key].slice(-mostKept)),
    remove: (thumbprint: string) => change((keys) => keys.filter(isOther(thumbprint))),
    async find(thumbprint: string): Promise<ProofKey | undefined> {
      let found: ProofKey | undefined
      await change((keys) => {
        found = keys.find((key) => key.thumbprint === thumbprint)
        return found ? [...keys.filter(isOther(thumbprint)), found] : keys
      })
      return found
    },
  }
}

const made = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  Ed25519: { name: 'Ed25519' },
  EdDSA: { name: 'Ed25519' },
}

const isOther = (thumbprint: string) => (key: ProofKey) => key.thumbprint !== thumbprint
