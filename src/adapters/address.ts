/** Where this page is; `null` where there is no page. */
export const here = (): URL | null => (typeof document === 'undefined' ? null : new URL(location.href))

/** What the address bar and the history say from now on of the page that is there. */
export const showAddress = (url: string): void => history.replaceState(history.state, '', url)

/** Leaves. Resolves when the user is on this very page again, out of the bfcache; or still, for the way out was cancelled. Browsers of before 2026 may not tell the latter. */
export const leaveFor = (url: string): Promise<void> => left(() => location.assign(url))

/** The same by a POST, so that what goes along is in no address (REQ-139). */
export function leaveWith(url: string, fields: Readonly<Record<string, string>>): Promise<void> {
  const form = Object.assign(document.createElement('form'), { method: 'post', action: url })
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
  document.body.append(form)
  return left(() => {
    form.submit()
    form.remove()
  })
}

const left = (leave: () => void): Promise<void> =>
  new Promise((resolve) => {
    const over = new AbortController()
    const { signal } = over
    const back = () => resolve(over.abort())
    addEventListener('pageshow', ({ persisted }) => persisted && back(), { signal })
    const { navigation } = globalThis
    // Before the next navigation begins, it ends another one that may be under way: that is no cancelling.
    navigation?.addEventListener('navigate', () => navigation.addEventListener('navigateerror', back, { signal }), { once: true, signal })
    leave() // now that somebody listens: Chromium asks, and may stay, within this very call
  })
