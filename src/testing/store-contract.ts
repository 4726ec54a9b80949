import type { Store } from '../ports.ts'

/** One thing that a store must do. `run` rejects if it does not. */
export interface ContractCase {
  readonly name: string
  readonly run: () => Promise<void>
}

/**
 * What a store must do, as cases for any test runner.
 * @example
 * ```ts
 * for (const { name, run } of storeContract(makeStore)) test(name, run)
 * ```
 */
export function storeContract(make: () => Store | Promise<Store>): readonly ContractCase[] {
  let keys = 0
  const cases: Record<string, (store: Store, key: string) => Promise<void>> = {
    'has nothing under a key that was never written': async ({ read }, key) => {
      same(await read(key), null)
    },
    'gives back what was written, to the character': async ({ read, replace }, key) => {
      const text = JSON.stringify({ quotes: '"\\', astral: '😀', line: '\u2028', long: 'x'.repeat(100_000) })
      same(await replace(key, null, text), true)
      same(await read(key), text)
    },
    'replaces what is expected': async ({ read, replace }, key) => {
      await replace(key, null, 'one')
      same(await replace(key, 'one', 'two'), true)
      same(await read(key), 'two')
    },
    'refuses what is not expected, and leaves it': async ({ read, replace }, key) => {
      await replace(key, null, 'one')
      same(await replace(key, 'other', 'two'), false)
      same(await replace(key, null, 'two'), false)
      same(await read(key), 'one')
    },
    'refuses to replace what is not there': async ({ read, replace }, key) => {
      same(await replace(key, 'one', 'two'), false)
      same(await read(key), null)
    },
    removes: async ({ read, replace }, key) => {
      await replace(key, null, 'one')
      same(await replace(key, 'one', null), true)
      same(await read(key), null)
      same(await replace(key, null, 'two'), true)
    },
    'keeps keys apart': async ({ read, replace }, key) => {
      await replace(key, null, 'one')
      same(await read(`${key} `), null)
    },
    'lets one of many win who expect the same': async ({ read, replace }, key) => {
      await replace(key, null, 'start')
      const won = await Promise.all(Array.from({ length: 20 }, (_, index) => replace(key, 'start', String(index))))
      same(won.filter(Boolean).length, 1)
      same(await read(key), String(won.indexOf(true)))
    },
    'loses no step of many who count together': async ({ read, replace }, key) => {
      await replace(key, null, '0')
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          for (let done = 0; done < 5; ) {
            const text = (await read(key)) ?? ''
            if (await replace(key, text, String(Number(text) + 1))) done++
          }
        }),
      )
      same(await read(key), '40')
    },
  }
  return Object.entries(cases).map(([name, run]) => ({
    name: `a store ${name}`,
    run: async () => run(await make(), `contract ${Date.now()} ${keys++}`),
  }))
}

function same(found: unknown, wanted: unknown): void {
  if (found !== wanted)
    throw new Error(`The store gave ${JSON.stringify(found)?.slice(0, 80)} where ${JSON.stringify(wanted)?.slice(0, 80)} was right.`)
}
