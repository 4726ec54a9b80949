import type { ContractCase } from 'latchkey/testing'
import type { Clock } from '../../src/ports.ts'
import { casesOf, same } from './cases.ts'

/** What a clock must do. `pass` lets at least that many ms go by. */
export function clockContract(make: () => Clock, pass: (span: number) => Promise<void>): readonly ContractCase[] {
  return casesOf('a clock', {
    'moves on, on both faces alike': async () => {
      const clock = make()
      const before = clock.now()
      await pass(100)
      const after = clock.now()
      const [wall, mono] = [after.wall - before.wall, after.mono - before.mono]
      same(wall >= 98 && mono >= 98 && Math.abs(wall - mono) < 20, true) // a browser rounds
    },
    'wakes at the moment, and not before': async () => {
      const clock = make()
      const at = clock.now().wall + 100
      let woken = 0
      clock.wakeAt(at, () => {
        woken = clock.now().wall
      })
      await pass(20)
      same(woken, 0)
      await pass(300)
      same(woken >= at - 2, true)
    },
    'wakes soon for a moment that is over, but not before the caller is done': async () => {
      const clock = make()
      let woken = false
      clock.wakeAt(clock.now().wall - 1_000, () => {
        woken = true
      })
      same(woken, false)
      await pass(50)
      same(woken, true)
    },
    'wakes once': async () => {
      const clock = make()
      let times = 0
      clock.wakeAt(clock.now().wall + 10, () => times++)
      await pass(200)
      same(times, 1)
    },
    'wakes nobody who has thought better of it, and may be told so twice': async () => {
      const clock = make()
      let woken = false
      const cancel = clock.wakeAt(clock.now().wall + 20, () => {
        woken = true
      })
      cancel()
      cancel()
      await pass(100)
      same(woken, false)
    },
    'F18, REQ-46: takes a moment beyond 2³¹ ms for what it is': async () => {
      const clock = make()
      let woken = false
      const cancel = clock.wakeAt(clock.now().wall + 2 ** 31 + 1_000, () => {
        woken = true
      })
      await pass(100)
      same(woken, false)
      cancel()
    },
  })
}
