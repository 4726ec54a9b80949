/** The one true time of a simulated world, and everything that is to happen in it. It moves only when told. */
export interface Timeline {
  readonly now: () => number
  /** Has `happen` called in `delay` ms; at once, but not before the caller is done, if that is nothing. Returns the undo. */
  readonly after: (delay: number, happen: () => void) => () => void
  readonly advance: (span: number) => Promise<void>
}

interface Event {
  readonly at: number
  readonly order: number
  readonly happen: () => void
}

/** So many turns of promises in which nobody has looked at a clock or set a timer: nothing is going on any more. More costs time, and changes nothing. */
const calmTurns = 40

export function createTimeline(): Timeline {
  const events: Event[] = [] // a binary heap: the earliest first, those of one moment in the order in which they were made
  let time = 0
  let made = 0
  let used = 0 // by whom a chain of promises shows that it goes on

  const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.order < b.order)

  function push(event: Event): void {
    let place = events.length
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = events[above]
      if (!parent || isBefore(parent, event)) break
      events[place] = parent
      place = above
    }
    events[place] = event
  }

  function pop(): Event | undefined {
    const first = events[0]
    const last = events.pop()
    if (!first || !last || first === last) return first
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      const [left, right] = [events[below], events[below + 1]]
      if (!left) break
      if (right && isBefore(right, left)) below++
      const least = events[below]
      if (!least || isBefore(last, least)) break
      events[place] = least
      place = below
    }
    events[place] = last
    return first
  }

  async function drain(): Promise<void> {
    for (let calm = 0, before = used; calm < calmTurns; calm = used === before ? calm + 1 : 0) {
      before = used
      await undefined
    }
  }

  /** Lets what the platform does outside of promises (bodies of responses) come to its end. */
  const breathe = () =>
    new Promise<void>((resolve) => {
      const { port1, port2 } = new MessageChannel()
      port1.onmessage = () => {
        port1.close()
        resolve()
      }
      port2.postMessage(null)
    })

  return {
    now() {
      used++
      return time
    },
    after(delay, happen) {
      used++
      let cancelled = false
      const once = () => {
        if (!cancelled) happen()
      }
      if (delay <= 0) queueMicrotask(once)
      else push({ at: time + delay, order: made++, happen: once })
      return () => {
        cancelled = true
      }
    },
    async advance(span) {
      const end = time + span
      await breathe()
      for (;;) {
        await drain()
        const next = events[0]
        if (next && next.at <= end) {
          pop()
          time = Math.max(time, next.at)
          next.happen()
        } else {
          time = end
          const before = made
          await breathe()
          if (made === before) return
        }
      }
    },
  }
}
