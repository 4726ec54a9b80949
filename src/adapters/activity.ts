// What a user does, and a page does not: scrolling by script would count, the wheel does not turn by itself.
const types = ['pointerdown', 'keydown', 'wheel']

/** Calls `notice` whenever the user does something on this page. A worker hears nothing. Returns the undo. */
export function listenForActivity(notice: () => void): () => void {
  const listener = ({ isTrusted }: Event) => {
    if (isTrusted) notice() // and not a script that keeps a session awake (REQ-111)
  }
  // On the way down: an app may stop its events. Passive: a wheel that is listened to must not wait for us.
  for (const type of types) globalThis.addEventListener?.(type, listener, { capture: true, passive: true })
  return () => {
    for (const type of types) globalThis.removeEventListener?.(type, listener, true)
  }
}
