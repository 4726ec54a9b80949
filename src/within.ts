import type { Ms } from './core/time.ts'
import type { Clock } from './ports.ts'

/** What `work` comes to, or `null` if that takes longer than `span`. */
export function within<T>(clock: Clock, span: Ms, work: Promise<T>): Promise<T | null> {
  const until = clock.now().mono + span
  return new Promise((resolve, reject) => {
    let cancel = () => {}
    // By our own running: a wall clock that is set cuts no request short.
    const check = () => {
      const { wall, mono } = clock.now()
      if (mono < until) cancel = clock.wakeAt(wall + until - mono, check)
      else resolve(null)
    }
    check()
    work.then(resolve, reject).finally(() => cancel())
  })
}
