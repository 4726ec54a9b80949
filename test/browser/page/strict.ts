// The page of the test of the Content Security Policy, as `window.strict`: an app that uses all that needs the network.

import { createSession, type Session } from 'latchkey'
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
  readonly call: () => Promise<number | string>
  /** Connections that were opened so far. */
  readonly connected: () => number
}

declare global {
  interface Window {
    strictConfig: { readonly issuer: string; readonly clientId: string; readonly api: string; readonly socket: string }
    strict: Strict
  }
}

const { issuer, clientId, api, socket } = window.strictConfig
const provider = oauth({ issuer, clientId, scope: 'openid api', redirectUri: `${location.origin}/callback` })
const session = createSession({ attachTo: [api], refresh: provider, limits: limits('aal2') })
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
  call: () => session.fetch(`${api}/me`).then(({ status }) => status, nameOf),
  connected: () => connections,
}
document.querySelector('button')?.addEventListener('click', () => void signInPopup(provider).then(session.signIn, nameOf))
