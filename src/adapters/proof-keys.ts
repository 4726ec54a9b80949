import { createStore, type UseStore, update } from 'idb-keyval'

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

/** The keys of this origin, for all tabs and the next visit. Each of these rejects where IndexedDB is refused. */
export function proofKeys() {
  let database: UseStore | undefined

  async function change(amend: (keys: readonly ProofKey[]) => readonly ProofKey[]): Promise<void> {
    database ??= createStore('latchkey-keys', 'keys')
    await update<readonly ProofKey[]>('keys', (found = []) => amend(found), database)
  }

  return {
    /** A new one; it is not kept yet. @throws DOMException for an algorithm that this browser does not have */
    generate: (algorithm: ProofKey['algorithm']) => crypto.subtle.generateKey(made[algorithm], false, ['sign', 'verify']),
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
