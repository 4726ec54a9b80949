import type { Ms } from '../core/time.ts'

/** What an API has asked for: a stronger sign-in, or a fresher one (RFC 9470). */
export interface StepUpChallenge {
  /** The API's origin. */
  readonly origin: string
  /** Acceptable `acr` values, best first. */
  readonly acrValues: readonly string[]
  /** The sign-in may be at most this old, in ms; or `null`. */
  readonly maxAge: Ms | null
  readonly scope: string | null
}

/**
 * What a 401 says about the token that was sent (RFC 6750 §3, RFC 9449 §7.1): that it is `invalid`; nothing (`unsaid`: no reason given,
 * or CORS hides the header); which sign-in the API at `origin` demands (RFC 9470 §3); or `null`, that something else is the matter, and
 * another token would not help (F54).
 */
export function refusalOf(header: string | null, origin: string): 'invalid' | 'unsaid' | StepUpChallenge | null {
  if (header === null) return 'unsaid'
  const ours = challengesOf(header).filter(({ scheme }) => scheme === 'bearer' || scheme === 'dpop')
  const byError = new Map(ours.map(({ params }) => [params.get('error'), params]))
  if (byError.has('use_dpop_nonce')) return null // about the proof, whatever is offered beside it (RFC 9449 §9)
  if (byError.has('invalid_token')) return 'invalid'
  const demand = byError.get('insufficient_user_authentication')
  // An API that knows both schemes names both, and gives its reason with one.
  if (!demand) return byError.size === 1 && byError.has(undefined) ? 'unsaid' : null
  const maxAge = demand.get('max_age') ?? ''
  return {
    origin,
    acrValues: demand.get('acr_values')?.match(/\S+/g) ?? [],
    maxAge: /^\d{1,10}$/.test(maxAge) ? Number(maxAge) * 1000 : null,
    scope: demand.get('scope') || null,
  }
}

export interface Challenge {
  /** In lower case, as are the names of the parameters. */
  readonly scheme: string
  readonly params: ReadonlyMap<string, string>
}

/** More than any server sends; the rest of a longer header is not read (REQ-31). */
const longest = 8_192

/**
 * Reads `WWW-Authenticate` (RFC 9110 §11.6.1): several challenges, commas inside quotes, escapes, token68. What follows a mistake is not
 * read. Each character is looked at a fixed number of times.
 */
export function challengesOf(header: string): readonly Challenge[] {
  const item =
    /[\s,]*(?:([!#$%&'*+.^`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^`|~\w-]+))(?=\s*(?:,|$))|([!#$%&'*+.^`|~\w-]+)(?=[\s,]|$)(?: +[\w.~+/-]+=*(?=\s*(?:,|$)))?)/y
  const found: { scheme: string; params: Map<string, string> }[] = []
  const text = header.slice(0, longest)
  for (let match = item.exec(text); match; match = item.exec(text)) {
    const [, name, quoted, plain, scheme] = match
    const last = found.at(-1)
    if (scheme) found.push({ scheme: scheme.toLowerCase(), params: new Map() })
    else if (name && last) {
      const key = name.toLowerCase()
      if (last.params.has(key)) last.scheme = '' // it says two things: it says nothing
      last.params.set(key, quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
    }
  }
  return found
}
