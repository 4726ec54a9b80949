import { expect, test } from 'vitest'
import { serializeRecord } from '../../src/core/record.ts'
import { access, active, epoch, grant } from '../core/samples.ts'
import { callFrom, hours, type Scene, scene, settled, storedIn } from '../simulated/scene.ts'

// A damaged record, or that of somebody who means ill, is waited for by all tabs until a sign-in.

const issuer = 'https://server.test'
const key = `latchkey:${issuer}`

const expired = { ...access, life: { from: epoch, lasts: 1_000 } }

function find(changes: Parameters<typeof active>[0]) {
  const s = scene({ tabs: 0 as 1, session: { refresh: { id: issuer, refresh: async () => s.server.grant() } } }) as unknown as Scene<number>
  s.browser.records.set(key, serializeRecord(active({ issuer, grant: { ...grant, access: { '': expired } }, ...changes })))
  return { s, tab: s.world.openTab() }
}

test.each([
  { name: 'a claim that lasts for ever', changes: { claim: { owner: 'gone', locked: false, lasts: 1e15 } } },
  {
    name: 'a wait that lasts for ever',
    changes: { retry: { attempt: 1, since: epoch, at: Date.UTC(2026, 0, 1), wait: 1e15, binding: true } },
  },
])('F43, F49: $name is over in an hour', async ({ changes }) => {
  const { s, tab } = find(changes)
  await s.advance(hours(1))
  expect((await settled(s, callFrom(tab))).value).toBe(200)
})

test.each(['generation', 'fence'])('F43: a record whose %s cannot be counted on is none', async (name) => {
  const { s, tab } = find({ [name]: 2 ** 60 })
  await settled(s, tab.session.ready)
  await settled(s, callFrom(tab), 15_000)
  expect(storedIn(s)?.[name as 'fence'] ?? 0).toBeLessThan(2 ** 53)
})
