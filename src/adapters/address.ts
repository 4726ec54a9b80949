/** Where this page is; `null` where there is no page. */
export const here = (): URL | null => (typeof document === 'undefined' ? null : new URL(location.href))

/** What the address bar and the history say from now on of the page that is there. */
export const showAddress = (url: string): void => history.replaceState(history.state, '', url)

/** Leaves. Resolves when the user is on this very page again, out of the bfcache; or still, for the way out was cancelled. Browsers of before 2026 may not tell the latter. */
export function leaveFor(url: string): Promise<void> {
  const back = comesBack()
  location.assign(url)
  return back
}

/** The same by a POST, so that what goes along is in no address (REQ-139). */
export function leaveWith(url: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const back = comesBack()
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
  return back
}

/** Listens before the page is left: Chromium asks, and may stay, within the very call that leaves. */
const comesBack = (): Promise<void> =>
  new Promise((resolve) => {
    const over = new AbortController()
    const { signal } = over
    const back = () => {
      over.abort()
      resolve()
    }
    addEventListener('pageshow', ({ persisted }) => persisted && back(), { signal })
    const { navigation } = globalThis
    // Before the next navigation begins, it ends another one that may be under way: that is no cancelling.
    navigation?.addEventListener('navigate', () => navigation.addEventListener('navigateerror', back, { signal }), { once: true, signal })
  })
