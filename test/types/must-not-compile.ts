// Programs that must be refused: each line below an expectation is an error, or this file is.
import { createSession, isLatchkeyError, LatchkeyError, type RefreshFunction, type SessionState, type Store } from 'latchkey'
import { createApi } from 'latchkey/ky'
import { limits } from 'latchkey/limits'
import { logoutRedirect, oauth, type SignIn, signInPopup, signInRedirect, signInSilent } from 'latchkey/oauth'
import { backendForFrontend, oauthRefresh, refreshEndpoint } from 'latchkey/refresh'
import { applySignal } from 'latchkey/signals'
import { keepConnected } from 'latchkey/socket'
import { createWorld, type World } from 'latchkey/testing'

declare const state: SessionState
declare const error: unknown

const refresh = refreshEndpoint('/r')
const session = createSession({ attachTo: [], refresh, store: undefined, name: undefined })

export const options = () => {
  // @ts-expect-error nothing is attached by default: the list is required
  createSession({ refresh })
  // @ts-expect-error and so is a way to get new tokens
  createSession({ attachTo: [] })
  // @ts-expect-error a misspelt option
  createSession({ attachTo: [], refresh, attachto: [] })
  // @ts-expect-error a misspelt member of a destination
  createSession({ attachTo: [{ url: '/api', resources: 'x' }], refresh })
  // @ts-expect-error a destination is a text, or has a URL
  createSession({ attachTo: [new URL('https://api.example.com')], refresh })
  // @ts-expect-error web storage is no store
  createSession({ attachTo: [], refresh, store: localStorage })
  // @ts-expect-error no such moment
  createSession({ attachTo: [], refresh, keepFresh: 'never' })
  // @ts-expect-error no such way
  createSession({ attachTo: [], refresh, whenSignedOut: 'wait' })
  // @ts-expect-error a span is a number
  createSession({ attachTo: [], refresh, refreshTimeout: '10 s' })
  // @ts-expect-error limits are made by `latchkey/limits`
  createSession({ attachTo: [], refresh, limits: 'aal2' })
  // @ts-expect-error and by hand they cannot be
  createSession({ attachTo: [], refresh, limits: { start: () => {} } })
  // @ts-expect-error nor are they the function that makes them
  createSession({ attachTo: [], refresh, limits })
  // @ts-expect-error no such level
  limits('aal4')
  // @ts-expect-error no such limit
  limits({ absolute: 1 })
  // @ts-expect-error what a refresh gives has tokens in it
  createSession({ attachTo: [], refresh: async () => ({ token: 'x' }) })
}

export const sessions = () => {
  // @ts-expect-error no such event
  session.on('expire', () => {})
  // @ts-expect-error an end has no such member
  session.onSessionEnded(({ why }) => why)
  // @ts-expect-error state is a snapshot
  session.state = { status: 'loading' }
  // @ts-expect-error and cannot be changed
  session.state.status = 'signed-in'
  // @ts-expect-error narrow first
  state.reason
  // @ts-expect-error no token in the state, ever
  if (state.status === 'signed-in') state.accessToken
  // @ts-expect-error an access token is not a session
  session.signIn({ token: 'x' })
  // @ts-expect-error nor is the text of one
  session.signIn('x')
  // @ts-expect-error sealed tokens cannot be made by hand
  session.signIn({ claims: null, returnTo: '/' })
  // @ts-expect-error limits reach their ends by themselves
  session.signOut({ reason: 'idle' })
  // @ts-expect-error no such wish
  session.getToken({ audience: 'urn:files' })
}

export const errors = () => {
  // @ts-expect-error not a code
  isLatchkeyError(error, 'session_gone')
  // @ts-expect-error not a code either
  new LatchkeyError('rejected', 'No.')
  // @ts-expect-error an error has a code that stays
  if (isLatchkeyError(error)) error.code = 'closed'
  // @ts-expect-error nobody knows what it is
  error.code
}

export const strategies = () => {
  // @ts-expect-error an address is needed
  refreshEndpoint()
  // @ts-expect-error no such place
  refreshEndpoint('/r', { refreshToken: 'header' })
  // @ts-expect-error a header, and a value or a cookie
  refreshEndpoint('/r', { refreshToken: 'cookie', csrf: { header: 'X-CSRF' } })
  // @ts-expect-error a cookie is cleared by whoever has set it
  backendForFrontend({ session: '/bff/session' })
  // @ts-expect-error no secret fits into a browser
  oauthRefresh({ tokenEndpoint: '/token', clientId: 'c', clientSecret: 's' })
  // @ts-expect-error a client has a name
  oauthRefresh({ tokenEndpoint: '/token' })
  // @ts-expect-error a refresh token may be in a cookie, where nobody sees it
  const ofText: RefreshFunction = async ({ refreshToken }) => ({ access_token: refreshToken.trim() })
  // @ts-expect-error a store compares
  const store: Store = { read: async () => null, write: async () => {} }
  // @ts-expect-error and says whether it did
  const silent: Store = { read: async () => null, replace: async () => {} }
  return { ofText, store, silent }
}

export const others = () => {
  // @ts-expect-error the fetch underneath belongs to createSession
  createApi(session, { fetch })
  // @ts-expect-error what is kept open can be closed
  keepConnected(session, { open: () => ({ addEventListener: () => {} }) })
  // @ts-expect-error an EventSource does not say when it is closed
  keepConnected(session, { open: () => new EventSource('/events') })
  // @ts-expect-error and is opened somehow
  keepConnected(session, {})
  // @ts-expect-error only two tabs
  createWorld({ tabs: 2 }).tabs[2]
  // @ts-expect-error no such failure
  createWorld().server.fail('slow')
  // @ts-expect-error how many tabs there are was said
  const world: World<3> = createWorld({ tabs: 2 })
  return world
}

export const signals = () => {
  // @ts-expect-error a signal has a type
  applySignal(session, { current_level: 'HIGH' })
  // @ts-expect-error no such action
  applySignal(session, { type: 'session-revoked' }, { 'session-revoked': 'sign-out' })
  // @ts-expect-error a challenge names the API that made it
  signInPopup(oauth({ issuer: 'https://login.example.com', clientId: 'c' }), { stepUp: { acrValues: [], maxAge: 0, scope: null } })
  // @ts-expect-error what comes back is a sign-in, or nothing
  createSession({ attachTo: [], refresh, onStepUp: async () => true })
  // @ts-expect-error a preset has limits of its own
  limits('aal2', { idle: 1_000 })
}

export const providers = () => {
  const provider = oauth({ issuer: 'https://login.example.com', clientId: 'c' })
  // @ts-expect-error no secret fits into a browser
  oauth({ issuer: 'https://login.example.com', clientId: 'c', clientSecret: 's' })
  // @ts-expect-error it is off, preferred or required
  oauth({ issuer: 'https://login.example.com', clientId: 'c', dpop: 'required' })
  // @ts-expect-error a provider comes from oauth
  signInRedirect({ issuer: 'https://login.example.com', clientId: 'c' })
  // @ts-expect-error silence is a function of its own
  signInRedirect(provider, { prompt: 'none' })
  // @ts-expect-error and asks for nothing
  signInSilent(provider, { prompt: 'login' })
  // @ts-expect-error a URL, not a page
  logoutRedirect(provider, { returnTo: new URL('https://app.example.com') })
  // @ts-expect-error a sign-in is made by latchkey/oauth alone
  const forged: SignIn = { claims: null, returnTo: '/' }
  return forged
}
