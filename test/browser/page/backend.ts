// A page whose session a backend keeps, as `window.behind`. With a `data-api` at its script it gets access tokens, and calls that API itself.

import { createSession, deviceStore, isLatchkeyError, type Session, type SessionEnd } from 'latchkey'
import { backendForFrontend, refreshEndpoint } from 'latchkey/refresh'

export interface Behind {
  readonly session: Session
  readonly ends: readonly SessionEnd[]
  /** How often another answer of the backend was heard of. */
  readonly refreshed: () => number
  /** What is stored where scripts can read it, unsealed; what other tabs have said; the document; the state. */
  readonly received: () => Promise<string>
  /** The status of the answer, or the code of the error. */
  readonly call: (url: string, init?: RequestInit) => Promise<number | string>
}

declare global {
  interface Window {
    behind: Behind
  }
}

const { api } = (document.currentScript as HTMLScriptElement).dataset // this is a classic script
const session = api
  ? createSession({
      attachTo: [api],
      refresh: refreshEndpoint('/auth/refresh', {
        refreshToken: 'cookie',
        logout: '/auth/logout',
        csrf: { header: 'X-CSRF-Token', cookie: 'csrf' },
      }),
    })
  : createSession({ attachTo: ['/api'], refresh: backendForFrontend({ session: '/bff/session', logout: '/bff/logout' }) })

const ends: SessionEnd[] = []
let refreshed = 0
session.onSessionEnded((end) => ends.push(end))
session.on('refreshed', () => refreshed++)

const messages: unknown[] = []
const name = `latchkey:${api ? '/auth/refresh' : '/bff/session'}`
new BroadcastChannel(name).onmessage = ({ data }) => messages.push(data)

async function received(): Promise<string> {
  const stored = [{ ...localStorage }, { ...sessionStorage }, document.cookie, await deviceStore().read(name)]
  return JSON.stringify([stored, location.href, messages, session.state, ends, document.documentElement.outerHTML])
}

const call = (url: string, init?: RequestInit) =>
  session.fetch(url, init).then(
    (response) => response.text().then(() => response.status), // what is not read has never been received
    (error: unknown) => (isLatchkeyError(error) ? `${error.code}${error.reason ? ` ${error.reason}` : ''}` : String((error as Error).name)),
  )

window.behind = { session, ends, refreshed: () => refreshed, received, call }
