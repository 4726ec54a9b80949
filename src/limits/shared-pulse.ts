import { clockGrain } from '../core/lifetime.ts'
import { parseRecord } from '../core/record.ts'
import type { Ms } from '../core/time.ts'
import type { LimiterHost } from '../limiter.ts'
import { type Course, type Pulse, readPulse, since } from './pulse.ts'

/** What one tab knows of a session. */
interface Watched {
  readonly session: string
  readonly course: Course
}

/** The pulse in the store, where all tabs find it. */
export interface SharedPulse {
  readonly read: () => Promise<string | null>
  /**
   * Says when the user was active, and what ends were warned of: those that were said before, `amended`; `null`: there is nothing to say. Resolves with
   * what it has said, or `null` if nothing was, also where somebody was active later, or has signed in, or the store fails. Never rejects.
   */
  readonly tell: (of: Watched, amended: (warned: readonly string[]) => readonly string[] | null) => Promise<string | null>
}

/** `lasts`: for so long somebody may need what was told last. */
export function sharedPulse({ store, now, policy, key: recordKey }: LimiterHost, lasts: Ms): SharedPulse {
  const key = `activity ${recordKey}`
  return {
    read: () => store.read(key),
    async tell({ session, course: { begun, active } }, amended) {
      try {
        // Compares and commits, as for the record.
        for (let tries = 0; tries < 10; tries++) {
          const before = await store.read(key)
          const found = readPulse(before, session)
          // One from the future was written before the clock was set back.
          if (found && found.at > active.wall + clockGrain && found.at <= now().wall + clockGrain) break
          // That of another session is written over only where the record is ours.
          if (before && !found && !(await isStored(session))) break
          const warned = amended(found?.warned ?? [])
          if (!warned) break
          const pulse: Pulse = { session, at: active.wall, age: since(begun, active), warned }
          const text = JSON.stringify(pulse)
          if (await store.replace(key, before, text, now().wall + lasts)) return text
        }
      } catch {
        // What is lost makes the session no longer.
      }
      return null
    },
  }

  async function isStored(session: string): Promise<boolean> {
    const record = parseRecord(await store.read(recordKey), policy.issuer)
    return record !== 'foreign' && record?.session === session
  }
}
