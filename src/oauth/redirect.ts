import { here, leaveFor, showAddress } from '../adapters/address.ts'
import { tellAnswer } from '../adapters/answers.ts'
import { browserClock } from '../adapters/clock.ts'
import { closeWindow } from '../adapters/windows.ts'
import type { Ms } from '../core/time.ts'
import { LatchkeyError } from '../errors.ts'
import { within } from '../within.ts'
import { authorizationRequest, redirectUriOf, type Way } from './authorization-request.ts'
import { redeem } from './authorization-response.ts'
import { cancelled } from './failure.ts'
import { takePending } from './pending.ts'
import { type Client, clientOf, type OAuthProvider } from './provider.ts'
import type { SignIn, SignInRequest } from './sign-in.ts'

/**
 * Leaves for the provider (code flow, PKCE, state, nonce). The promise stays pending unless it cannot leave, or the user comes back to this very page, or stays on it.
 * @throws TypeError for a `returnTo` that is no path of this origin
 * @throws LatchkeyError `sign_in_failed` if the provider's metadata cannot be had, or the browser keeps nothing for the way back; or with a `stepUp`, if this tab has
 * come back from one for the same API less than a minute ago; `sign_in_cancelled` from the page that the user comes back to
 * @example
 * ```ts
 * button.onclick = () => signInRedirect(provider)
 * ```
 */
export async function signInRedirect(provider: OAuthProvider, request: SignInRequest = {}): Promise<never> {
  const { url } = await authorizationRequest(clientOf(provider), 'redirect', request)
  await leaveFor(url)
  throw cancelled()
}

/**
 * Finishes a sign-in if this page load is the return from one, whichever function started it; else resolves with `null`.
 * Uses the answer once and cleans the address bar; asked again on the same page load it gives the same result (StrictMode), until
 * that user signs out on it; so make the provider once, at module level.
 * Call it on every load of the redirect page, before the router. In a window or frame that {@link signInPopup} or {@link signInSilent}
 * has opened it hands the answer over, closes the window, and resolves with `null`.
 * @throws LatchkeyError `sign_in_failed`, `sign_in_cancelled`
 * @example
 * ```ts
 * const back = await handleRedirect(provider).catch(showFailure)
 * if (back) await session.signIn(back)
 * ```
 */
export async function handleRedirect(provider: OAuthProvider): Promise<SignIn | null> {
  const client = clientOf(provider)
  client.memory.returned ??= finish(client)
  return client.memory.returned
}

async function finish(client: Client): Promise<SignIn | null> {
  const page = here()
  const answer = page && answerAt(page, redirectUriOf(client))
  if (!answer) return null
  const { way, state, search } = answer
  if (way === 'relay') {
    showAddress(redirectUriOf(client))
    return handOver(state, search)
  }
  const pending = takePending(state, client.id)
  if (pending === 'foreign') return null // another provider's, which will be asked, too
  showAddress(redirectUriOf(client)) // before anything else is loaded: nobody shall learn the code from a Referer (REQ-28)
  if (!pending) throw noSuchSignIn('This tab has begun no such sign-in, or it was too long ago')
  return redeem(client, state, pending, search)
}

/** What the provider has sent along with the user: to our redirect page, and under a `state` that only we make. */
function answerAt({ origin, pathname, search, searchParams }: URL, redirectUri: string): Answer | null {
  const home = new URL(redirectUri)
  const [state, way] = /^(redirect|relay)\.[\w-]{43}$/.exec(searchParams.get('state') ?? '') ?? []
  const isAnswer = origin === home.origin && pathname === home.pathname && (searchParams.has('code') || searchParams.has('error'))
  return isAnswer && state ? { way: way as Way, state, search } : null
}

interface Answer {
  readonly way: Way
  readonly state: string
  readonly search: string
}

/** Longest that the window which began it may take to hear of it. */
const handOverWait: Ms = 5_000

async function handOver(state: string, search: string): Promise<null> {
  const { heard, stop } = tellAnswer(state, search)
  const isHeard = await within(browserClock, handOverWait, heard)
  stop()
  if (!isHeard) throw noSuchSignIn('The page that began it is gone')
  closeWindow()
  return null
}

const noSuchSignIn = (why: string): LatchkeyError =>
  new LatchkeyError('sign_in_failed', `The provider’s answer was not used. ${why}. Nobody was signed in; offer another try.`)
