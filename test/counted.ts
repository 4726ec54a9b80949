import type { TaskMeta } from 'vitest'

declare module 'vitest' {
  interface TaskMeta {
    /** For the report of `npm run reliability`. */
    counted?: Readonly<Record<string, string | number | boolean>>
  }
}

/** Notes with a test's result what it has counted. */
export function note({ meta }: { readonly meta: TaskMeta }, counted: Readonly<Record<string, string | number | boolean>>): void {
  meta.counted = counted
}
