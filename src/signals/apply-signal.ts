import { isLatchkeyError } from '../errors.ts'
import type { Session } from '../session.ts'

/** What has become of a user, a device or a session: a CAEP event type, as URI or as its last word, and the members of the event. */
export interface Signal {
  readonly type: string
  readonly [member: string]: unknown
}

/**
 * - `end`: the session ends in all tabs, reason `revoked`, and the user is asked to sign in
 * - `refresh`: new tokens are asked for, and the server decides
 * - `ignore`: nothing
 */
export type SignalAction = 'end' | 'refresh' | 'ignore'

/**
 * Applies a continuous-evaluation signal that your own backend has verified (CAEP 1.0 §3; REQ-105: nothing here looks at a signature).
 * `policy` overrides the table in docs/signals.md, by type or by type and value: `{ 'risk-level-change:MEDIUM': 'end' }`. `incident`, a type of our own, is the
 * kill switch: the session ends with that reason. A type that neither the table nor `policy` knows is ignored.
 *
 * Where nobody is signed in there is nothing to do, and that is no error: nor does a signal bring back what the user, the app or a limit has ended,
 * where a cookie still could. While `loading` it waits until that is known.
 * @throws TypeError (a rejection) naming what is wrong with `event` or `policy`
 * @throws LatchkeyError `refresh_unavailable`: no new tokens for now; the session stays
 * @example
 * ```ts
 * stream.onmessage = ({ data }) => applySignal(session, JSON.parse(data))
 * ```
 */
export async function applySignal(
  session: Pick<Session, 'state' | 'ready' | 'signOut' | 'refresh'>,
  event: Signal,
  policy: Readonly<Record<string, SignalAction>> = {},
): Promise<void> {
  const given: unknown = event?.type
  if (typeof given !== 'string' || !given) throw new TypeError('`event` must be an object with a `type`: the CAEP event type, a text.')
  const rules = new Map(Object.entries(policy ?? {}).map(([type, action]) => [shortOf(type), action]))
  for (const [type, action] of rules)
    if (!['end', 'refresh', 'ignore'].includes(action))
      throw new TypeError(`\`policy\` must say 'end', 'refresh' or 'ignore' for '${type}'.`)

  const type = shortOf(given)
  const value = event[telling.get(type) ?? '']
  const exact = typeof value === 'string' ? `${type}:${value}` : type
  const action = rules.get(exact) ?? rules.get(type) ?? table.get(exact) ?? table.get(type)
  if (action === 'end') await session.signOut({ reason: type === 'incident' ? 'incident' : 'revoked' })
  if (action !== 'refresh') return
  await session.ready
  // `refresh()` asks the server who is signed in, as after a login: a cookie may still be good though the user has signed out (REQ-73).
  if (session.state.status !== 'signed-out')
    await session.refresh().catch((error: unknown) => {
      if (!isLatchkeyError(error) || error.retryable) throw error // nobody is signed in any more
    })
}

/** What is done unless the app says otherwise (REQ-104). With a value that nobody knows, what is done for the worst. */
const table: ReadonlyMap<string, SignalAction> = /* @__PURE__ */ new Map<string, SignalAction>([
  ['incident', 'end'],
  ['session-revoked', 'end'],
  ['credential-change', 'end'],
  ['token-claims-change', 'refresh'],
  ['assurance-level-change', 'refresh'],
  ['device-compliance-change', 'end'],
  ['device-compliance-change:compliant', 'ignore'],
  ['risk-level-change', 'end'],
  ['risk-level-change:LOW', 'ignore'],
  ['risk-level-change:MEDIUM', 'refresh'],
])

/** The member that says which way it went. */
const telling: ReadonlyMap<string, string> = /* @__PURE__ */ new Map([
  ['credential-change', 'change_type'],
  ['assurance-level-change', 'change_direction'],
  ['device-compliance-change', 'current_status'],
  ['risk-level-change', 'current_level'],
])

const shortOf = (type: string): string => type.replace('https://schemas.openid.net/secevent/caep/event-type/', '')
