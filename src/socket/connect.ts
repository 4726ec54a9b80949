import { isLatchkeyError } from '../errors.ts'
import type { Clock, Page } from '../ports.ts'
import type { Session } from '../session.ts'

interface Closable {
  readonly readyState?: unknown
  close(): void
  addEventListener(type: 'close', listener: () => void): void
}

export interface How<Connection> {
  readonly open: (token: string, signal: AbortSignal) => Connection | Promise<Connection>
  readonly renew?: ((connection: Connection, token: string) => void) | undefined
}

/** The browser, as far as it matters here; the simulated one in tests. */
export interface Surroundings {
  readonly clock: Clock
  readonly page: Page
  /** Evenly spread over [0, 1). */
  readonly chance: () => number
  /** Where an exception of the app's functions goes. */
  readonly report: (error: unknown) => void
}

/** One attempt, and what has come of it. */
interface Line<Connection> {
  readonly over: AbortController
  readonly since: number
  connection: Connection | null
}

const longestPause = 60_000

/** How long an opening may take: one that never ends would be the last. */
const patience = 30_000

/** `WebSocket.CLOSED`, which servers may not know. */
const closed = 3

/** `keepConnected`, wherever it runs. */
export function connect<Connection extends Closable>(
  session: Session,
  how: How<Connection>,
  { clock, page, chance, report }: Surroundings,
): () => void {
  let line: Line<Connection> | null = null
  let sessionId: string | null = null
  let failures = 0
  let stopWaiting = () => {}

  const undo = [
    session.subscribe((state) => {
      const next = state.status === 'signed-in' ? state.sessionId : null
      if (next === sessionId) return
      sessionId = next
      failures = 0
      if (next) void dial()
      else hangUp()
    }),
    session.on('refreshed', () => void refreshed()),
    page.listen((signal) => {
      // Nobody hears what a sleeping page is told; and with an open socket Firefox and Safari would not keep it for the way back (F69).
      if (signal === 'frozen') hangUp()
      else if (sessionId && !line && signal !== 'hidden') void dial()
    }),
    hangUp,
  ]
  return () => {
    for (const stop of undo.splice(0)) stop()
  }

  async function dial(): Promise<void> {
    hangUp()
    const mine: Line<Connection> = { over: new AbortController(), since: clock.now().mono, connection: null }
    const { signal } = mine.over
    line = mine
    wait(patience, lose)
    try {
      const token = await session.getToken({ signal })
      signal.throwIfAborted()
      const connection = await how.open(token, signal)
      if (signal.aborted) return close(connection) // it has come too late
      stopWaiting()
      mine.connection = connection
      connection.addEventListener('close', () => {
        if (line === mine) lose()
      })
      if (connection.readyState === closed) lose() // before anybody listened
    } catch (error) {
      if (signal.aborted) return
      const isOurs = isLatchkeyError(error)
      if (!isOurs && !failures) report(error) // the first of a row: an outage is not worth more
      if (isOurs && !error.retryable) hangUp()
      else lose()
    }
  }

  function lose(): void {
    const lasted = line?.connection ? clock.now().mono - line.since : 0
    failures = lasted > longestPause ? 1 : failures + 1 // what breaks at once, again and again, is tried less and less often
    hangUp()
    wait(Math.min(1_000 * 2 ** failures, longestPause) * (1 - chance() / 2), dial)
  }

  async function refreshed(): Promise<void> {
    const mine = line
    if (!mine?.connection || !how.renew) return sessionId ? dial() : undefined
    try {
      const token = await session.getToken({ signal: mine.over.signal })
      if (line === mine) await how.renew(mine.connection, token)
    } catch (error) {
      if (line === mine && !isLatchkeyError(error)) report(error)
    }
  }

  function hangUp(): void {
    stopWaiting()
    const last = line
    line = null // before it is closed: that is no loss
    last?.over.abort()
    if (last?.connection) close(last.connection)
  }

  function close(connection: Connection): void {
    try {
      connection.close()
    } catch (error) {
      report(error)
    }
  }

  function wait(span: number, then: () => void): void {
    stopWaiting()
    stopWaiting = clock.wakeAt(clock.now().wall + span, then)
  }
}
