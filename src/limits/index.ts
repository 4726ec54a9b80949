export { type LimitOptions, limits } from './limits.ts'
