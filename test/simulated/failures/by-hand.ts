import type { Session, SessionOptions } from 'latchkey'
import { resolveOptions } from '../../../src/options.ts'
import type { Clock, Ports } from '../../../src/ports.ts'
import { startSession } from '../../../src/start-session.ts'
import type { Insides, Tab, World } from '../../../src/testing/world.ts'

type Stage = Pick<Insides, 'insideOf' | 'server'> & { readonly world: Pick<World, 'openTab'> }

/** A tab whose session stands on ports that the test has tampered with. */
export function openOn(s: Stage, tamper: (ports: Ports) => Partial<Ports>, options: Partial<SessionOptions> = {}): Tab {
  const tab = s.world.openTab()
  tab.session.close()
  return { ...tab, session: startOn(s, tab, tamper, options) }
}

/** One more session in the same tab, on tampered ports. */
export function startOn(s: Stage, tab: Tab, tamper: (ports: Ports) => Partial<Ports>, options: Partial<SessionOptions> = {}): Session {
  const settings = resolveOptions({ attachTo: [s.server.origin], refresh: s.server.refresher, ...options }, null)
  const ports = s.insideOf(tab).ports(settings.name)
  return startSession(settings, { ...ports, ...tamper(ports) })
}

/** What a session holds of the browser, and has not let go. */
export interface Holdings {
  timers: number
  listeners: number
  channels: number
  locks: number
}

/** Counts what is taken from the ports and given back. */
export function count(): { readonly held: Holdings; readonly tamper: (ports: Ports) => Partial<Ports> } {
  const held: Holdings = { timers: 0, listeners: 0, channels: 0, locks: 0 }
  const once = (kind: keyof Holdings, undo: () => void) => {
    let open = true
    held[kind]++
    return () => {
      if (open) held[kind]--
      open = false
      undo()
    }
  }
  return {
    held,
    tamper: ({ clock, page, peers, lock }) => ({
      clock: {
        now: clock.now,
        wakeAt(at, wake) {
          const done = once(
            'timers',
            clock.wakeAt(at, () => {
              done()
              wake()
            }),
          )
          return done
        },
      },
      page: { ...page, listen: (notice) => once('listeners', page.listen(notice)) },
      peers: { ...peers, listen: (hear) => once('channels', peers.listen(hear)) },
      lock: { acquire: async (signal) => once('locks', await lock.acquire(signal)) },
    }),
  }
}

/** A machine that sleeps tells no page: nothing runs, one clock stands still, and timers come when the other shows how late it is. */
export function sleeper() {
  let asleep = false
  let slept = 0
  let since = 0
  let late: (() => void)[] = []
  let truth: Clock | null = null
  const clock = (under: Clock): Clock => {
    truth = under
    return {
      now() {
        const { wall, mono } = under.now()
        return { wall, mono: (asleep ? since : mono) - slept }
      },
      wakeAt(at, wake) {
        let cancelled = false
        const cancel = under.wakeAt(at, () => {
          if (asleep) late.push(() => cancelled || wake())
          else wake()
        })
        return () => {
          cancelled = true
          cancel()
        }
      },
    }
  }
  return {
    clock,
    sleep() {
      asleep = true
      since = truth!.now().mono
    },
    /** Gives what makes the timers come. */
    wake() {
      slept += truth!.now().mono - since
      asleep = false
      const due = late
      late = []
      return () => {
        for (const ring of due) ring()
      }
    },
  }
}

/** What nobody has handled while `work` ran. */
export async function unhandledIn(work: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const notice = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', notice)
  await work()
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', notice)
  return unhandled
}
