// What the test page offers to the tests, as `window.app`.

import { createSession, isLatchkeyError, type Refresher, type Session, type SessionEnd, type SessionOptions } from 'latchkey'
import { limits } from 'latchkey/limits'
import { keepConnected } from 'latchkey/socket'
import { broadcastPeers } from '../../../src/adapters/broadcast-peers.ts'
import { browserClock } from '../../../src/adapters/clock.ts'
import { deviceStore } from '../../../src/adapters/device-store.ts'
import { webLock } from '../../../src/adapters/web-lock.ts'
import { runContract } from './contracts.ts'
import { type Body, bodies, type Shape, shapes } from './shapes.ts'

/** What the app heard and what its calls came to, in order. */
export interface Note {
  readonly what: string
  readonly detail: string | null
  /** On the wall clock, which all tabs share. */
  readonly at: number
}

/** A call, as far as a test asks: the status of its answer, or the code of the error. */
export type Came = number | string

export interface App {
  readonly session: Session
  readonly notes: readonly Note[]
  readonly ends: readonly SessionEnd[]
  readonly expirations: readonly SessionEnd[]
  /** Errors that nobody caught. */
  readonly uncaught: readonly string[]
  /** A session of one's own, of the same server, which keeps no notes. */
  readonly open: (options?: Partial<SessionOptions>) => Session
  readonly note: (what: string, detail?: string | null) => void
  readonly limits: typeof limits
  /** Keeps a socket to the server open, and notes whenever it opens one. */
  readonly keepFeed: () => void
  readonly call: (path?: string, init?: RequestInit) => Promise<Came>
  readonly nameOf: (error: unknown) => string
  readonly webLock: typeof webLock
  readonly broadcastPeers: typeof broadcastPeers
  readonly browserClock: typeof browserClock
  readonly deviceStore: typeof deviceStore
  readonly runContract: typeof runContract
  readonly shapes: Readonly<Record<string, Shape>>
  readonly bodies: Readonly<Record<string, Body>>
}

declare global {
  interface Window {
    app: App
  }
}

const origin = new URL((document.currentScript as HTMLScriptElement).src).origin // this is a classic script

const refresher: Refresher = {
  id: 'scripted-server',
  refresh: ({ refreshToken, fetch, signal }) => fetch(`${origin}/token`, { method: 'POST', body: refreshToken, signal }),
  revoke: async ({ refreshToken, fetch, signal }) => {
    const response = await fetch(`${origin}/revoke`, { method: 'POST', body: refreshToken, signal, keepalive: true })
    if (!response.ok) throw response
  },
}

const open = (options: Partial<SessionOptions> = {}): Session =>
  createSession({ attachTo: [`${origin}/api`], refresh: refresher, name: 'test', ...options })

const notes: Note[] = []
const ends: SessionEnd[] = []
const expirations: SessionEnd[] = []
const uncaught: string[] = []
addEventListener('error', ({ message }) => uncaught.push(message))
addEventListener('unhandledrejection', ({ reason }) => uncaught.push(String(reason)))
const note = (what: string, detail: string | null = null) => notes.push({ what, detail, at: Date.now() })

const nameOf = (error: unknown): string =>
  isLatchkeyError(error) ? `${error.code}${error.reason ? ` ${error.reason}` : ''}` : error instanceof Error ? error.name : String(error)

// Options that a test has for this page's session.
const session = open(JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}'))
session.on('signed-in', ({ by }) => note('signed-in', by))
session.on('refreshed', ({ by }) => note('refreshed', by))
session.onSessionEnded((end) => {
  ends.push(end)
  note('ended', end.reason)
})
session.onSessionExpired((end) => expirations.push(end))

const call = (path = '/api/me', init?: RequestInit): Promise<Came> =>
  session.fetch(origin + path, init).then(({ status }) => status, nameOf)

const keepFeed = () =>
  void keepConnected(session, {
    open: (token) =>
      new Promise<WebSocket>((resolve, reject) => {
        note('feed')
        const socket = new WebSocket(`${origin.replace('http', 'ws')}/api/feed`)
        socket.onerror = () => reject(new Error('The socket did not open.'))
        socket.onopen = () => {
          socket.send(token)
          resolve(socket)
        }
      }),
  })

// What an app does that cannot wait: a call in the tick that makes the session.
if (location.search === '?call') call('/api/first').then((came) => note('first call', String(came)))

window.app = {
  session,
  notes,
  ends,
  expirations,
  uncaught,
  open,
  note,
  limits,
  keepFeed,
  call,
  nameOf,
  webLock,
  broadcastPeers,
  browserClock,
  deviceStore,
  runContract,
  shapes,
  bodies,
}
