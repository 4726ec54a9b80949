import { report } from '../adapters/browser.ts'
import { browserClock } from '../adapters/clock.ts'
import { browserPage } from '../adapters/page-signals.ts'
import { browserRandom } from '../adapters/random.ts'
import type { Session } from '../session.ts'
import { connect } from './connect.ts'

/**
 * Keeps one authenticated connection: opens it with a fresh token, again after a loss, calls `renew` (or reopens) on new tokens, closes it
 * at the end of the session. The token goes where `open` puts it: a first message or a ticket, not a URL. What `renew` is given may still be connecting.
 *
 * Pauses between attempts grow from a second to a minute, and end when the network is back, the page is looked at again, or there are
 * new tokens. A page that is frozen, or left for another one, is disconnected until it is back. When `signal` aborts, `open` may stop:
 * what it returns after that is closed. An opening has 30 s. An EventSource cannot be kept: it does not say when it is lost.
 * @returns the undo
 * @example
 * ```ts
 * keepConnected(session, { open: async (token) => new WebSocket(await ticketUrl(token)) })
 * ```
 */
export function keepConnected<Connection extends Connected>(
  session: Session,
  how: {
    readonly open: (token: string, signal: AbortSignal) => Connection | Promise<Connection>
    readonly renew?: ((connection: Connection, token: string) => void) | undefined
  },
): () => void {
  return connect(session, how, {
    clock: browserClock,
    page: browserPage,
    chance: browserRandom.chance,
    report,
  })
}

/** What says when it is lost. */
interface Connected {
  close(): void
  addEventListener(type: 'close', listener: () => void): void
  /** An EventSource has it, and no `close` event: one that the server has refused would stay closed for good. */
  readonly withCredentials?: never
}
