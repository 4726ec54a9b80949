import { memoryStore, type Store } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { minutes, pause, type Scene, scene, seconds, settled, storedIn, watch } from './scene.ts'

describe('F10, F40, I6: a sign-in whose write was done, and whose store says so too late', () => {
  test('a freeze in the midst of a sign-in: the sign-in of another tab, which came later, stays, and nothing else is left at the server', async () => {
    const s = scene({ tabs: 2 })
    const [frozen, other] = s.tabs
    await settled(s, frozen.session.signIn(s.server.grant(), { subject: 'one' }))
    s.browser.behaviour.storeDelay = () => 10
    await s.advance(seconds(1))
    watch(frozen.session.signIn(s.server.grant(), { subject: 'two' }), s.now)
    await s.advance(35) // read, and written; the word of it is on its way back
    frozen.freeze()
    watch(other.session.signIn(s.server.grant(), { subject: 'three' }), s.now)
    await s.advance(minutes(1))
    frozen.thaw()
    await s.advance(minutes(10))
    for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'three' })
    expect(s.server.live).toEqual([storedIn(s)?.grant?.refreshToken])
  })

  /** Does at once what it is asked, and says so after `answers.after` ms. */
  function tardy(stage: () => Pick<Scene<number>, 'browser' | 'now'>): { readonly store: Store; readonly answers: { after: number } } {
    const { read, replace } = memoryStore()
    const answers = { after: 0 }
    return {
      answers,
      store: {
        async read(key) {
          await pause(stage(), 5)
          return read(key)
        },
        async replace(key, expected, next) {
          const { after } = answers
          const done = await replace(key, expected, next)
          if (after > 0) await pause(stage(), after)
          return done
        },
      },
    }
  }

  test('a sign-out in another tab meanwhile: it stays signed out', async () => {
    const { store, answers } = tardy(() => s)
    const s = scene({ tabs: 2, session: { store } })
    const [slow, other] = s.tabs
    answers.after = 3_000
    watch(slow.session.signIn(s.server.grant()), s.now)
    await s.advance(1_100)
    answers.after = 0
    other.show() // it looks, and finds the new session
    await s.advance(100)
    expect(other.session.state.status).toBe('signed-in')
    await settled(s, other.session.signOut())
    await s.advance(seconds(10))
    for (const { session } of s.tabs) expect(session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    expect(s.server.live).toEqual([])
  })

  test('M7: what it replaced is revoked all the same', async () => {
    const { store, answers } = tardy(() => s)
    const s = scene({ session: { store } })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    answers.after = 3_000
    watch(s.tabs[0].session.signIn(s.server.grant()), s.now)
    await s.advance(seconds(1))
    answers.after = 0
    await s.advance(minutes(1))
    expect(s.server.live).toHaveLength(1)
  })
})

test('F43, I5: an ended session that is back in the store, later than its end, is not written over without end', async () => {
  const s = scene()
  await settled(s, s.tabs[0].session.signIn(s.server.grant()))
  const [[key, active] = ['', '']] = s.browser.records
  await settled(s, s.tabs[0].session.signOut())
  s.browser.behaviour.storeDelay = () => 5
  s.browser.records.set(key, JSON.stringify({ ...JSON.parse(active), generation: 9 }))
  let asked = 0
  s.browser.behaviour.storeFault = () => {
    asked++
    return 'none'
  }
  s.tabs[0].hide()
  await s.advance(seconds(2))
  s.tabs[0].show()
  await s.advance(seconds(10))
  expect(asked).toBeLessThan(20)
  expect(s.tabs[0].session.state.status).toBe('signed-out')
})
