/** The value of a cookie that script may read, such as the token against CSRF; empty if there is none. */
export function cookieNamed(name: string): string {
  const found = document.cookie.split('; ').find((cookie) => cookie.startsWith(`${name}=`))
  const value = found?.slice(name.length + 1) ?? ''
  try {
    return decodeURIComponent(value)
  } catch {
    return value // not every server encodes
  }
}
