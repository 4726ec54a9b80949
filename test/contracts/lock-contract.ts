import type { ContractCase } from 'latchkey/testing'
import type { Lock } from '../../src/ports.ts'
import { casesOf, same } from './cases.ts'

/** What a lock must do. `make` gives one tab's lock of that name, another tab's each time; `pass` lets that many ms go by. */
export function lockContract(make: (name: string) => Lock, pass: (span: number) => Promise<void>): readonly ContractCase[] {
  const patient = () => new AbortController().signal
  return casesOf('a lock', {
    'is held by one at a time': async (name) => {
      const letGo = await make(name).acquire(patient())
      let second = false
      const waiting = make(name)
        .acquire(patient())
        .then((release) => {
          second = true
          return release
        })
      await pass(50)
      same(second, false)
      letGo()
      ;(await waiting)()
    },
    'goes to whoever asked first': async (name) => {
      const order: number[] = []
      const letGo = await make(name).acquire(patient())
      const waiting = [1, 2, 3].map((place) =>
        make(name)
          .acquire(patient())
          .then((release) => {
            order.push(place)
            release()
          }),
      )
      letGo()
      await Promise.all(waiting)
      same(order.join(), '1,2,3')
    },
    'may be let go twice, and then belongs to the next alone': async (name) => {
      const letGo = await make(name).acquire(patient())
      letGo()
      const next = await make(name).acquire(patient())
      letGo()
      let third = false
      const waiting = make(name)
        .acquire(patient())
        .then((release) => {
          third = true
          return release
        })
      await pass(50)
      same(third, false)
      next()
      ;(await waiting)()
    },
    'is waited for no longer than the signal says': async (name) => {
      const letGo = await make(name).acquire(patient())
      const patience = new AbortController()
      const waiting = make(name)
        .acquire(patience.signal)
        .then(
          () => 'held',
          () => 'given up',
        )
      patience.abort()
      same(await waiting, 'given up')
      letGo()
      ;(await make(name).acquire(patient()))()
    },
    'of another name is another lock': async (name) => {
      const letGo = await make(name).acquire(patient())
      ;(await make(`${name} `).acquire(patient()))()
      letGo()
    },
  })
}
