import { type ContractCase, storeContract } from 'latchkey/testing'
import { deviceStore } from '../../../src/adapters/device-store.ts'

const contracts: Readonly<Record<string, () => readonly ContractCase[]>> = {
  store: () => storeContract(deviceStore),
}

/** Runs one case of a contract against the adapter of the browser. */
export async function runContract(port: string, name: string): Promise<void> {
  const found = contracts[port]?.().find((one) => one.name === name)
  if (!found) throw new Error(`The contract of ${port} has no such case: ${name}`)
  await found.run()
}
