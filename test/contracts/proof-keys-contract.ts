import type { ContractCase } from 'latchkey/testing'
import type { ProofKey, proofKeys } from '../../src/adapters/proof-keys.ts'
import { casesOf, same } from './cases.ts'

const algorithm = { name: 'ECDSA', hash: 'SHA-256' }
const message = new TextEncoder().encode('a proof')

/** What the keeper of proof keys must do. `make` gives one tab's, another tab's each time. */
export function proofKeysContract(make: typeof proofKeys): readonly ContractCase[] {
  const generated = async (thumbprint: string): Promise<ProofKey> => ({
    thumbprint,
    algorithm: 'ES256',
    pair: await make().generate('ES256'),
  })
  return casesOf('a proof key', {
    'that is kept signs in another tab, for the same public key': async (name) => {
      const key = await generated(name)
      await make().keep(key)
      const found = await make().find(name)
      if (!found) throw new Error('It is not there.')
      const signature = await crypto.subtle.sign(algorithm, found.pair.privateKey, message)
      same(await crypto.subtle.verify(algorithm, key.pair.publicKey, signature, message), true)
      same(found.algorithm, 'ES256')
    },
    'is not for scripts to read out': async (name) => {
      await make().keep(await generated(name))
      const found = await make().find(name)
      same(found?.pair.privateKey.extractable, false)
      const read = await crypto.subtle.exportKey('jwk', found?.pair.privateKey as CryptoKey).catch(() => 'refused')
      same(read, 'refused')
    },
    'that nobody has kept is not there, nor is one that was removed': async (name) => {
      same(await make().find(name), undefined)
      await make().keep(await generated(name))
      await make().remove(name)
      same(await make().find(name), undefined)
    },
    'is looked for by itself, and holds up nobody who writes': async (name) => {
      await make().keep(await generated(name))
      const modes: unknown[] = []
      const { transaction } = IDBDatabase.prototype
      const { getAll } = IDBObjectStore.prototype
      IDBDatabase.prototype.transaction = function (...which) {
        modes.push(which[1])
        return transaction.apply(this, which)
      }
      IDBObjectStore.prototype.getAll = () => {
        throw new Error('All of them are read.')
      }
      try {
        same((await make().find(name))?.thumbprint, name)
      } finally {
        IDBDatabase.prototype.transaction = transaction
        IDBObjectStore.prototype.getAll = getAll
      }
      same(modes.join(), 'readonly')
    },
    'on a full disk is found all the same, and can be removed (F39)': async (name) => {
      const key = await generated(name)
      for (const which of ['mine', 'used later']) await make().keep({ ...key, thumbprint: `${name} ${which}` })
      const { put } = IDBObjectStore.prototype
      IDBObjectStore.prototype.put = function (...what) {
        const asked = put.apply(this, what)
        this.transaction.abort() // as the browser does, for want of room
        return asked
      }
      try {
        same((await make().find(`${name} mine`))?.algorithm, 'ES256')
        const refused = await make()
          .keep(key)
          .then(
            () => false,
            () => true,
          )
        same(refused, true)
        await make().remove(`${name} mine`)
      } finally {
        IDBObjectStore.prototype.put = put
      }
      same(await make().find(`${name} mine`), undefined)
      same((await make().find(`${name} used later`))?.algorithm, 'ES256')
    },
    'that is kept again, as with each refresh, stays; and of fifty that are not the oldest goes': async (name) => {
      const key = await generated(name)
      for (const which of ['used', 'unused']) await make().keep({ ...key, thumbprint: `${name} ${which}` })
      for (let count = 0; count < 49; count++) {
        await make().keep({ ...key, thumbprint: `${name} ${count}` })
        await make().keep({ ...key, thumbprint: `${name} used` })
      }
      same((await make().find(`${name} used`))?.algorithm, 'ES256')
      same(await make().find(`${name} unused`), undefined)
    },
  })
}
