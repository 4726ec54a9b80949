import { browserClock } from '../adapters/clock.ts'

/** How far this device's clock is behind those of the servers, in seconds (REQ-91). One that has not told its own is taken to agree with the one that did last. */
export interface ProofClock {
  readonly behind: (url: string) => number
  /** After a server has refused a proof: what is its `Date`, if it can be read? Returns whether the next proof has a better chance. */
  readonly learn: (url: string, date: string | null) => boolean
}

export function proofClock(): ProofClock {
  const byOrigin = new Map<string, number>()
  let last = 0
  const originOf = (url: string) => new URL(url).origin
  const behind = (url: string) => byOrigin.get(originOf(url)) ?? last
  return {
    behind,
    learn(url, text) {
      const before = behind(url)
      const date = Date.parse(text ?? '')
      const isTold = date >= 0
      if (isTold) last = Math.round((date - browserClock.now().wall) / 1000)
      const now = isTold || !before ? last : 0 // the other server's clock may be the wrong one
      byOrigin.set(originOf(url), now)
      return isTold || now !== before
    },
  }
}
