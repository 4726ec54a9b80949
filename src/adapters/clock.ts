import type { Clock } from '../ports.ts'

// A delay beyond 2³¹ ms wraps round and fires at once (F18); a timer does not run while the machine sleeps, and Chromium runs those of
// a long-hidden tab once a minute (F19, F20). So no delay is trusted: each is short, and then the clocks are looked at again.
const longestDelay = 20_000

let last = { wall: Infinity, mono: 0 }

export const browserClock: Clock = {
  // In Chromium the monotonic clock costs six times what the other one does, and half of all that a call with a fresh token does: it is
  // asked once in a millisecond.
  now() {
    const wall = Date.now()
    if (wall !== last.wall) last = { wall, mono: performance.now() }
    return last
  },
  wakeAt(at, wake) {
    const span = at - Date.now()
    const due = performance.now() + span
    const check = () => {
      // A wall clock that was set back makes nobody wait longer than asked for (F23).
      const left = Math.min(at - Date.now(), due - performance.now())
      if (left <= 0) wake()
      else timer = setTimeout(check, Math.min(left, longestDelay))
    }
    let timer = setTimeout(check, Math.min(Math.max(span, 0), longestDelay))
    return () => clearTimeout(timer)
  },
}
