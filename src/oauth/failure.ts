import { isLatchkeyError, LatchkeyError } from '../errors.ts'
import { outcomeOfError } from '../refresh/outcome.ts'

/** What the app is told of a sign-in that has come to nothing, or of what else it was. */
export function failure(thrown: unknown, message = 'The sign-in failed. Nobody was signed in; offer another try.'): LatchkeyError {
  if (isLatchkeyError(thrown)) return thrown
  const cause = tellable(thrown)
  const error = (cause as ProviderError | null | undefined)?.error
  if (error === 'access_denied') return cancelled(cause)
  if (interactive.test(String(error)))
    return new LatchkeyError('interaction_required', 'The provider has to ask the user first. Nobody was signed in; sign in visibly.', {
      cause,
    })
  return new LatchkeyError('sign_in_failed', message, { cause })
}

export const cancelled = (cause?: unknown): LatchkeyError =>
  new LatchkeyError(
    'sign_in_cancelled',
    'The user declined or came back, or the provider refused. Nobody was signed in; there is nothing to do.',
    { cause },
  )

/** RFC 6749 §4.1.2.1, §5.2. */
interface ProviderError {
  readonly error?: string | undefined
  readonly error_description?: string | undefined
}

const interactive = /^(login|interaction|consent|account_selection)_required$/

/** Errors of oauth4webapi carry what they are about, tokens included: of those, the provider's own words or the message. */
function tellable(thrown: unknown): unknown {
  const { code, error, error_description, message } = (thrown ?? {}) as ProviderError & Partial<Error> & { readonly code?: unknown } // any value may be asked for members but these two
  if (typeof error === 'string') return { error, error_description }
  if (typeof code === 'string') return new Error(message)
  const outcome = outcomeOfError(thrown) // of a response, its status
  return outcome.type === 'unavailable' ? outcome.cause : thrown
}
