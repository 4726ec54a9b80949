import type { Session } from 'latchkey'
import { type Line, narrate, narrateEnd, narrateRefresh, narrateSignIn, wantsTokens } from './narrate.ts'

export interface Story {
  readonly say: (line: Line) => void
  /** This tab has begun to refresh, or has done with it. */
  readonly noteRefreshing: (refreshing: boolean) => void
  readonly noteGeneration: (generation: number) => void
}

/** Tells what the session of this tab does. */
export function witness(session: Session, { say, noteGeneration, noteRefreshing }: Story): void {
  let generation = 0
  let refreshing = false

  session.on('diagnostic', (event) => {
    const line = narrate(event)
    if (line) say(line)

    generation = event.generation
    noteGeneration(generation)

    const now = event.detail.refreshing === true
    if (now === refreshing) return
    refreshing = now
    noteRefreshing(refreshing)
    if (refreshing) say(wantsTokens)
  })
  session.on('signed-in', (event) => say(narrateSignIn(event)))
  session.on('refreshed', (event) => say(narrateRefresh(event, generation)))
  session.onSessionEnded((end) => say(narrateEnd(end)))
}
