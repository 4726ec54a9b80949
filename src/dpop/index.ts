export type { Dpop } from '../oauth/proving.ts'
export { dpop } from './dpop.ts'
