import type { News } from '../core/state.ts'
import type { Peers } from '../ports.ts'

/** Nudges over a BroadcastChannel: what they carry is no secret, and any script of the origin may send them (F65). */
export function broadcastPeers(name: string): Peers {
  const open = () => new BroadcastChannel(name)
  let channel: BroadcastChannel | undefined
  return {
    audible: typeof BroadcastChannel === 'function',
    tell(news) {
      try {
        const speaking = channel ?? open()
        speaking.postMessage(news)
        if (speaking !== channel) speaking.close()
      } catch {
        // No channel here (old Safari, opaque origins: F46, F47). The others look from time to time.
      }
    },
    listen(hear) {
      const begin = () => {
        try {
          channel ??= open()
          channel.onmessage = ({ data }) => {
            const news = readNews(data)
            if (news) hear(news)
          }
        } catch {
          // As above.
        }
      }
      const stop = () => {
        channel?.close()
        channel = undefined
      }
      begin()
      // A page that sleeps is deaf, and looks when it wakes. Chromium drops a page from the bfcache for a message that comes (F69), and
      // delivers it to a frozen one, whose read of the database then stays open and locks out the writers of all tabs.
      const naps = Object.entries({ freeze: stop, pagehide: stop, resume: begin, pageshow: begin })
      for (const [type, listener] of naps) globalThis.addEventListener?.(type, listener, true)
      return () => {
        for (const [type, listener] of naps) globalThis.removeEventListener?.(type, listener, true)
        stop()
      }
    },
  }
}

/** Any script of the origin may speak on the channel: what it says is checked, and at worst causes a look. */
function readNews(data: unknown): News | null {
  const { session, generation, missing } = (data ?? {}) as Record<string, unknown> // any value may be asked for members but null
  return typeof session === 'string' && Number.isSafeInteger(generation)
    ? { session, generation: generation as number, missing: missing === true }
    : null
}
