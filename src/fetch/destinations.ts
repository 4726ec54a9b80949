import { keyOf, type Want } from '../core/state.ts'

/** A destination with more to say than its URL. */
export interface Destination {
  /** URL prefix, as in {@link SessionOptions.attachTo}. The longest match wins. */
  readonly url: string
  /** Ask for a token of its own, meant for this resource: an absolute URI without a fragment (RFC 8707 §2). @defaultValue the session's token */
  readonly resource?: string | undefined
  /** Ask for a token of its own with this scope, space-separated. @defaultValue what the sign-in granted */
  readonly scope?: string | undefined
  /** @defaultValue {@link SessionOptions.whenSignedOut} */
  readonly whenSignedOut?: WhenSignedOut | undefined
}

/**
 * - `reject`: fail with `signed_out`; nothing is sent.
 * - `send`: send without a credential (public pages of a listed API). Only when signed out for certain; never because a
 *   refresh failed.
 * - `hold`: after an involuntary end, keep the request up to 10 minutes; send it once when the same subject signs in again,
 *   reject it with `session_ended` if somebody else does. Otherwise as `reject`.
 */
export type WhenSignedOut = 'reject' | 'send' | 'hold'

/** A destination as it is matched: on the parsed origin, and on whole segments of the path. */
export interface Target {
  readonly entry: Destination
  readonly origin: string
  /** Without its last slash: empty for a whole origin. */
  readonly path: string
  readonly want: Want
  readonly key: string
  readonly whenSignedOut: WhenSignedOut
}

/** Finds the target that a URL falls under, or `null`: then no credential goes along (REQ-16, REQ-17, F62). */
export type Match = (url: string | URL) => Matched | null

/** `href`: the URL as it was meant when it was matched. */
export interface Matched {
  readonly target: Target
  readonly href: string
}

/** @throws TypeError for an entry that is no URL prefix, or not https. */
export function targetsOf(attachTo: readonly (string | Destination)[], fallback: WhenSignedOut, base: string | null): readonly Target[] {
  return [...attachTo].map((given, index) => {
    const entry = typeof given === 'string' ? { url: given } : given
    const { url: prefix, resource = null, scope = null } = entry ?? {}
    // An origin without its scheme would pass for a page beside this one.
    const url = typeof prefix === 'string' && /^(\w+:\/)?\//.test(prefix) ? parse(prefix, base) : null
    if (!url || !maySee(url) || url.search || url.hash || url.href.includes('*')) {
      throw new TypeError(
        `\`attachTo\` must hold https URLs (http on loopback only) without query, fragment and wildcard, such as 'https://api.example.com', or paths where there is a page. Entry ${index} is not one.`,
      )
    }
    if ([resource, scope].some((it) => it !== null && typeof it !== 'string') || resource?.includes('#'))
      throw new TypeError('`resource` and `scope` of a destination must be texts, and `resource` without a fragment.')
    const want = { resource, scope }
    return {
      entry: Object.freeze({ ...entry }),
      origin: url.origin,
      path: url.pathname.replace(/\/$/, ''),
      want,
      key: keyOf(want),
      whenSignedOut: entry.whenSignedOut ?? fallback,
    }
  })
}

/** Makes the match. A string that begins with an origin that is listed whole and once, and a slash, is under it; everything else is parsed. */
export function matcher(targets: readonly Target[], base: () => string | null): Match {
  const longestFirst = [...targets].sort((a, b) => b.path.length - a.path.length)
  const whole = targets
    .filter(({ origin, path }) => path === '' && targets.every((other) => other.path === '' || other.origin !== origin))
    .map((target) => [`${target.origin}/`, target] as const)
  return (given) => {
    if (typeof given === 'string') {
      for (const [prefix, target] of whole) if (given.startsWith(prefix)) return { target, href: given }
    }
    const url = parse(given, base())
    if (!url || !maySee(url)) return null
    const target = longestFirst.find(({ origin, path }) => origin === url.origin && `${url.pathname}/`.startsWith(`${path}/`))
    return target ? { target, href: url.href } : null
  }
}

/** As fetch reads it: of what is no text, what it says as a text. */
function parse(url: string | URL, base: string | null): URL | null {
  try {
    return new URL(url, base ?? undefined)
  } catch {
    return null
  }
}

/** A blob has the origin of its page: the scheme is asked as well. */
export const maySee = (url: URL): boolean =>
  (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) && !url.username && !url.password

/** The one place where a token may travel in the clear: it does not leave the machine. */
const isLoopback = ({ hostname }: URL): boolean => /^(.+\.)?localhost$|^127(\.\d+){3}$|^\[::1\]$/.test(hostname)
