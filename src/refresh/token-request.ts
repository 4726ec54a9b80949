import { base } from '../adapters/browser.ts'
import type { Refresher } from '../ports.ts'

/** Neither cached nor followed elsewhere, and it says nothing of the page it comes from (REQ-21, REQ-24, REQ-28). */
export const tokenRequest = { method: 'POST', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer' } as const

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
    const response = await fetch(new URL(logout, new URL(url, base() ?? undefined)), { ...request(refreshToken), signal, keepalive: true })
    if (!response.ok) throw response
  }
