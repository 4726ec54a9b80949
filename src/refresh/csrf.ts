import { cookieNamed } from '../adapters/cookie.ts'

/** A constant header, or one that repeats a readable cookie at the time of sending. Sent to the configured origins only. */
export type Csrf = { readonly header: string; readonly value: string } | { readonly header: string; readonly cookie: string }

/** The header as it is at the time of asking. A page of another origin cannot send it without a preflight (REQ-78, REQ-79). */
export function csrfHeader(csrf: Csrf = { header: 'X-Requested-With', value: 'latchkey' }): () => [name: string, value: string] {
  if (typeof csrf?.header !== 'string') throw new TypeError('`csrf` must have a `header`.')
  if (typeof ('cookie' in csrf ? csrf.cookie : csrf.value) !== 'string')
    throw new TypeError('`csrf` must have a `value` or the name of a `cookie`.')
  try {
    new Headers([[csrf.header, 'cookie' in csrf ? '' : csrf.value]])
  } catch {
    throw new TypeError('`csrf` must be a header that can be sent.') // the engine's own words would repeat the value
  }
  return () => [csrf.header, 'cookie' in csrf ? cookieNamed(csrf.cookie) : csrf.value]
}
