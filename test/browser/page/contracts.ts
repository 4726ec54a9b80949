import { type ContractCase, storeContract } from 'latchkey/testing'
import { broadcastPeers } from '../../../src/adapters/broadcast-peers.ts'
import { browserClock } from '../../../src/adapters/clock.ts'
import { deviceStore } from '../../../src/adapters/device-store.ts'
import { proofKeys } from '../../../src/adapters/proof-keys.ts'
import { webLock } from '../../../src/adapters/web-lock.ts'
import { clockContract } from '../../contracts/clock-contract.ts'
import { lockContract } from '../../contracts/lock-contract.ts'
import { peersContract } from '../../contracts/peers-contract.ts'
import { proofKeysContract } from '../../contracts/proof-keys-contract.ts'

const pass = (span: number) => new Promise<void>((resolve) => setTimeout(resolve, span))

/** What each port must do, of the browser's own adapter. Naming the cases touches no browser. */
export const contracts: Readonly<Record<string, readonly ContractCase[]>> = {
  store: storeContract(deviceStore),
  lock: lockContract(webLock, pass),
  peers: peersContract(broadcastPeers, pass),
  clock: clockContract(() => browserClock, pass),
  'proof keys': proofKeysContract(proofKeys),
}

/** Runs one case of a contract. */
export async function runContract(port: string, name: string): Promise<void> {
  const found = contracts[port]?.find((one) => one.name === name)
  if (!found) throw new Error(`The contract of ${port} has no such case: ${name}`)
  await found.run()
}
