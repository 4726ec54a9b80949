export { type ContractCase, storeContract } from './store-contract.ts'
export type { FailHow, TestServer } from './test-server.ts'
export { createWorld, type Tab, type Tuple, type TupleOf, type World, type WorldOptions } from './world.ts'
