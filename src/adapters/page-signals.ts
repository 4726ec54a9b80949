import type { PageSignal } from '../core/state.ts'
import type { Page } from '../ports.ts'

const signals: Readonly<Record<string, PageSignal>> = {
  freeze: 'frozen',
  pagehide: 'frozen',
  resume: 'resumed',
  pageshow: 'resumed',
  online: 'online',
}

/** What the browser says of the page. A worker has no document: nobody looks at it. Nothing here keeps a page out of the bfcache (F69). */
export const browserPage: Page = {
  visible: () => {
    if (typeof document === 'undefined') return false
    return (document as { readonly prerendering?: boolean }).prerendering ? null : document.visibilityState === 'visible' // Chromium prerenders
  },
  listen(notice) {
    const listener = (event: Event) => {
      const isFirst = event.type === 'pageshow' && !(event as PageTransitionEvent).persisted // a page that has just been loaded has not slept
      if (!isFirst) notice(signals[event.type] ?? (document.visibilityState === 'visible' ? 'visible' : 'hidden'))
    }
    const types = typeof document === 'undefined' ? [] : ['visibilitychange', 'prerenderingchange', ...Object.keys(signals)]
    // At the window and on the way down: before the app's own listeners, which may ask for a token.
    for (const type of types) addEventListener(type, listener, true)
    return () => {
      for (const type of types) removeEventListener(type, listener, true)
    }
  },
}
