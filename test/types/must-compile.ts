// Programs that must be accepted: what the documentation shows, and what other people's types look like.
import {
  createSession,
  type EndReason,
  isLatchkeyError,
  LatchkeyError,
  memoryStore,
  type RefreshFunction,
  type Session,
  type SessionState,
  type StepUpChallenge,
  type Store,
  type Tokens,
} from 'latchkey'
import { dpop } from 'latchkey/dpop'
import { createApi } from 'latchkey/ky'
import { limits } from 'latchkey/limits'
import { handleRedirect, oauth, type SignIn, signInPopup, signInRedirect, signInSilent } from 'latchkey/oauth'
import { backendForFrontend, oauthRefresh, refreshEndpoint } from 'latchkey/refresh'
import { applySignal } from 'latchkey/signals'
import { keepConnected } from 'latchkey/socket'
import { createWorld, storeContract, type Tab } from 'latchkey/testing'
import type { TokenEndpointResponse } from 'oauth4webapi'

/** Is the type exactly this one? */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const holds = <_ extends true>(): void => {}

declare const render: (state: SessionState) => void
declare const showLogin: (reason: EndReason | null) => void

// An own backend: a login that answers with tokens, a refresh endpoint that takes the refresh token as JSON.
export function ownBackend() {
  const session = createSession({ attachTo: ['https://api.example.com'], refresh: refreshEndpoint('https://api.example.com/auth/refresh') })
  session.subscribe((state) => render(state))
  session.onSessionExpired(({ reason }) => showLogin(reason))
  const login = async (body: FormData) =>
    session.signIn(await fetch('/auth/login', { method: 'POST', body }).then((response) => response.json()))
  const loadMe = () => session.fetch('https://api.example.com/me').then((response) => response.json())
  return { login, loadMe, logout: () => session.signOut() }
}

// An own backend that keeps the refresh token in a cookie.
export async function cookies() {
  const csrf = { header: 'X-CSRF-Token', cookie: '__Host-csrf' }
  const refresh = refreshEndpoint('https://api.example.com/auth/refresh', { refreshToken: 'cookie', logout: '/auth/logout', csrf })
  const session = createSession({ attachTo: ['https://api.example.com'], refresh })
  if ((await session.ready).status === 'signed-out') showLogin(null)
}

// A backend that keeps the tokens.
export async function behindBackend() {
  const refresh = backendForFrontend({ session: '/bff/session', logout: '/bff/logout', csrf: { header: 'X-App', value: 'web' } })
  const session = createSession({ attachTo: ['/api'], refresh })
  await session.refresh()
}

// Plain JavaScript, and every error at one call site.
export async function save(session: Session, note: string): Promise<'saved' | 'conflict' | 'sign in first' | 'try later' | 'gone'> {
  try {
    const response = await session.fetch('https://api.example.com/notes', { method: 'POST', body: note })
    return response.ok ? 'saved' : 'conflict'
  } catch (error) {
    if (isLatchkeyError(error, 'session_ended')) {
      holds<Same<typeof error.reason, EndReason>>()
      return error.reason === 'user-changed' ? 'gone' : 'sign in first'
    }
    if (isLatchkeyError(error)) {
      switch (error.code) {
        case 'signed_out':
          return 'sign in first'
        case 'refresh_unavailable':
          return error.retryAt === null ? 'gone' : 'try later'
        default:
          return 'gone'
      }
    }
    throw error
  }
}

// No function needs a `this`, and `fetch` is a fetch.
export function parts({ fetch, subscribe, signIn, close, on, state }: Session) {
  holds<Same<typeof fetch, typeof globalThis.fetch>>()
  if (state.status === 'signed-in') holds<Same<typeof state.subject, string | null>>()
  if (state.status === 'signed-in' && state.trouble) holds<Same<typeof state.trouble.error, LatchkeyError>>()
  if (state.status === 'signed-out') holds<Same<typeof state.reason, EndReason | null>>()
  const undo = [
    subscribe(render),
    on('refreshed', ({ by }) => holds<Same<typeof by, 'this-tab' | 'other-tab'>>()),
    on('diagnostic', (event) => JSON.stringify(event)),
    close,
  ]
  return { undo, signIn }
}

// Limits, and a countdown that the user can stop.
export function limited(strict: boolean, showCountdown: (until: number, stay: () => void) => void) {
  const session = createSession({ attachTo: ['/api'], refresh: asItIs, limits: strict ? limits('aal3') : limits({ idle: 3_600_000 }) })
  return session.on('expiring', ({ kind, endsAt }) => {
    holds<Same<typeof kind, 'idle' | 'max-age' | 'refresh-expired'>>()
    if (kind === 'idle') showCountdown(endsAt, session.extend)
  })
}

// The shortest strategy hands over the server's answer, status and Retry-After and all.
export const asItIs: RefreshFunction = ({ refreshToken, signal, fetch }) =>
  fetch('/graphql', { method: 'POST', body: JSON.stringify({ query: 'mutation { refresh }', refreshToken }), signal })

// A judgment of one's own: throw for "not now", throw `refresh_rejected` for "never again".
export const ownJudgment: RefreshFunction = async ({ refreshToken, signal, fetch }) => {
  const response = await fetch('/graphql', { method: 'POST', body: JSON.stringify({ refreshToken }), signal })
  const { data, errors } = (await response.json()) as { data?: Tokens; errors?: { code: string }[] }
  if (errors?.[0]?.code === 'UNKNOWN_DEVICE') throw new LatchkeyError('refresh_rejected', 'The backend does not know this device any more.')
  if (!data) throw new Error('The backend gave neither data nor a reason.')
  return data
}

// Two accounts side by side, each at a provider of its own.
const at = (tenant: string) =>
  createSession({
    name: tenant,
    attachTo: [
      `https://${tenant}.example.com`,
      { url: `https://${tenant}.example.com/files`, resource: 'urn:files', whenSignedOut: 'send' },
    ],
    refresh: oauthRefresh({ tokenEndpoint: `https://${tenant}.example.com/token`, clientId: 'spa', isRejected: undefined }),
  })

// A worker: the same code, another store.
export const inWorker = () =>
  createSession({ attachTo: ['https://api.example.com'], refresh: asItIs, store: memoryStore(), keepFresh: 'on-demand' })

// Options that a configuration may leave out.
export const configured = (config: { timeout: number | undefined; store: Store | undefined }) =>
  createSession({ attachTo: ['/api'], refresh: ownJudgment, refreshTimeout: config.timeout, store: config.store, fetch: undefined })

// What other people's types look like: an interface without an index signature, a library's response, camel case.
interface MyLogin {
  access_token: string
  refresh_token?: string
  user: { id: number }
}
export async function foreign(mine: MyLogin, theirs: TokenEndpointResponse) {
  const session = at('home')
  await session.signIn(mine, { subject: String(mine.user.id) })
  await session.signIn(theirs)
  await session.signIn({ accessToken: 'a', expiresIn: 300 })
}

// A client with interceptors of its own.
export async function byHand(session: Session, url: string, send: (token: string | null) => Promise<{ status: number }>) {
  const to = session.destinationOf(url)
  if (!to) return send(null)
  const token = await session.getToken({ resource: to.resource })
  const first = await send(token)
  if (first.status !== 401) return first
  await session.refresh({ insteadOf: token })
  return send(await session.getToken(to))
}

// ky on a session.
export const me = (session: Session) =>
  createApi(session, { baseUrl: 'https://api.example.com/v1/', retry: 1 })('me').json<{ name: string }>()

// A user's own tests: tabs are a tuple, so that none of them may be undefined.
export async function ownTests(store: () => Store) {
  const world = createWorld({ tabs: 2, seed: 7 })
  holds<Same<typeof world.tabs, readonly [Tab, Tab]>>()
  const [first, second] = world.tabs
  await first.session.signIn(world.server.grant({ expires_in: 10 }))
  second.freeze()
  world.server.fail({ status: 503, retryAfter: 30 }, 3)
  await world.advance(3_600_000)
  for (const tab of createWorld({ tabs: Math.ceil(Math.random() * 4) }).tabs) tab.session.close()
  return storeContract(store).map(({ name, run }) => ({ name, run }))
}

// Sockets, and what is like them.
export function sockets(
  session: Session,
  ticketUrl: (token: string) => Promise<string>,
  feed: (token: string) => EventTarget & { close(): void },
) {
  const undo = [
    keepConnected(session, { open: async (token) => new WebSocket(await ticketUrl(token)) }),
    keepConnected(session, { open: feed, renew: undefined }),
    keepConnected(session, {
      open: (token, signal) => Object.assign(new WebSocket('wss://api.example.com'), { token, signal }),
      renew: (socket, token) => socket.send(socket.signal.aborted ? socket.token : token),
    }),
  ]
  return () => undo.forEach((stop) => void stop())
}

// Signals that a backend has verified, and limits with the moment of an incident.
export async function signals(session: Session, data: string) {
  createSession({
    attachTo: ['/api'],
    refresh: async () => ({ accessToken: 'a' }),
    limits: limits('aal2', { incidentAt: Date.UTC(2026, 10, 20) }),
  })
  await applySignal(session, JSON.parse(data))
  await applySignal(session, { type: 'risk-level-change', current_level: 'HIGH' }, { 'risk-level-change': 'refresh', mine: 'end' })
}

// A provider: its sign-ins are taken by a session as they are, and a challenge (RFC 9470) is answered by a sign-in.
export async function provider(session: Session, challenge: { origin: string; acrValues: string[]; maxAge: number | null; scope: null }) {
  const login = oauth({ issuer: 'https://login.example.com', clientId: 'spa', redirectUri: undefined, dpop: dpop('required') })
  const stepUp = async (demanded: StepUpChallenge) => (demanded.scope ? null : signInPopup(login, { stepUp: demanded }))
  createSession({ attachTo: ['https://api.example.com'], refresh: login, onStepUp: stepUp })
  createSession({ attachTo: ['/api'], refresh: login, onStepUp: (demanded) => signInRedirect(login, { stepUp: demanded }) })
  const back: SignIn | null = await handleRedirect(login)
  if (back) await session.signIn(back)
  await signInSilent(login).then(session.signIn, () => null)
  const { claims, returnTo } = await signInPopup(login, { stepUp: challenge })
  const who: string | undefined = claims?.sub
  const never: never = await signInRedirect(login, { returnTo })
  return { who, never }
}
