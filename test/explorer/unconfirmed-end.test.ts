import { expect, test } from 'vitest'
import { replay } from './explorer.ts'

/** A has refreshed, and B has not heard of it; B's sign-out erases the new token, but the store is slow to say so, and B tries again. */
const signedOutUnconfirmed = `
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
  15. A hears from the store
  16. B's user signs out
  17. the store does B's read
  18. B is called
  19. B hears from the store
  20. the store does B's write
  21. B hears a nudge
  22. the store is slow with B's write
  23. time passes to 500
  24. B wakes
  25. time passes to 1000
  26. B wakes
  27. time passes to 1500
  28. B wakes
  29. time passes to 2000
  30. B wakes
  31. the store does B's read
  32. time passes to 2500
  33. B wakes
  34. time passes to 3000
  35. B hears from the store
  36. B hears from the store`

// Found by the explorer, when the engine forgot what its first try had replaced.
test('a sign-out that the store confirms too late revokes the token that it erased, not the one in memory', async () => {
  const { world } = await replay({ rotation: 'strict', hasLocks: false, faults: ['slow store', 'sign-out'] }, signedOutUnconfirmed)
  expect(world.tabs[1].revocations.map(({ token }) => token)).toEqual(['one.1'])
})
