import { browserClock } from '../adapters/clock.ts'
import { openFrame } from '../adapters/windows.ts'
import type { Ms } from '../core/time.ts'
import { LatchkeyError } from '../errors.ts'
import { within } from '../within.ts'
import { authorizationRequest } from './authorization-request.ts'
import { redeem } from './authorization-response.ts'
import { hearing } from './hearing.ts'
import { clientOf, type OAuthProvider } from './provider.ts'
import type { SignIn, SignInRequest } from './sign-in.ts'

/** Longest that a provider which has nothing to show may take: one that refuses to be framed never answers (F61). */
const longestSilence: Ms = 10_000

/**
 * Signs in without showing anything, if the provider knows the user and the browser lets it say so (third-party cookies). In a hidden
 * frame, which both the provider and the redirect page must allow; takes 10 s at most. Not after a session has ended: it would undo that.
 * @throws TypeError for a `returnTo` that is no path of this origin
 * @throws LatchkeyError `interaction_required`, `sign_in_failed`
 * @example
 * ```ts
 * await session.ready
 * const { state } = session
 * if (state.status === 'signed-out' && state.reason === null) await signInSilent(provider).then(session.signIn, () => null)
 * ```
 */
export async function signInSilent(provider: OAuthProvider, request: Omit<SignInRequest, 'prompt'> = {}): Promise<SignIn> {
  const client = clientOf(provider)
  const { url, state, pending } = await authorizationRequest(client, 'relay', { ...request, prompt: 'none' })
  const { answer: coming, stop } = hearing(state)
  const close = openFrame(url)
  try {
    const answer = await within(browserClock, longestSilence, coming)
    close() // before the page in it can go on, and ask silently itself
    return await redeem(client, state, pending, answer ?? silence())
  } finally {
    close()
    stop()
  }
}

const silence = (): LatchkeyError =>
  new LatchkeyError(
    'interaction_required',
    'The provider gave no answer in a hidden frame: it refuses frames, or the browser its cookies. Nobody was signed in; sign in visibly.',
  )
