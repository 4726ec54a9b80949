import type { Session } from 'latchkey'
import { find, show } from './find.ts'

/** Shows how long the access token still lives. */
export function showCountdown(session: Session): void {
  const bar = find('countdown-bar', HTMLElement)
  const life = find('life', HTMLElement)
  let known: number | null = null
  let whole = 1

  setInterval(() => {
    const expiresAt = session.state.status === 'signed-in' ? session.state.expiresAt : null
    const left = expiresAt === null ? 0 : Math.max(0, expiresAt - Date.now())
    if (expiresAt !== known) {
      known = expiresAt
      whole = wholeLife(left)
    }

    life.dataset.phase = expiresAt === null ? 'none' : left === 0 ? 'expired' : left < whole / 5 ? 'ending' : 'good'
    bar.style.transform = `scaleX(${left / whole})`
    show('countdown', expiresAt === null ? '–' : words(left))
  }, 100)
}

/** The state tells the moment of expiry, not the lifetime. The demo's tokens live for 15 s or 5 min, and a reload meets them half way. */
function wholeLife(left: number): number {
  return left <= 15_000 ? 15_000 : Math.max(left, 300_000)
}

function words(left: number): string {
  if (left === 0) return 'expired'
  const seconds = left / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s left`
  return `${Math.floor(seconds / 60)} min ${String(Math.floor(seconds % 60)).padStart(2, '0')} s left`
}
