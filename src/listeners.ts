/** Calls listeners in the order of what happened, each by itself: an exception stops neither the others nor us (REQ-122). */
export interface Listeners {
  /** Has `listener` called with what `deliver` is given under this name. Returns the undo. */
  readonly add: <Value>(name: string, listener: (value: Value) => void) => () => void
  /** Keeps it until `flush`. */
  readonly deliver: (name: string, value: unknown) => void
  /** Delivers everything kept. A listener that causes more has it delivered after it has returned (F03). */
  readonly flush: () => void
  readonly has: (name: string) => boolean
  readonly call: <Value>(listener: (value: Value) => void, value: Value) => void
}

export function createListeners(report: (error: unknown) => void): Listeners {
  type Entry = (value: unknown) => void
  const groups = new Map<string, Set<Entry>>()
  const kept: (() => void)[] = []
  let flushing = false

  function call<Value>(listener: (value: Value) => void, value: Value): void {
    try {
      listener(value)
    } catch (error) {
      report(error)
    }
  }

  return {
    call,
    add(name, listener) {
      const entry: Entry = (value) => call(listener as Entry, value) // `deliver` pairs name and value; the same function may be added twice
      const group = groups.get(name) ?? new Set()
      groups.set(name, group.add(entry))
      return () => void group.delete(entry)
    },
    deliver(name, value) {
      // Whoever comes between now and the delivery has been told when it came (F74).
      const group = groups.get(name)
      for (const entry of group ?? []) kept.push(() => group?.has(entry) && entry(value))
    },
    flush() {
      if (flushing) return
      flushing = true
      for (let next = kept.shift(); next; next = kept.shift()) next()
      flushing = false
    },
    has: (name) => (groups.get(name)?.size ?? 0) > 0,
  }
}
