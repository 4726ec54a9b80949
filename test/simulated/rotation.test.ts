import type { Diagnostic } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { minutes, roughen, scene, scripted, seconds, seeds, settled, storedIn, tokens, until, watch } from './scene.ts'

/** Which tokens lie in the store: `access-one refresh-one`. */
const stored = (s: Parameters<typeof storedIn>[0]): string => {
  const text = JSON.stringify(storedIn(s)?.grant)
  return ['access', 'refresh'].flatMap((kind) => text.match(new RegExp(`${kind}-\\w+`)) ?? []).join(' ')
}

describe('REQ-52: the tokens that a refresh brings', () => {
  test.each(seeds(30))('lie in the store as a pair, old or new, whenever the tab dies (seed %i)', async (seed) => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher }, seed })
    script.stage = s
    const random = roughen(s, seed)
    await settled(s, s.tabs[0].session.signIn(tokens('one')))
    script.answers.push({ after: random() * 100, give: tokens('two') })
    void watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(random() * 200)
    s.tabs[0].crash()
    await s.advance(seconds(1))
    expect(['access-one refresh-one', 'access-two refresh-two']).toContain(stored(s))
  })

  test('lie there before anybody is given them', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    s.browser.behaviour.storeDelay = () => 50
    await settled(s, s.tabs[0].session.signIn(tokens('one')))
    await s.advance(seconds(1))
    script.answers.push({ after: 100, give: tokens('two') })
    const seen: string[] = []
    for (const { session } of s.tabs) void session.refresh().then(() => seen.push(stored(s)))
    await s.advance(seconds(5))
    expect(seen).toEqual(Array(2).fill('access-two refresh-two'))
  })
})

describe('REQ-57: a refresh token that the server refuses', () => {
  test('though it is the newest that anybody here knows: each tab is told once, one of them as its own doing, and that no answer of ours was lost', async () => {
    const s = scene({ tabs: 3 })
    const refused: Diagnostic[] = []
    for (const { session } of s.tabs)
      session.on('diagnostic', (event) => {
        if (event.type === 'answered' && event.detail.outcome === 'rejected') refused.push(event)
      })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await settled(s, s.tabs[0].session.refresh())
    const { generation, grant } = storedIn(s)!
    const stolen = { method: 'POST', body: grant?.refreshToken ?? '' }
    expect((await settled(s, s.tabs[2].session.fetch(`${s.server.origin}/token`, stolen))).value).toMatchObject({ status: 200 })
    await s.advance(minutes(6))
    expect(s.server.reused).toBe(1)
    const ends = s.tabs.map((tab) => s.earOf(tab).ended)
    for (const ended of ends) expect(ended).toMatchObject([{ reason: 'rejected', answerLost: false }])
    expect(
      ends
        .flat()
        .map(({ by }) => by)
        .sort(),
    ).toEqual(['other-tab', 'other-tab', 'this-tab'])
    expect(refused).toMatchObject([{ generation, sessionId: ends[0]?.[0]?.sessionId }])
  })

  test('when another tab has a newer one by then: that is gone on with, and nobody is told', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    await settled(s, s.tabs[0].session.signIn(tokens('one')))
    await s.advance(seconds(1))
    const refusal = Object.assign(new Error('no'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })
    script.answers.push({ after: seconds(1), give: refusal }, { after: 100, give: tokens('two') })
    void watch(s.tabs[0].session.refresh(), s.now)
    await until(s, () => script.asked.length === 1)
    s.tabs[0].freeze()
    await settled(
      s,
      s.tabs[1].session.refresh().catch(() => {}),
    ) // a caller waits no longer than a claim is watched
    expect((await settled(s, s.tabs[1].session.refresh())).code).toBeNull()
    s.tabs[0].thaw()
    await s.advance(seconds(10))
    expect(script.asked.map(({ token }) => token)).toEqual(['refresh-one', 'refresh-one'])
    expect(stored(s)).toBe('access-two refresh-two')
    for (const tab of s.tabs) {
      expect(s.earOf(tab).ended).toEqual([])
      expect(await tab.session.getToken()).toBe('access-two')
    }
  })

  test('whose answer died with a tab: that is said', async () => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.latency = () => 500
    void watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(700) // rotated, not answered
    s.tabs[0].crash()
    await s.advance(minutes(10))
    expect(s.earOf(s.tabs[1]).ended).toMatchObject([{ reason: 'rejected', answerLost: true }])
  })

  test.each([
    ['and neither had the second', ['answer-lost', 'answer-lost']],
    ['and the network was gone by the second', ['answer-lost', 'request-lost']],
    ['and a server that was busy came to it next', ['answer-lost', { status: 503 }, { status: 503 }]],
  ] as const)('F33: which answer nobody has had, %s: that is said, however many tries later', async (_, failures) => {
    const s = scene({ tabs: 2 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    for (const how of failures) s.server.fail(how)
    void watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(minutes(1))
    for (const tab of s.tabs) expect(s.earOf(tab).ended).toMatchObject([{ reason: 'rejected', answerLost: true }])
  })

  test('after answers that only said to wait: then none was lost', async () => {
    const s = scene()
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.server.fail({ status: 503 }, 3)
    void watch(s.tabs[0].session.refresh(), s.now)
    await s.advance(500)
    s.server.revoke()
    await s.advance(minutes(1))
    expect(s.earOf(s.tabs[0]).ended).toMatchObject([{ reason: 'rejected', answerLost: false }])
  })

  test('after a lost answer and a refresh that went well: then none was lost', async () => {
    const s = scene({ rotation: 'grace' })
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    s.server.fail('answer-lost', 2)
    await settled(s, s.tabs[0].session.refresh())
    await s.advance(seconds(8))
    expect(s.server.refreshes).toBeGreaterThan(0)
    await settled(s, s.tabs[0].session.refresh())
    s.server.revoke()
    await s.advance(minutes(6))
    expect(s.earOf(s.tabs[0]).ended).toMatchObject([{ reason: 'rejected', answerLost: false }])
  })
})
