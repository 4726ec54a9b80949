import type { EndReason, Session, SessionState } from 'latchkey'
import { find, show } from './find.ts'

/** A refresh takes milliseconds; this long it is shown. */
const glimpse = 700

/** A tab that has not been heard of for so long is not refreshing any more. */
const longestRefresh = 30_000

const reasons: Readonly<Record<EndReason, string>> = {
  'signed-out': 'You asked for it, here or in another tab.',
  rejected: 'The server refused the refresh token: somebody revoked it, or it was presented twice.',
  'refresh-expired': 'There was nothing left to refresh with.',
  idle: 'Nobody was here for too long.',
  'max-age': 'The session reached its longest age.',
  'user-changed': 'Somebody else signed in.',
  revoked: 'The app or the server called the session back.',
  incident: 'The kill switch was thrown.',
}

export interface SessionView {
  /** That tab has begun to refresh, or has done with it. */
  readonly noteRefreshing: (tab: string, refreshing: boolean) => void
}

/** Shows the session's state, in words and as a place in the diagram. */
export function showSession(session: Session): SessionView {
  const card = find('session', HTMLElement)
  const seen = { here: 0, elsewhere: 0 }
  const refreshing = new Map<string, ReturnType<typeof setTimeout>>()

  function paint(): void {
    const { state } = session
    const place = placeOf(state, refreshing.size > 0)
    card.dataset.place = place
    card.dataset.unasked = String(state.status === 'signed-out' && isUnasked(state.reason))
    for (const node of document.querySelectorAll<SVGGElement>('.node')) {
      node.classList.toggle('current', node.dataset.node === place)
    }
    find('sign-in', HTMLElement).hidden = state.status !== 'signed-out'
    find('sign-out', HTMLElement).hidden = state.status !== 'signed-in'
    show('state', headline(state))
    show('explanation', explanation(state))
    show('session-id', state.status === 'signed-in' ? state.sessionId.slice(0, 8) : '–')
  }

  session.subscribe(paint)
  session.on('refreshed', ({ by }) => {
    seen[by === 'this-tab' ? 'here' : 'elsewhere'] += 1
    show('refreshes-here', seen.here)
    show('refreshes-elsewhere', seen.elsewhere)
  })
  setInterval(() => {
    if (session.state.status === 'signed-in' && session.state.trouble) paint()
  }, 500)

  /** Takes the tab for refreshing for so much longer. */
  function keep(tab: string, ms: number): void {
    clearTimeout(refreshing.get(tab))
    refreshing.set(
      tab,
      setTimeout(() => {
        refreshing.delete(tab)
        paint()
      }, ms),
    )
    paint()
  }

  return {
    noteRefreshing: (tab, now) => {
      if (now) keep(tab, longestRefresh)
      else if (refreshing.has(tab)) keep(tab, glimpse)
    },
  }
}

function placeOf(state: SessionState, refreshing: boolean): string {
  if (state.status !== 'signed-in') return state.status
  if (refreshing) return 'refreshing'
  return state.trouble ? 'trouble' : 'signed-in'
}

/** The user did not ask for this end. */
const isUnasked = (reason: EndReason | null): boolean => reason !== null && reason !== 'signed-out'

function headline(state: SessionState): string {
  switch (state.status) {
    case 'loading':
      return 'Reading the stored session'
    case 'signed-out':
      return isUnasked(state.reason) ? `Signed out: ${state.reason}` : 'Signed out'
    case 'signed-in':
      return `Signed in as ${state.subject ?? 'somebody'}${state.trouble ? ', reconnecting' : ''}`
  }
}

function explanation(state: SessionState): string {
  switch (state.status) {
    case 'loading':
      return ''
    case 'signed-out':
      return state.reason ? reasons[state.reason] : 'No session is stored on this device.'
    case 'signed-in':
      return state.trouble ? troubleIn(state.trouble.retryAt - Date.now()) : 'The tokens are stored, sealed, for every tab of this origin.'
  }
}

function troubleIn(wait: number): string {
  const when = wait > 0 ? `tries again in ${Math.ceil(wait / 1000)} s` : 'is trying again'
  return `The token server cannot be had. The session stays, and Latchkey ${when}.`
}
