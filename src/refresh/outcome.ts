import type { Outcome } from '../core/outcome.ts'
import type { Ms } from '../core/time.ts'
import { readTokens } from '../core/tokens.ts'
import { isLatchkeyError, LatchkeyError } from '../errors.ts'

/** An answer, as far as it is judged by. */
interface Answer {
  readonly status: number
  readonly html: boolean
  /** `undefined` if the body is not JSON. */
  readonly json: unknown
}

/** Is this answer a refusal for good? */
export type Refusal = (answer: Answer) => boolean

/**
 * What ends a session at an OAuth token endpoint, and nothing else does: `invalid_grant` (RFC 6749 §5.2), or that only the user can help (OpenID
 * Connect Core §3.1.2.6), which Microsoft Entra ID answers to a refresh where multi-factor authentication is due.
 */
export const isRefusedGrant: Refusal = (answer) =>
  isOfTheRequest(answer) && /^(invalid_grant|(interaction|login)_required)$/.test(String(errorIn(answer)))

/** A 4xx: about what was asked, and not about the server. */
export const isOfTheRequest = ({ status }: Answer): boolean => status >= 400 && status < 500

/** RFC 6749 §5.2. */
const errorIn = ({ json }: Answer): unknown => (json as { readonly error?: unknown } | null | undefined)?.error

/** As the app judges it, `isRejected` of a strategy's options; else as we do. */
export function refusalBy(isRejected: ((status: number, json: unknown) => boolean) | undefined, ours: Refusal): Refusal {
  if (isRejected === undefined) return ours
  if (typeof isRejected !== 'function') throw new TypeError('`isRejected` must be a function.')
  return ({ status, json }) => {
    try {
      return isRejected(status, json)
    } catch (cause) {
      // Its TypeError would pass for one of the network's, and the token be presented at once again.
      throw new Error('`isRejected` failed on what the server answered. The session stays and tries again; mend `isRejected`.', { cause })
    }
  }
}

/** Home-made backends say it with a 401; one that is a web page comes from something in front of them (F29). */
export const isRefusal: Refusal = (answer) => isRefusedGrant(answer) || (answer.status === 401 && !answer.html)

/** Tells apart what ends a session, what is for now, and what may have tokens in it. Pure; the table of its test is the rule. */
const classify = (answer: Answer, isRejected: Refusal): 'granted' | 'rejected' | 'unavailable' =>
  isRejected(answer) ? 'rejected' : answer.status >= 200 && answer.status < 300 && answer.json !== undefined ? 'granted' : 'unavailable'

/** What the server has answered, as a refresh function says it: tokens; an error, for a refusal for good; the response itself thrown, for now. */
export async function tokensIn(response: Response, isRejected: Refusal): Promise<unknown> {
  const answer = await answerOf(response)
  const verdict = classify(answer, isRejected)
  if (verdict === 'granted') return answer.json
  if (verdict === 'unavailable') throw response
  throw new LatchkeyError(
    'refresh_rejected',
    `The server refused the refresh token for good (status ${answer.status}). The session has ended; ask the user to sign in.`,
  )
}

/** Makes no more of it than a token response can be: a page of megabytes is not one (REQ-41). */
const longestBody = 65_536

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const { headers, status } = response
  return {
    status,
    html: /^\s*</.test(text) || /html/i.test(headers.get('Content-Type') ?? ''),
    json: text.length > longestBody ? undefined : jsonOf(text),
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `Retry-After` as a span (RFC 9110 §10.2.3). A date is measured against the server's own; one without is of no use: our clock may be wrong. */
export function waitOf(retryAfter: string | null, date: string | null): Ms | null {
  if (!retryAfter) return null
  const span = /^\s*\d+\s*$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.parse(date ?? '')
  return span >= 0 ? span : null
}

/** What a refresh function has returned: tokens in either spelling, or the server's `Response` as it is. `tokenless`: see {@link readTokens}. */
export async function outcomeOf(returned: unknown, tokenless?: boolean): Promise<Outcome> {
  try {
    const found = isResponse(returned) ? await tokensIn(returned, isRefusal) : returned
    return { type: 'granted', issued: readTokens(found, { tokenless, salvage: !tokenless }) }
  } catch (error) {
    return outcomeOfError(error, true)
  }
}

/** What it has thrown: anything but `refresh_rejected` is for now. Where there was no answer, nobody knows whether the token was spent. */
export function outcomeOfError(cause: unknown, answered = !wasCutOff(cause)): Outcome {
  if (isLatchkeyError(cause, 'refresh_rejected')) return { type: 'rejected', cause }
  if (!isResponse(cause)) return { type: 'unavailable', answered, wait: null, cause, denied: isLatchkeyError(cause, 'refresh_unavailable') }
  const { headers, status } = cause
  const wait = waitOf(headers.get('Retry-After'), headers.get('Date'))
  return { type: 'unavailable', answered: true, wait, cause: new Error(`The server gave no tokens (status ${status}).`) }
}

/** What `fetch` rejects with: a TypeError for the network, a DOMException for an abort or a time-out. */
const wasCutOff = (error: unknown): boolean => /^(Type|Abort|Timeout)Error$/.test(String((error as Error | null | undefined)?.name))

/** A polyfill's, too; what an HTTP client throws may only look like one. */
function isResponse(it: unknown): it is Response {
  const { text, headers } = (it ?? {}) as Partial<Response> // any value may be asked for a member but these two
  return typeof text === 'function' && typeof headers?.get === 'function'
}
