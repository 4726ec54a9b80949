import type { Page } from 'playwright-core'
import { expect, onTestFinished, test } from 'vitest'
import { stageUntouched } from './frozen-tabs.ts'
import { signIn, statusOf } from './scene.ts'

const notesOf = (page: Page) => page.evaluate(() => window.app.notes)
const openIn = ({ feeds }: { readonly feeds: readonly { readonly isOpen: boolean }[] }) => feeds.map(({ isOpen }) => isOpen)

test('a socket of a tab that sleeps through a refresh is back within 100 ms, with the new token (F80)', async () => {
  const { server, open, freeze, uncaught } = await stageUntouched(onTestFinished)
  const page = await open()
  await signIn(page, server)
  await page.evaluate(() => {
    window.app.keepFeed()
    document.addEventListener('resume', () => window.app.note('resume'))
  })
  await expect.poll(() => openIn(server)).toEqual([true])

  const other = await open()
  await expect.poll(() => statusOf(other)).toBe('signed-in')
  await other.bringToFront()
  const thaw = await freeze(page)
  await expect.poll(() => openIn(server)).toEqual([false]) // nobody would read what it is told
  server.invalidate()
  await other.evaluate(() => window.app.session.refresh())
  await thaw()
  await expect.poll(() => openIn(server)).toEqual([false, true])
  expect(server.feeds.map(({ credential }) => credential)).toEqual(['valid', 'valid'])

  const notes = await notesOf(page)
  const at = (name: string) => notes.findLast(({ what }) => what === name)?.at ?? Number.NaN
  expect(at('feed') - at('resume'), 'ms').toBeLessThanOrEqual(100)
  expect(uncaught).toEqual([])
})

test('a page with a socket is kept for the way back, and is connected again when it comes (F69, F80)', async () => {
  const { server, open, uncaught } = await stageUntouched(onTestFinished)
  const page = await open()
  await signIn(page, server)
  await page.evaluate(() => {
    window.app.keepFeed()
    for (const type of ['pagehide', 'pageshow'] as const)
      addEventListener(type, ({ persisted }) => window.app.note(type, String(persisted)))
  })
  await expect.poll(() => openIn(server)).toEqual([true])
  await page.goto(`${server.origin}/blank`)
  await page.evaluate(() => setTimeout(() => history.back())).catch(() => {})
  await expect.poll(() => openIn(server)).toEqual([false, true])
  expect((await notesOf(page)).map(({ what, detail }) => `${what} ${detail}`)).toEqual([
    'signed-in this-tab',
    'feed null',
    'pagehide true',
    'pageshow true',
    'feed null',
  ])
  expect(uncaught).toEqual([])
})
