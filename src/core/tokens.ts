import { jwtDecode } from 'jwt-decode'
import { open, type Secret, secret } from './secret.ts'
import type { Moment, Ms } from './time.ts'

/** What `session.signIn` takes: a token endpoint's answer in either spelling, or a sign-in of `latchkey/oauth`. */
export type SignInInput = TokenResponse | Tokens | SealedTokens

/** RFC 6749 §5.1, as it comes over the wire. Unknown members are ignored. */
export interface TokenResponse {
  readonly access_token: string
  /** @defaultValue `'Bearer'` */
  readonly token_type?: string | undefined
  /** Seconds from when the request was sent. If absent, `exp − iat` of a JWT; else the token is used until a 401. */
  readonly expires_in?: number | string | null | undefined
  /** If absent, the one there stays. */
  readonly refresh_token?: string | null | undefined
  /** Seconds. */
  readonly refresh_expires_in?: number | null | undefined
  /** The same, as GitHub and AD FS call it. */
  readonly refresh_token_expires_in?: number | null | undefined
  /** The same, as draft-ietf-oauth-refresh-token-expiration calls it. */
  readonly refresh_token_timeout?: number | null | undefined
  /** Seconds. After that only a new sign-in helps, whatever is refreshed (the same draft). A `session_expiry` of the ID token is heeded in the same way. */
  readonly authorization_expires_in?: number | null | undefined
  readonly scope?: string | null | undefined
  readonly id_token?: string | null | undefined
}

/** The same in camel case, as many home-made backends answer. */
export interface Tokens {
  readonly accessToken: string
  readonly tokenType?: string | undefined
  /** Seconds, as {@link TokenResponse.expires_in}. */
  readonly expiresIn?: number | null | undefined
  readonly refreshToken?: string | null | undefined
  /** Seconds. */
  readonly refreshExpiresIn?: number | null | undefined
  readonly scope?: string | null | undefined
  readonly idToken?: string | null | undefined
}

/** Tokens that print as `[secret]`; only a session can open them. Made by `latchkey/oauth`. */
export interface SealedTokens {
  readonly [sealed]: true
}
declare const sealed: unique symbol

/** A token response, checked and in our own words. Lifetimes count from when the request for it was sent. */
export interface Issued {
  /** Empty where the server keeps the tokens. */
  readonly accessToken: Secret
  readonly lasts: Ms | null
  readonly refreshToken: Secret | null
  readonly refreshLasts: Ms | null
  /** How long the server lets the session last, refreshed or not (REQ-43, REQ-44). */
  readonly sessionLasts: Ms | null
  /** The moment that comes from, as the server has said it (s): the same one, said later, is no other. */
  readonly sessionExpiry?: number | undefined
  /** How long before that the user had signed in at the provider (`auth_time`), if the ID token says so. */
  readonly authAge?: Ms | null
  readonly scope: string | null
  readonly subject: string | null
  /** Is the access token good with a proof only (RFC 9449 §5)? */
  readonly isBound?: boolean
  /** Of a sealed sign-in: what its tokens are bound to. */
  readonly binding?: string | null
  /** Of a sealed sign-in: when the request was sent. */
  readonly sent?: Moment | undefined
  /** Why the access token is of no use. */
  readonly flaw?: TypeError | undefined
}

/** How {@link readTokens} reads. */
interface Reading {
  /**
   * The server keeps the tokens, and says only how long the session is good for and whose it is (`{ expires_in, sub }`). The access token is then
   * the empty one; what comes along all the same is not kept (RFC 10017 §6.1, REQ-76).
   */
  readonly tokenless?: boolean | undefined
  /**
   * Of a refresh: the token before is spent, so the refresh token that came is kept whatever is wrong with the rest. A member that is
   * malformed says nothing; an access token that cannot be used has a life of nought.
   */
  readonly salvage?: boolean | undefined
}

/** @throws TypeError naming the field that is missing or malformed, never its value. */
export function readTokens(input: unknown, { tokenless, salvage }: Reading = {}): Issued {
  const sealedIn = open(input)
  const found = sealedIn ?? input
  if (typeof found !== 'object' || found === null) throw new TypeError('The token response is not an object.')
  const said = found as Record<string, unknown> // a lookup of an unknown member gives `undefined`
  if (tokenless)
    return {
      accessToken: secret(''),
      lasts: seconds('expires_in'),
      refreshToken: null,
      refreshLasts: null,
      sessionLasts: null,
      scope: null,
      subject: text('sub'),
    }
  const access = token('access_token')
  const type = (text('token_type') ?? 'Bearer').toLowerCase()
  const refresh = token('refresh_token')
  let flaw: TypeError | undefined
  if (!access) flaw = malformed('access_token')
  else if (!/^(bearer|dpop)$/.test(type)) flaw = malformed('token_type', 'is neither Bearer nor DPoP')
  if (flaw && !(salvage && refresh)) throw flaw
  const { binding = null, sent } = (sealedIn ?? {}) as Pick<Issued, 'binding' | 'sent'> // `latchkey/oauth` has put them there
  const { sub, iat, auth_time: authTime, session_expiry: sessionExpiry } = claimsOf(text('id_token'))
  // What is over already is over; what is no number says nothing.
  const bound = between(iat, Math.max(iat as number, sessionExpiry as number))
  return {
    accessToken: secret(access ?? ''),
    lasts: flaw ? 0 : (seconds('expires_in') ?? lifetimeOf(access)),
    refreshToken: refresh ? secret(refresh) : null,
    // Nought is how some servers say that it does not expire.
    refreshLasts: seconds('refresh_expires_in') || seconds('refresh_token_expires_in') || seconds('refresh_token_timeout') || null,
    sessionLasts: bound ?? (seconds('authorization_expires_in') || null),
    sessionExpiry: bound === null ? undefined : (sessionExpiry as number), // `between` has looked
    authAge: between(authTime || null, iat), // nought is how some servers say that they do not know
    scope: text('scope'),
    subject: typeof sub === 'string' ? sub : null,
    isBound: type === 'dpop',
    sent,
    binding,
    flaw,
  }

  function field(snake: string): [name: string, value: unknown] {
    const camel = snake.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
    const name = said[snake] == null && camel in said ? camel : snake
    return [name, said[name] ?? null]
  }

  function text(snake: string): string | null {
    const [name, value] = field(snake)
    if (typeof value === 'string') return value || null // an empty string says as little as none
    return value === null ? null : nothing(name)
  }

  /** What fits into a header (RFC 6750 §2.1): a value that `fetch` refuses would be printed by some engines' errors. */
  function token(snake: string): string | null {
    const value = text(snake)
    return value && !/^[\x21-\x7e]+$/.test(value) ? nothing(field(snake)[0]) : value
  }

  function seconds(snake: string): Ms | null {
    const [name, value] = field(snake)
    return value === null || typeof value === 'number' || typeof value === 'string' ? spanIn(value) : nothing(name)
  }

  function nothing(name: string): null {
    if (!salvage) throw malformed(name)
    return null
  }
}

const malformed = (name: string, how = 'is missing or malformed'): TypeError =>
  new TypeError(`The token response cannot be used: \`${name}\` ${how}.`)

/** Seconds: a number, or a string that is one; anything else that servers have been seen to send says nothing (F50). */
function spanIn(value: unknown): Ms | null {
  const span = Number(value) * 1000
  return /^\s*\d+(\.\d+)?\s*$/.test(String(value)) && span < Infinity ? span : null
}

/** Both moments are the server's own, so that no clock but its own is asked. */
function lifetimeOf(access: string | null): Ms | null {
  const { exp, iat } = claimsOf(access)
  return between(iat, exp)
}

const between = (from: unknown, to: unknown): Ms | null => (typeof from === 'number' && typeof to === 'number' ? spanIn(to - from) : null)

/** No header has room for more: the claims of a longer one are not read (REQ-41). */
const longestJwt = 65_536

export function claimsOf(jwt: string | null): Readonly<Record<string, unknown>> {
  try {
    return { ...jwtDecode((jwt ?? '').slice(0, longestJwt)) }
  } catch {
    return {} // opaque, encrypted, or somebody else's idea of a token (F51)
  }
}
