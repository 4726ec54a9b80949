// The offset holds for every tab, as a machine has one clock.
const key = 'demo-clock-offset'

/** ms that this page's clock is ahead of the real one. */
export const clockOffset = (): number => Number(localStorage.getItem(key) ?? 0)

/** Makes `Date` run ahead or behind. Before anything else asks for the time. */
export function shiftClock(): void {
  const offset = clockOffset()
  if (offset === 0) return
  const RealDate = Date
  const now = () => RealDate.now() + offset

  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
  })
}

/** Sets the clock of all tabs, each of which begins anew with it. */
export function setClockOffset(offset: number): void {
  localStorage.setItem(key, String(offset))
  location.reload()
}

export function followClockOffset(): void {
  window.addEventListener('storage', (event) => {
    if (event.key === key) location.reload()
  })
}
