import { describe, expect, test } from 'vitest'
import { replay } from './explorer.ts'

// Schedules that the explorer found, and that lost or leaked a session once.

/** The store does A's commit and is cleared before A hears of it. B finds nothing and asks; A, which knows of no later generation yet, says nothing. */
const askedTooEarly = `
  1. A is called
  2. the store does A's read
  3. A hears from the store
  4. the store does A's read
  5. A hears from the store
  6. the store does A's read
  7. A hears from the store
  8. the store does A's write
  9. A hears from the store
  10. the server takes A's refresh 1 with one.0
  11. A hears from the server about refresh 1
  12. the store does A's read
  13. A hears from the store
  14. the store does A's write
  15. B is called
  16. the store is cleared
  17. the store does B's read
  18. B hears from the store
  19. A hears a nudge
  20. A hears from the store
  21. the store does B's read
  22. B hears from the store
  23. B hears a nudge
  24. the store does B's read
  25. B hears from the store
  26. time passes to 500
  27. B wakes
  28. the store does B's read
  29. B hears from the store`

/** Another user signs in at A, and the store is cleared. A asks for what is gone; B has heard of the sign-in, and knows the old session only. */
const askedForTheNewSession = `
  1. A is called
  2. the store does A's read
  3. another user signs in at A
  4. A hears from the store
  5. the store does A's read
  6. A hears from the store
  7. the store does A's write
  8. A hears from the store
  9. the store is cleared
  10. the store does A's read
  11. A hears from the store
  12. B hears a nudge
  13. the store does B's read
  14. B hears from the store
  15. B hears a nudge
  16. the store does B's read
  17. B hears from the store
  18. the store does B's write`

describe('an evicted record', () => {
  test('is asked for again by whoever has heard of something later: its writer may not have known of it at first', async () => {
    expect((await replay({ rotation: 'strict', hasLocks: false, faults: ['evict'] }, askedTooEarly)).violation).toBe(null)
  })

  test('is not replaced by the session that ended before it: whoever has heard of something later writes nothing back', async () => {
    const setting = { rotation: 'strict', hasLocks: false, faults: ['sign-in', 'evict'] } as const
    const upToTheWrite = askedForTheNewSession.split('\n').slice(0, -1).join('\n')
    expect((await replay(setting, upToTheWrite)).next).not.toContain("the store does B's write")
  })
})
