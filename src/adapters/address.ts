/** Where this page is; `null` where there is no page. */
export const here = (): URL | null => (typeof document === 'undefined' ? null : new URL(location.href))

/** What the address bar and the history say from now on of the page that is there. */
export const showAddress = (url: string): void => history.replaceState(history.state, '', url)

export function leaveFor(url: string): Promise<never> {
  location.assign(url)
  return never()
}

/** Resolves when the user is on this very page again, out of the bfcache; or still, for the way out was cancelled. Browsers of before 2026 may not tell the latter. */
export const comesBack = (): Promise<void> =>
  new Promise((resolve) => {
    addEventListener('pageshow', ({ persisted }) => persisted && resolve())
    const { navigation } = globalThis
    // Before the next navigation begins, it ends another one that may be under way: that is no cancelling.
    navigation?.addEventListener('navigate', () => navigation.addEventListener('navigateerror', () => resolve()), { once: true })
  })

/** Leaves by a POST, so that what goes along is in no address (REQ-139). */
export function leaveWith(url: string, fields: Readonly<Record<string, string>>): Promise<never> {
  const form = document.createElement('form')
  form.method = 'post'
  form.action = url
  for (const [name, value] of Object.entries(fields)) {
    const input = document.createElement('input')
    Object.assign(input, { type: 'hidden', name, value })
    form.append(input)
  }
  document.body.append(form)
  form.submit()
  form.remove()
  return never()
}

/** For a page that is being left; one that comes back from the bfcache goes on where it was. */
const never = (): Promise<never> => new Promise(() => {})
