import type { Clock } from '../ports.ts'

// A delay beyond 2³¹ ms wraps round and fires at once (F18); a timer does not run while the machine sleeps, and Chromium runs those of
// a long-hidden tab once a minute (F19, F20). So no delay is trusted: each is short, and then the clocks are looked at again.
const longestDelay = 20_000

export const browserClock: Clock = {
  now: () => ({ wall: Date.now(), mono: performance.now() }),
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
