// The page of the test of the Content Security Policy, as `window.strict`: an app that uses all that needs the network.

import { createSession, type Session, type SignInInput, type StepUpChallenge } from 'latchkey'
import { dpop } from 'latchkey/dpop'
import { limits } from 'latchkey/limits'
import { handleRedirect, logoutRedirect, oauth, signInPopup, signInRedirect, signInSilent } from 'latchkey/oauth'
import { keepConnected } from 'latchkey/socket'

interface Strict {
  readonly session: Session
  readonly returned: Promise<unknown>
  readonly redirect: () => void
  readonly silent: () => Promise<string>
  /** Leaves for the provider's page. */
  readonly logout: (returnTo: string) => void
  readonly call: (path?: string) => Promise<number | string>
  /** Has an API demanded more? The next click is the user's answer. */
  readonly isDemanded: () => boolean
  /** Connections that were opened so far. */
  readonly connected: () => number
}

declare global {
  interface Window {
    strictConfig: {
      readonly issuer: string
      readonly clientId: string
      readonly api: string
      readonly socket: string
      readonly dpop?: 'required'
    }
    strict: Strict
  }
}

const { issuer, clientId, api, socket, dpop: mode } = window.strictConfig
const provider = oauth({ issuer, clientId, scope: 'openid api', redirectUri: `${location.origin}/callback`, dpop: mode && dpop(mode) })
let demand: { readonly challenge: StepUpChallenge; readonly answer: (signIn: Promise<SignInInput>) => void } | null = null
const session = createSession({
  attachTo: [api],
  refresh: provider,
  limits: new URL(location.href).pathname === '/kiosk' ? limits({ idle: 1_000 }) : limits('aal2'),
  onStepUp: (challenge) =>
    new Promise((answer) => {
      demand = { challenge, answer }
    }),
})
const nameOf = (error: unknown) => String((error as { code?: unknown }).code ?? (error as Error).name)
let connections = 0

keepConnected(session, {
  open: (token) =>
    new Promise<WebSocket>((resolve, reject) => {
      const connection = new WebSocket(socket)
      connection.onopen = () => {
        connections++
        connection.send(token)
        resolve(connection)
      }
      connection.onerror = reject
    }),
})

window.strict = {
  session,
  returned: handleRedirect(provider).then((back) => back && session.signIn(back)),
  redirect: () => void signInRedirect(provider),
  silent: () =>
    signInSilent(provider)
      .then(session.signIn)
      .then(() => 'signed in', nameOf),
  logout: (returnTo) => void logoutRedirect(provider, { returnTo }),
  call: (path = '/me') => session.fetch(api + path).then(({ status }) => status, nameOf),
  isDemanded: () => demand !== null,
  connected: () => connections,
}
document.querySelector('button')?.addEventListener('click', () => {
  if (demand) demand.answer(signInPopup(provider, { stepUp: demand.challenge }))
  else void signInPopup(provider).then(session.signIn, nameOf)
  demand = null
})
