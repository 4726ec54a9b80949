import { describe, expect, test } from 'vitest'
import { createListeners } from '../src/listeners.ts'

/** Listeners, what was heard, and what was reported. */
function start() {
  const heard: unknown[] = []
  const reported: unknown[] = []
  return { heard, reported, listeners: createListeners((error) => reported.push(error)), hear: (value: unknown) => void heard.push(value) }
}

describe('listeners', () => {
  test('hear in the order of what happened, when everything has been decided', () => {
    const { listeners, heard, hear } = start()
    listeners.add('a', hear)
    listeners.add('b', hear)
    for (const [name, value] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ] as const)
      listeners.deliver(name, value)
    expect(heard).toEqual([])
    listeners.flush()
    listeners.flush()
    expect(heard).toEqual([1, 2, 3])
  })

  test('F03: who causes more while listening hears of it after having returned', () => {
    const { listeners, heard, hear } = start()
    listeners.add('a', (value: number) => {
      if (value < 3) listeners.deliver('a', value + 1)
      listeners.flush()
      hear(value)
    })
    listeners.deliver('a', 1)
    listeners.flush()
    expect(heard).toEqual([1, 2, 3])
  })

  test('REQ-122: an exception of one stops no other, and is reported', () => {
    const { listeners, heard, reported, hear } = start()
    const error = new Error('of the app')
    listeners.add('a', () => {
      throw error
    })
    listeners.add('a', hear)
    for (const value of [1, 2]) listeners.deliver('a', value)
    listeners.flush()
    expect([heard, reported]).toEqual([
      [1, 2],
      [error, error],
    ])
  })

  test('F74: who comes after it happened has been told on coming, and is not told twice', () => {
    const { listeners, heard, hear } = start()
    listeners.deliver('a', 1)
    listeners.add('a', hear)
    listeners.flush()
    expect(heard).toEqual([])
  })

  test('who goes before it is delivered is not told', () => {
    const { listeners, heard, hear } = start()
    const stop = listeners.add('a', hear)
    listeners.deliver('a', 1)
    stop()
    stop()
    listeners.flush()
    expect(heard).toEqual([])
  })

  test('who goes while others hear is not told', () => {
    const { listeners, heard, hear } = start()
    listeners.add('a', () => stop())
    const stop = listeners.add('a', hear)
    listeners.deliver('a', 1)
    listeners.flush()
    expect(heard).toEqual([])
  })

  test('the same function twice is two listeners, each with its own undo', () => {
    const { listeners, heard, hear } = start()
    const [stop] = [listeners.add('a', hear), listeners.add('a', hear)]
    listeners.deliver('a', 1)
    listeners.flush()
    stop()
    listeners.deliver('a', 2)
    listeners.flush()
    expect(heard).toEqual([1, 1, 2])
  })

  test('are there, or not', () => {
    const { listeners, hear } = start()
    expect(listeners.has('a')).toBe(false)
    const stop = listeners.add('a', hear)
    expect([listeners.has('a'), listeners.has('b')]).toEqual([true, false])
    stop()
    expect(listeners.has('a')).toBe(false)
  })
})
