import { refreshTimeout } from './live-tab.ts'
import type { TabMoment } from './remembered-tab.ts'
import { userOf } from './server.ts'
import { type Setting, type Shared, type Stored, storedIn, type Tab, type World } from './world.ts'

// The invariants I1 to I7 of the refresh protocol, each where it can be broken. A check says what is wrong, or nothing.

/** Faults after which a server that rotates strictly may refuse the stored token: somebody presented it, and nobody has the answer in time. */
const losesAnswers: readonly string[] = ['crash', 'lost', 'freeze', 'slow']

/** When a tab sends a refresh. */
export function atSending(
  { tabs, shared }: World,
  sender: number,
  token: string | null,
  { rotation, faults, severalApis }: Setting,
): string | null {
  const own = tabs[sender] as Tab
  const session = own.moment.face.status === 'signed-in' ? own.moment.face.session : null
  if (!session || userOfSession(session) !== userOf(token)) return 'I6: a token is presented by a tab that knows its session to be over'
  if (rotation !== 'static') {
    if (own.answeredFor.includes(token ?? '')) return 'I1: a token is presented by a tab that has its answer'
    // Who claimed before the next token was stored, and only then sends, is in the gap that no rule closes.
    const spentAt = shared.spent[token ?? '']
    if (spentAt !== undefined && own.claimed > spentAt) return 'I1: a token is presented again though its successor has been stored'
    // An answer in the hands of a tab that is gone, or slept beyond its claim, is an answer that nobody has.
    const isHeld = ({ life, wasFrozen, holds }: Tab) =>
      holds?.token === token && life !== 'dead' && !(wasFrozen && shared.time >= holds.until)
    if (tabs.some(isHeld)) return 'I1: a token is presented again though its answer has reached a tab'
  }
  for (const { life, requests } of tabs) {
    const open = requests.find((request) => request.token === token && shared.time < request.sentAt + refreshTimeout)
    if (open && life !== 'dead') return 'I2: a refresh is sent while another one is outstanding'
  }
  if (faults.length === 0 && shared.presentations > Number(severalApis ?? false)) return 'P1: a refresh that was not due, and no fault'
  return null
}

/** When the store has taken a record in the place of another. */
export function atWriting({ shared }: World, before: Stored | null, next: Stored | null, setting: Setting): string | null {
  if (!next) return null
  const highest = shared.highest[next.session] ?? 0
  // An end written where nothing is left is final, whatever its number.
  if (next.generation < highest && (before || next.status === 'active')) return 'I3: an older generation is written over a newer one'
  if (next.status === 'active' && shared.over.includes(next.session)) return 'I6: tokens of an ended session are stored'
  if (next.status === 'ended' && !(before?.status === 'ended' && before.session === next.session))
    return atEnding(shared, before, next, setting)
  return null
}

function atEnding(shared: Shared, before: Stored | null, next: Stored, { rotation, severalApis }: Setting): string | null {
  if (next.reason === 'signed-out') return shared.used.includes('sign-out') ? null : 'I4: signed out, and nobody asked for it'
  if (next.reason !== 'rejected') return `I4: ended, ${next.reason}`
  if (before?.grant && !shared.server.refused.includes(before.grant.refreshToken)) return 'I4: ended, and nobody rejected the stored token'
  // A grace window is of no use where the other API's refresh has spent the successor.
  const isHarsh = rotation === 'strict' || (rotation === 'grace' && severalApis)
  const isInherent = isHarsh ? shared.used.some((fault) => losesAnswers.includes(fault)) : shared.used.length > 1
  return isInherent ? null : 'I4: the server rejected the stored token, and no fault explains it'
}

/** When a tab announces an end. */
export function atAnnouncing(
  { tabs, shared }: World,
  tab: number,
  { session, reason }: { session: string; reason: string },
): string | null {
  if (endsOf(tabs[tab] as Tab, session) > 1) return 'I4: an end is announced twice'
  if (reason === 'signed-out') return shared.used.includes('sign-out') ? null : 'I4: an end is announced that nobody asked for'
  if (reason === 'user-changed') return shared.used.includes('sign-in') ? null : 'I4: a change of user is announced, and nobody signed in'
  if (reason === 'rejected') return shared.server.refused.length > 0 ? null : 'I4: a rejection is announced, and there was none'
  return `I4: an end is announced: ${reason}`
}

/** How often a tab has announced the end of a session. */
function endsOf({ moment }: Tab, session: string): number {
  let count = 0
  for (let at: TabMoment | null = moment; at; at = at.before)
    count += at.said.filter((said) => said.do === 'ended' && said.session === session).length
  return count
}

/** When a tab has been told something. */
export const atTelling = ({ turns }: TabMoment): string | null => (turns > mostTurns ? 'I5: a tab does not come to rest' : null)

/** What a tab does at one time comes to an end: with all of today's faults it takes some forty turns. */
const mostTurns = 100

/** When the server takes a revocation. `isGood`: of the token that the session goes on with. */
export function atRevoking({ shared: { used } }: World, token: string | null, isGood: boolean): string | null {
  const isWanted = used.includes('sign-out') || (used.includes('sign-in') && userOf(token) === 'one')
  return isGood && !isWanted ? 'I4: a living session is revoked' : null
}

/** When a caller gets a token. */
export function atHanding({ tabs, shared }: World, tab: number, token: string): string | null {
  const { status, session } = (tabs[tab] as Tab).moment.face
  if (status !== 'signed-in' || !session || userOfSession(session) !== userOf(token))
    return 'I6: a caller is handed a token of an ended session'
  return shared.time - Number(token.split('@')[1]) >= 300_000 ? 'P3: a caller is handed an expired token' : null
}

/** When time is about to pass: nobody waits for longer than was promised. */
export function atPassing({ tabs }: World, to: number, { severalApis }: Setting): string | null {
  const turn = refreshTimeout + 2_000
  for (const { life, wasFrozen, waiting } of tabs) {
    if (life !== 'alive' || wasFrozen) continue
    const late = waiting.find(([what, since]) => to > since + (what === 'call' ? (severalApis ? 2 * turn : turn) : 20_000))
    if (late) return `I5: a ${late[0]} has not settled in time`
  }
  return to > longest ? 'I5, I7: no rest' : null
}

/** Long after everything that has a deadline. */
const longest = 200_000

/** When nothing is left to happen. */
export function atRest(world: World): string | null {
  const { tabs, shared } = world
  if (tabs.some(({ life }) => life === 'alive') && !isSettled(world)) return 'I5, I7: nothing more happens, and not everything is settled'
  // Nor can one be that is still on its way, or with a tab that does not run.
  const isWhole = tabs.every(({ life, requests }) => life === 'alive' && requests.length === 0)
  const { used, server, over } = shared
  // A successor that is in nobody's hands cannot be revoked by its value.
  const isKnown = !used.some((fault) => ['crash', 'lost', 'evict'].includes(fault))
  const acts = used.includes('sign-out') || used.includes('sign-in')
  if (isWhole && isKnown && acts) {
    const stored = storedIn(shared.stored)
    // A user who signs in again keeps what was granted before: a server that knows one grant for a user would revoke the new one with it.
    const stays = stored?.status === 'active' ? userOfSession(stored.session) : null
    const left = over.map(userOfSession).find((name) => name !== stays && !server.revoked.includes(name))
    if (left) return 'I6: a session is over, and its token was never revoked'
  }
  return null
}

/** I7: does this tab know what the store says? */
function agrees({ moment: { face } }: Tab, stored: Stored | null): boolean {
  if (stored?.status === 'active')
    return face.status === 'signed-in' && face.session === stored.session && face.generation === stored.generation
  return face.status === 'signed-out'
}

/** Is everything settled, and does every living tab know? */
export function isSettled({ tabs, shared }: World): boolean {
  const stored = storedIn(shared.stored)
  return tabs.every(
    (tab) =>
      tab.life !== 'alive' ||
      (tab.waiting.length === 0 &&
        !tab.moment.face.refreshing &&
        tab.operations.length === 0 &&
        tab.requests.every(({ at, isSlow }) => isSlow || at === 'silent') &&
        agrees(tab, stored)),
  )
}

const userOfSession = (session: string): string => (session === 'first' ? 'one' : 'two')
