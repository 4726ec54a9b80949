// A watch begins when the lock is asked for (rule 8): a claim of 10 s is watched for 14 s in all.

import { expect, test } from 'vitest'
import { callUntilAnswered, stageUntouched, stopInMidRefresh } from './frozen-tabs.ts'

const refreshTimeout = 10_000 // the default, and what a claim lasts

test('a tab that is frozen in the middle of its refresh holds nobody up for longer than its claim lasts, and five seconds (F15)', async ({
  onTestFinished,
}) => {
  const scene = await stageUntouched(onTestFinished)
  const { server, freeze } = scene
  server.rules.rotation = 'grace'
  const { holder, other } = await stopInMidRefresh(scene, 1_000)
  await freeze(holder)
  const { came, took } = await callUntilAnswered(other)
  expect(came).toBe(200)
  expect(server.refreshes).toEqual(['granted', 'again'])
  expect(took).toBeLessThanOrEqual(refreshTimeout + 5_000)
})
