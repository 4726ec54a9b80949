/**
 * What a 401 says about the token that was sent (RFC 6750 §3, RFC 9449 §7.1): that it is `invalid`; nothing (`unsaid`: no reason given,
 * or CORS hides the header); or `null`, that something else is the matter, and another token would not help (F54, RFC 9470 §6.1).
 */
export function refusalOf(header: string | null): 'invalid' | 'unsaid' | null {
  if (header === null) return 'unsaid'
  const ours = challengesOf(header).filter(({ scheme }) => scheme === 'bearer' || scheme === 'dpop')
  if (ours.some(({ params }) => params.get('error') === 'invalid_token')) return 'invalid'
  return ours.some(({ params }) => !params.has('error')) ? 'unsaid' : null
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
