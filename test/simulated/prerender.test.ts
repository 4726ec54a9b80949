import { expect, test } from 'vitest'
import { callFrom, scene, seconds, settled, watch } from './scene.ts'

test('F86: a page that is rendered ahead of a visit refreshes nothing and takes no lock until it is shown', async () => {
  const s = scene({ tabs: 1 })
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  s.tabs[0].hide()
  await s.advance(seconds(1_000)) // long expired: nobody has been looking
  s.browser.behaviour.prerenders = true
  let locks = 0
  s.browser.behaviour.lockDelay = () => {
    locks++
    return 0
  }
  const tab = s.world.openTab()
  const call = watch(callFrom(tab), s.now)
  await s.advance(seconds(5))
  expect(tab.session.state.status).toBe('signed-in')
  expect([s.server.refreshes, locks, call.result]).toEqual([0, 0, null])
  tab.show()
  const late = await settled(s, callFrom(tab))
  expect(late.value).toBe(200)
  expect(late.took).toBeLessThanOrEqual(seconds(1))
  expect(call.result?.value).toBe(200)
  expect([s.server.refreshes, s.server.reused]).toEqual([1, 0])
})

test('F86: not even one that always keeps its token fresh', async () => {
  const s = scene({ tabs: 1, session: { keepFresh: 'always' } })
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  s.tabs[0].session.close()
  s.browser.behaviour.prerenders = true
  const tab = s.world.openTab()
  await s.advance(seconds(1_000))
  expect(s.server.refreshes).toBe(0)
  tab.hide() // opened, in the background
  await s.advance(seconds(1))
  expect(s.server.refreshes).toBe(1)
})
