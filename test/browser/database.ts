import type { Page } from 'playwright-core'

interface CryptoKeyFacts {
  readonly algorithm: string
  readonly extractable: boolean
  readonly exported: boolean
}

/** Everything in the database, as bytes that any text in it can be found in. */
export function dump(
  page: Pick<Page, 'evaluate'>,
): Promise<{ readonly bytes: string; readonly keys: readonly CryptoKeyFacts[]; readonly vectors: readonly string[] }> {
  return page.evaluate(async () => {
    const promised = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result)
        request.onerror = () => reject(request.error)
      })
    const found = { bytes: '', keys: [] as CryptoKeyFacts[], vectors: [] as string[] }
    const latin = (bytes: Uint8Array) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')

    async function add(value: unknown): Promise<void> {
      if (value instanceof CryptoKey) {
        const exported = await crypto.subtle.exportKey('raw', value).then(
          () => true,
          () => false,
        )
        found.keys.push({ algorithm: value.algorithm.name, extractable: value.extractable, exported })
      } else if (value instanceof ArrayBuffer) found.bytes += `|${latin(new Uint8Array(value))}`
      else if (ArrayBuffer.isView(value)) {
        const text = latin(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
        found.bytes += `|${text}`
        if (value.byteLength === 12) found.vectors.push(text)
      } else if (typeof value === 'object' && value !== null)
        for (const [name, part] of Object.entries(value)) await add([name, part].at(1))
      else found.bytes += `|${value}`
    }

    for (const { name = '' } of await indexedDB.databases()) {
      const database = await promised(indexedDB.open(name))
      for (const storeName of database.objectStoreNames) {
        const store = () => database.transaction(storeName).objectStore(storeName)
        found.bytes += `|${name}|${storeName}|${await promised(store().getAllKeys())}`
        for (const value of await promised(store().getAll())) await add(value)
      }
      database.close()
    }
    return found
  })
}

/** Every stretch of 8 characters of every token, but for what all of them begin with. */
export function fragments(tokens: readonly string[]): string[] {
  return tokens.flatMap((token) => {
    const random = token.slice(token.indexOf('.') + 1)
    return Array.from({ length: random.length - 7 }, (_, index) => random.slice(index, index + 8))
  })
}
