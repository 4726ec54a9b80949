import type { Random } from '../ports.ts'

export const browserRandom: Random = {
  chance: Math.random,
  id: () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join(''),
}
