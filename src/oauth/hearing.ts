import { hearAnswer } from '../adapters/answers.ts'
import { failure } from './failure.ts'

/**
 * Where the answer from another window will be heard.
 * @throws LatchkeyError `sign_in_failed` where there is no channel to it: old Safari has none (F47), and some origins are refused it (F46)
 */
export function hearing(state: string): ReturnType<typeof hearAnswer> {
  try {
    return hearAnswer(state)
  } catch (cause) {
    throw failure(cause, 'The browser has no channel between windows. Nobody was signed in; use signInRedirect.')
  }
}
