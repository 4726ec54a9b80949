import { browserClock } from '../adapters/clock.ts'
import { openPopup } from '../adapters/windows.ts'
import { LatchkeyError } from '../errors.ts'
import { within } from '../within.ts'
import { authorizationRequest, pageHere } from './authorization-request.ts'
import { redeem } from './authorization-response.ts'
import { cancelled } from './failure.ts'
import { hearing } from './hearing.ts'
import { longestSignIn } from './pending.ts'
import { clientOf, type OAuthProvider } from './provider.ts'
import type { SignIn, SignInRequest } from './sign-in.ts'

/**
 * Signs in in a window of its own. Call it straight from a click. The redirect page, which calls {@link handleRedirect}, hands the
 * answer over and closes the window.
 *
 * A window that the user has closed is noticed when they are back on this page.
 * @throws TypeError for a `returnTo` that is no path of this origin
 * @throws LatchkeyError `popup_blocked`, `sign_in_cancelled`, `sign_in_failed`
 * @example
 * ```ts
 * button.onclick = async () => session.signIn(await signInPopup(provider))
 * ```
 */
export async function signInPopup(provider: OAuthProvider, request: SignInRequest = {}): Promise<SignIn> {
  const client = clientOf(provider)
  pageHere()
  const popup = openPopup() // with no await before it: after one it is no longer the click's
  if (!popup)
    throw new LatchkeyError('popup_blocked', 'The browser did not open the popup. Call it straight from a click, or use signInRedirect.')
  const stops = [popup.close]
  try {
    // From now on: a user may be quicker than the provider's metadata.
    const left = new Promise<null>((resolve) => stops.push(popup.watch(() => resolve(null))))
    const { url, state, pending } = await authorizationRequest(client, 'relay', request)
    const { answer, stop } = hearing(state)
    stops.push(stop)
    popup.show(url)
    const heard = await within(browserClock, longestSignIn, Promise.race([answer, left]))
    return await redeem(client, state, pending, heard ?? cancelled())
  } finally {
    for (const stop of stops) stop()
  }
}
