import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { broadcastPeers } from '../../src/adapters/broadcast-peers.ts'
import type { News } from '../../src/core/state.ts'
import { callFrom, minutes, scene, seconds, settled } from '../simulated/scene.ts'
import { fragmentIn, shownBy } from './outputs.ts'
import { anyCloneable, marked } from './values.ts'

vi.setConfig({ testTimeout: 120_000 }) // hundreds of scenes, on machines of any speed

/** What the adapter has heard of `said`, by the browser's own channel. */
async function heardOf(said: readonly unknown[]): Promise<readonly News[]> {
  const name = `heard ${Math.random()}`
  const heard: News[] = []
  const stop = broadcastPeers(name).listen((news) => heard.push(news))
  const speaker = new BroadcastChannel(name)
  onTestFinished(() => {
    stop()
    speaker.close()
  })
  for (const what of said) speaker.postMessage(what)
  await new Promise<void>((resolve) => {
    const last = new BroadcastChannel(name)
    last.onmessage = ({ data }) => {
      if (data !== 'the last of them') return
      last.close()
      resolve()
    }
    speaker.postMessage('the last of them')
  })
  return heard
}

const almostNews = fc.record(
  {
    session: fc.oneof(fc.string(), anyCloneable),
    generation: fc.oneof(fc.integer(), fc.double(), fc.constantFrom(Number.MAX_SAFE_INTEGER, 2 ** 53, -1, Number.NaN), anyCloneable),
    missing: fc.oneof(fc.boolean(), anyCloneable),
    more: anyCloneable,
  },
  { requiredKeys: [] },
)

describe('F65, REQ-12: whatever any script of the origin posts on the channel', () => {
  test('is heard as a nudge with a name and a number, or not at all', async () => {
    const said = fc.sample(fc.oneof(almostNews, anyCloneable), 1_500)
    const heard = await heardOf([
      ...said,
      { session: 's'.repeat(1_000_000), generation: 'g'.repeat(1_000_000) },
      { session: 'heard', generation: 1, extra: { access_token: 'x' } },
    ])
    for (const news of heard) {
      expect(Object.keys(news)).toEqual(['session', 'generation', 'missing'])
      expect([typeof news.session, Number.isSafeInteger(news.generation), typeof news.missing]).toEqual(['string', true, 'boolean'])
    }
    expect(heard.at(-1)).toEqual({ session: 'heard', generation: 1, missing: false })
    expect(heard.length).toBeGreaterThan(1)
  })

  const news: fc.Arbitrary<News> = fc.record({
    session: fc.oneof(fc.constantFrom('', 'mine', '__proto__'), fc.string()),
    generation: fc.constantFrom(Number.MIN_SAFE_INTEGER, -1, 0, 1, 2, 3, Number.MAX_SAFE_INTEGER),
    missing: fc.boolean(),
  })

  test('F12: costs a look each at most: nobody is signed out, nothing is said in return, and calls go on', async () => {
    await fc.assert(
      fc.asyncProperty(marked, fc.array(fc.tuple(news, fc.constantFrom(0, 1, 40, 600)), { maxLength: 30 }), async (secret, said) => {
        const seen: unknown[] = []
        const s = scene({ tabs: 2 }, { see: (_, value) => void seen.push(value) })
        const grant = s.server.grant({ access_token: `${secret}-access`, refresh_token: `${secret}-refresh` })
        await settled(s, s.tabs[0].session.signIn(grant))
        await s.advance(seconds(1))
        const { state } = s.tabs[0].session
        const mine = state.status === 'signed-in' ? state.sessionId : ''
        const { peers } = s.browser.openTab(() => Promise.reject(new Error('No network here.'))).ports('https://server.test')
        const before = s.browser.messages.length
        for (const [what, wait] of said) {
          peers.tell(what.session === 'mine' ? { ...what, session: mine } : what)
          await s.advance(wait)
        }
        for (const tab of s.tabs) expect((await settled(s, callFrom(tab))).value).toBe(200)
        await s.advance(minutes(2))
        // What was asked for by a name that is somebody's, and is there, is answered by nobody.
        expect(s.browser.messages.length - before).toBe(said.length)
        for (const tab of s.tabs) {
          expect(tab.session.state).toMatchObject({ status: 'signed-in', sessionId: mine })
          expect(s.earOf(tab).ended).toEqual([])
        }
        expect(s.server.presentations).toEqual([])
        expect(fragmentIn([...seen, s.browser.messages, ...shownBy(s.tabs[0].session)], secret)).toBeNull()
        s.world.close()
      }),
      { numRuns: 300 },
    )
  })
})
