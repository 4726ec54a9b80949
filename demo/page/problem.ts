import { isLatchkeyError } from 'latchkey'
import { find, show } from './find.ts'

/** Says on the page that something the user asked for did not work. */
export function showProblem(error: unknown): void {
  if (isLatchkeyError(error, 'session_ended')) return // the page shows the end already
  const text = isLatchkeyError(error) ? `${error.code}: ${error.message}` : String(error)
  show('problem', text)
  find('problem', HTMLElement).hidden = false
}

export function clearProblem(): void {
  find('problem', HTMLElement).hidden = true
}
