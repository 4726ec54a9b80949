import { base } from '../adapters/browser.ts'
import { maySee } from '../fetch/destinations.ts'
import type { Refresher } from '../ports.ts'

/** Neither cached nor followed elsewhere, and it says nothing of the page it comes from (REQ-21, REQ-24, REQ-28). */
export const tokenRequest = { method: 'POST', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer' } as const

/** A form and no header of our own: it needs no preflight, not even while the page is unloading (REQ-40, REQ-64). What is `null` is left out. */
export const formRequest = (fields: Readonly<Record<string, string | null>>): RequestInit => ({
  ...tokenRequest,
  credentials: 'omit',
  body: new URLSearchParams(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null)),
})

/**
 * Tokens and cookies go over https only, or to this machine, or back to where the page is from (REQ-20, REQ-58). `from`: what it is relative to;
 * `null` for nothing.
 * @throws TypeError
 */
export function assertAddress(name: string, url: unknown, from?: string | null): void {
  const page = base() ?? nowhere
  const start = from === null ? undefined : new URL(from ?? '', page)
  const isText = typeof url === 'string' && url !== ''
  const to = isText && URL.canParse(url, start) ? new URL(url, start) : null
  if (!to || !(maySee(to) || (start && to.origin === new URL(page).origin)))
    throw new TypeError(`\`${name}\` must be an https URL (http on loopback only)${start ? ', or a path' : ''}.`)
}

/** On a server, and in a test without a page: where that will be only the browser knows. */
const nowhere = 'https://page.invalid'

/** With the cookie, and a header against CSRF. */
export const cookieRequest = (header: () => [string, string]): RequestInit => ({
  ...tokenRequest,
  headers: Object.fromEntries([header()]),
  credentials: 'include',
})

/**
 * For a request with more than `Authorization` to protect: a browser would carry the rest wherever a redirect leads (REQ-21, REQ-80).
 * With an init, a Request forgets what it was told of the referrer.
 */
export const notFollowed = ({ redirect, referrer, referrerPolicy }: Request): RequestInit => ({
  redirect: redirect === 'follow' ? 'error' : redirect,
  referrer,
  referrerPolicy,
})

/** Signs out at `logout`, relative to `url`. */
export const logoutAt =
  (logout: string, url: string, request: (refreshToken: string | null) => RequestInit): NonNullable<Refresher['revoke']> =>
  async ({ refreshToken, signal, fetch }) => {
    const to = new URL(logout, new URL(url, base() ?? nowhere)).href.replace(nowhere, '')
    const response = await fetch(to, { ...request(refreshToken), signal, keepalive: true })
    if (!response.ok) throw response
  }
