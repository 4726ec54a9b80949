import type { Diagnostic } from 'latchkey'
import { expect, test } from 'vitest'
import { browserRandom } from '../../src/adapters/random.ts'
import { callFrom, minutes, scene, settled, tokens, watch } from './scene.ts'

test('REQ-117: each line says what, when, in which tab, of which session and generation, and survives JSON', async () => {
  const s = scene({ tabs: 2 })
  const lines: readonly Diagnostic[][] = s.tabs.map(({ session }) => {
    const heard: Diagnostic[] = []
    session.on('diagnostic', (line) => heard.push(line))
    return heard
  })
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  await s.advance(minutes(6))
  s.server.fail({ status: 503 })
  void watch(s.tabs[0].session.refresh(), s.now)
  await s.advance(minutes(6))
  await settled(s, callFrom(s.tabs[1]))
  await settled(s, s.tabs[1].session.signOut())
  for (const heard of lines) {
    expect(heard.length).toBeGreaterThan(5)
    expect(JSON.parse(JSON.stringify(heard))).toEqual(heard)
    for (const line of heard)
      expect(line).toEqual({
        type: expect.stringMatching(/^[a-z-]+$/),
        at: expect.any(Number),
        tab: expect.stringMatching(/./),
        sessionId: line.sessionId === null ? null : expect.any(String),
        generation: expect.any(Number),
        detail: expect.any(Object),
      })
  }
  expect(new Set(lines.flat().map(({ tab }) => tab)).size).toBe(2)
})

test('REQ-118: a session is called by chance, and not after its tokens', async () => {
  const s = scene()
  const ids = new Set<string>()
  for (let round = 0; round < 5; round++) {
    await settled(s, s.tabs[0].session.signIn(tokens('same'), { subject: 'ann' }))
    const { state } = s.tabs[0].session
    ids.add(state.status === 'signed-in' ? state.sessionId : '')
    await settled(s, s.tabs[0].session.signOut())
  }
  expect(ids.size).toBe(5)
  expect([...ids].filter((id) => id === '' || /same|ann/.test(id))).toEqual([])
})

test('REQ-118: and a browser draws 128 bits for it', () => {
  const ids = Array.from({ length: 1_000 }, browserRandom.id)
  expect(new Set(ids).size).toBe(1_000)
  expect(ids.filter((id) => !/^[0-9a-z]+$/.test(id))).toEqual([])
  const bits = ids.reduce((sum, { length }) => sum + length * Math.log2(36), 0) / ids.length
  expect(bits).toBeGreaterThan(128) // each of four parts is written without its leading noughts
})
