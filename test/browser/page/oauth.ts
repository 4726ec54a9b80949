// The page of the tests of `latchkey/oauth`, as `window.app`: an app that signs in with a provider.

import {
  createSession,
  type Destination,
  isLatchkeyError,
  type Session,
  type SessionEnd,
  type SignInInput,
  type StepUpChallenge,
} from 'latchkey'
import { dpop } from 'latchkey/dpop'
import {
  handleRedirect,
  logoutRedirect,
  type OAuthOptions,
  oauth,
  type SignIn,
  type SignInRequest,
  signInPopup,
  signInRedirect,
  signInSilent,
} from 'latchkey/oauth'

/** What a sign-in came to, as far as it may be told. */
export type Told =
  | { readonly subject: string | null; readonly returnTo: string; readonly printed: string }
  | { readonly code: string; readonly message: string; readonly cause: string }
  | null

/** Options that are no JSON, in words: JSON is what the page is told. */
export interface InWords {
  readonly dpop?: 'prefer' | 'required' | undefined
  /** A 400 that is not JSON is a refusal for good. */
  readonly rejectsWithoutWords?: boolean
  /** Of another provider that comes back to the same page, and is asked first. */
  readonly anotherIssuer?: string | undefined
}

export interface OAuthApp {
  readonly session: Session
  readonly ends: readonly SessionEnd[]
  /** What `handleRedirect` answered on this page load, which asked twice. */
  readonly returned: Promise<{ readonly told: Told; readonly isSame: boolean }>
  /** The same of the other provider on this page. */
  readonly returnedToAnother: Promise<Told>
  readonly redirect: (request?: SignInRequest) => Promise<Told>
  readonly popup: (request?: SignInRequest) => Promise<Told>
  readonly silent: () => Promise<Told>
  readonly logout: (returnTo?: string) => Promise<Told>
  readonly handleRedirect: () => Promise<Told>
  /** What an API has demanded, and nobody has answered yet. */
  readonly demanded: () => StepUpChallenge | null
}

declare global {
  interface Window {
    oauthConfig: Omit<OAuthOptions, 'dpop'> & { readonly api: string; readonly attachTo?: readonly Destination[] } & InWords
    oauthApp: OAuthApp
    /** Puts `session.fetch` in the place of `fetch`. */
    oauthPatches?: boolean
  }
}

const { api, attachTo = [{ url: api }], rejectsWithoutWords, anotherIssuer, dpop: mode, ...options } = window.oauthConfig
const isRejected = rejectsWithoutWords ? (status: number, json: unknown) => status === 400 && json === undefined : undefined
const provider = oauth({ ...options, isRejected, dpop: mode && dpop(mode) })
/** An API demands more: the next click is the user's answer, as a popup wants one. */
let demand: { readonly challenge: StepUpChallenge; readonly answer: (signIn: Promise<SignInInput>) => void } | null = null
const session = createSession({
  attachTo,
  refresh: provider,
  onStepUp: (challenge) =>
    new Promise((answer) => {
      demand = { challenge, answer }
    }),
})
if (window.oauthPatches) window.fetch = session.fetch
const ends: SessionEnd[] = []
session.onSessionEnded((end) => ends.push(end))

const told = async (work: Promise<SignIn | null>): Promise<Told> => {
  try {
    const signedIn = await work
    if (!signedIn) return null
    await session.signIn(signedIn)
    return {
      subject: signedIn.claims?.sub ?? null,
      returnTo: signedIn.returnTo,
      printed: JSON.stringify(signedIn) + String(signedIn) + Object.getOwnPropertyNames(signedIn),
    }
  } catch (error) {
    if (!isLatchkeyError(error)) return { code: String((error as Error).name), message: String((error as Error).message), cause: '' }
    return {
      code: error.code,
      message: error.message,
      cause: error.cause instanceof Error ? error.cause.message : (JSON.stringify(error.cause) ?? ''),
    }
  }
}

const another = anotherIssuer ? handleRedirect(oauth({ ...options, issuer: anotherIssuer })) : Promise.resolve(null)
// StrictMode asks twice.
const [first, second] = [handleRedirect(provider), handleRedirect(provider)]

window.oauthApp = {
  session,
  ends,
  returned: Promise.allSettled([first, second]).then(async ([one, other]) => ({
    told: await told(first),
    isSame: one.status === 'fulfilled' && other.status === 'fulfilled' ? one.value === other.value : one.status === other.status,
  })),
  returnedToAnother: told(another),
  redirect: (request) => told(signInRedirect(provider, request)),
  popup: (request) => told(signInPopup(provider, request)),
  silent: () => told(signInSilent(provider)),
  logout: (returnTo) => told(logoutRedirect(provider, { returnTo })),
  handleRedirect: () => told(handleRedirect(provider)),
  demanded: () => demand?.challenge ?? null,
}
document.querySelector('button')?.addEventListener('click', () => {
  if (!demand) window.popupCame = window.oauthApp.popup()
  else demand.answer(signInPopup(provider, { stepUp: demand.challenge }))
  demand = null
})

declare global {
  interface Window {
    popupCame: Promise<Told>
  }
}
