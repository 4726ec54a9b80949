import type { Diagnostic, SessionEnd, SessionEvents } from 'latchkey'

/** One line of the timeline. The tab that it is about stands before it, as the subject of the sentence. */
export interface Line {
  readonly text: string
  readonly tone: 'plain' | 'good' | 'bad' | 'faint'
}

const plain = (text: string): Line => ({ text, tone: 'plain' })
const good = (text: string): Line => ({ text, tone: 'good' })
const bad = (text: string): Line => ({ text, tone: 'bad' })
const faint = (text: string): Line => ({ text, tone: 'faint' })

/** What happens too often, says too little, or has a line of its own below. */
const noise: ReadonlySet<string> = new Set(['heard', 'record-read', 'refresh-ended', 'signed-in', 'signed-out', 'token-needed', 'woke'])

const signals: Readonly<Record<string, string>> = {
  visible: 'comes into view, looks',
  hidden: 'goes out of view',
  frozen: 'leaves, or is frozen',
  resumed: 'thaws, looks',
  online: 'is online again, looks',
}

const answers: Readonly<Record<string, Line>> = {
  granted: plain('is answered with new tokens'),
  rejected: bad('is refused for good'),
  unavailable: bad('gets no tokens, will try again'),
  overdue: bad('gets no answer in time, goes on listening'),
}

/** One diagnostic in plain words; a type that is new here as it is; `null` for noise. */
export function narrate({ type, detail }: Diagnostic): Line | null {
  if (noise.has(type)) return null
  switch (type) {
    case 'signalled':
      return faint(signals[String(detail.signal)] ?? String(detail.signal))
    case 'sent':
      return plain(detail.again ? 'sends the same refresh token again' : 'sends the refresh token')
    case 'answered':
      return answers[String(detail.outcome)] ?? faint(String(detail.outcome))
    case 'revocation':
      return detail.confirmed ? plain('has the tokens revoked at the server') : bad('could not have the tokens revoked')
    case 'token-refused':
      return bad('hears from the API that its token will not do')
    case 'read-failed':
    case 'store-failed':
      return bad('cannot use the store, goes on from memory')
    default:
      return faint([type, ...Object.entries(detail).map(([name, value]) => `${name} ${value}`)].join(' · '))
  }
}

export const wantsTokens: Line = faint('wants new tokens, asks for the lock')

export const narrateSignIn = ({ by, subject }: SessionEvents['signed-in']): Line =>
  good(by === 'this-tab' ? `signs in as ${subject}, for all tabs` : `is signed in as ${subject}, too`)

export const narrateRefresh = ({ by }: SessionEvents['refreshed'], generation: number): Line =>
  good(by === 'this-tab' ? `stores generation ${generation} for all tabs` : `takes over generation ${generation}`)

export const narrateEnd = ({ by, reason }: SessionEnd): Line =>
  bad(`${by === 'this-tab' ? 'ends the session' : 'hears of the end'}, tells its app: ${reason}`)
