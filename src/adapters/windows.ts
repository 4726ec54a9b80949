/** A window or frame that shows somebody else's page and comes back to one of ours. */
export interface Popup {
  readonly show: (url: string) => void
  /** Calls `left` when the user has closed it and is back. */
  readonly watch: (left: () => void) => () => void
  readonly close: () => void
}

/** To be called in the task of a click: later the browser blocks it. `null`: it has. */
export function openPopup(): Popup | null {
  const popup = window.open('about:blank', '_blank', 'popup,width=480,height=680')
  if (!popup) return null
  popup.opener = null // what it will show has no business here
  return {
    show: (url) => popup.location.replace(url),
    watch(left) {
      // A page with a Cross-Origin-Opener-Policy counts as closed for us though the user is looking at it. So it is not asked all the
      // time, but when the user is back here; and a moment later, for an answer that is on its way.
      const back = () => setTimeout(() => popup.closed && left(), 1_000)
      for (const type of signsOfLife) addEventListener(type, back)
      return () => {
        for (const type of signsOfLife) removeEventListener(type, back)
      }
    },
    close: () => popup.close(),
  }
}

const signsOfLife = ['focus', 'pointerdown', 'keydown']

/** @returns what removes it */
export function openFrame(url: string): () => void {
  const frame = document.createElement('iframe')
  frame.hidden = true
  frame.src = url
  document.documentElement.append(frame) // a script in the head runs before there is a body
  return () => frame.remove()
}

/** Of this window, if script has opened it: another one stays. */
export const closeWindow = (): void => window.close()
