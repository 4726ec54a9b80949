import { isHTTPError, type KyInstance } from 'ky'
import { isLatchkeyError, type Session } from 'latchkey'
import { find, onClick, show } from './find.ts'

const rhythm = 400
const noticeable = 250
const remembered = 72

/** `late`: answered, but the call had to wait for a token first. `unsent`: the library kept it back. */
type Outcome = 'waiting' | 'ok' | 'late' | 'failed' | 'unsent'

/** Calls the API on a click and, if wanted, all the time; shows what comes back. */
export function showCalls(session: Session, api: KyInstance): void {
  const counts = { ok: 0, failed: 0, waiting: 0 }
  const always = find('call-always', HTMLInputElement)

  async function call(): Promise<void> {
    const mark = addMark()
    const began = performance.now()
    count('waiting', 1)
    try {
      const body = await api('me').text()
      const took = Math.round(performance.now() - began)
      mark(took > noticeable ? 'late' : 'ok')
      count('ok', 1)
      show('last-answer', `200  ${body}  after ${took} ms`)
    } catch (error) {
      mark(isLatchkeyError(error) ? 'unsent' : 'failed')
      count('failed', 1)
      show('last-answer', explain(error))
    } finally {
      count('waiting', -1)
    }
  }

  function count(what: keyof typeof counts, by: number): void {
    counts[what] += by
    show(`calls-${what}`, counts[what])
  }

  onClick('call-now', call)
  setInterval(() => {
    if (always.checked && session.state.status === 'signed-in') call()
  }, rhythm)
}

/** Puts one mark on the strip, the newest on the right. */
function addMark(): (outcome: Outcome) => void {
  const strip = find('strip', HTMLOListElement)
  const mark = strip.appendChild(document.createElement('li'))
  mark.className = 'waiting' satisfies Outcome
  while (strip.childElementCount > remembered) strip.firstElementChild?.remove()
  return (outcome) => {
    mark.className = outcome
  }
}

function explain(error: unknown): string {
  if (isLatchkeyError(error)) return `${error.code}: ${error.message}`
  if (isHTTPError(error)) return `${error.response.status}  ${error.response.headers.get('www-authenticate') ?? ''}`
  return String(error)
}
