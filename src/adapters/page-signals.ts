import type { PageSignal } from '../core/state.ts'
import type { Page } from '../ports.ts'

/** What the browser says of the page. A worker has no document: nobody looks at it. Nothing here keeps a page out of the bfcache (F69). */
export const browserPage: Page = {
  visible: () => typeof document !== 'undefined' && document.visibilityState === 'visible',
  listen(notice) {
    if (typeof document === 'undefined') return () => {}
    const sources: [EventTarget, string, (event: Event) => PageSignal | null][] = [
      [document, 'visibilitychange', () => (document.visibilityState === 'visible' ? 'visible' : 'hidden')],
      [document, 'freeze', () => 'frozen'],
      [document, 'resume', () => 'resumed'],
      [window, 'pagehide', () => 'frozen'],
      [window, 'pageshow', (event) => ((event as PageTransitionEvent).persisted ? 'resumed' : null)],
      [window, 'online', () => 'online'],
    ]
    const undo = sources.map(([target, type, signalOf]) => {
      const listener = (event: Event) => {
        const signal = signalOf(event)
        if (signal) notice(signal)
      }
      target.addEventListener(type, listener, true) // before the app's own listeners of the window may ask for a token
      return () => target.removeEventListener(type, listener, true)
    })
    return () => {
      for (const stop of undo) stop()
    }
  },
}
