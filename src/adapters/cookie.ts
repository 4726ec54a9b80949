/**
 * The value of a cookie that script may read, such as the token against CSRF; empty if there is none.
 * @throws TypeError in a worker
 */
export function cookieNamed(name: string): string {
  if (typeof document === 'undefined') throw new TypeError('Only a page can read cookies: in a worker `csrf` must have a `value`.')
  const found = document.cookie.split('; ').find((cookie) => cookie.startsWith(`${name}=`))
  const value = found?.slice(name.length + 1) ?? ''
  try {
    return decodeURIComponent(value)
  } catch {
    return value // not every server encodes
  }
}
