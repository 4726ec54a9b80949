import { expect, test } from 'vitest'
import { createWorld } from 'latchkey/testing'
import { openWorld } from '../../src/testing/world.ts'

test('signs in, renews, and tells why it is over (the example of createWorld)', async () => {
  const world = createWorld({ tabs: 2, seed: 1 })
  const [a, b] = world.tabs
  await a.session.signIn(world.server.grant())
  world.server.revoke()
  await world.advance(3_600_000)
  expect(b.session.state).toEqual({ status: 'signed-out', reason: 'rejected' })
})

test('F01: eight tabs, two hundred expiries, strict rotation', async () => {
  const { world, insides } = openWorld({ tabs: 8, seed: 3, expiresIn: 300 })
  const { server, browser } = insides
  await world.tabs[0].session.signIn(world.server.grant())
  let n = 0
  insides.latency = () => 50 + ((n++ * 37) % 500)
  browser.behaviour.storeDelay = () => (n++ % 3) + 0.5
  browser.behaviour.messageDelay = () => n++ % 5
  const start = Date.now()
  while (server.refreshes < 200) await world.advance(10_000)
  console.log('ms', Date.now() - start, server.refreshes, server.reused, insides.now())
  expect(server.reused).toBe(0)
  for (const tab of world.tabs) expect(tab.session.state.status).toBe('signed-in')
})
