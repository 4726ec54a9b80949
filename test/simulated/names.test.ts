import { expect, test } from 'vitest'
import { startOn } from './failures/by-hand.ts'
import { listenTo, minutes, scene, settled } from './scene.ts'

test('REQ-09: sessions of two names on one origin neither renew, replace nor end one another', async () => {
  const s = scene({ tabs: 2 })
  const ours = s.tabs.map((tab) => startOn(s, tab, () => ({}), { name: 'another app' }))
  const ears = ours.map(listenTo)
  await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'ann' }))
  await settled(s, ours[0]!.signIn(s.server.grant(), { subject: 'bob' }))
  await s.advance(minutes(6))
  expect(s.server.refreshes).toBe(2) // one for each
  await settled(s, s.tabs[1].session.signOut())
  await s.advance(minutes(4))
  for (const tab of s.tabs) expect(s.earOf(tab).ended).toHaveLength(1)
  for (const [index, session] of ours.entries()) {
    expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
    expect(ears[index]?.ended).toEqual([])
    expect(ears[index]?.signedIn).toHaveLength(1)
  }
  expect([s.server.refreshes, s.browser.records.size]).toEqual([3, 2])
})
