import { type Destination, LatchkeyError, type Refresher } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { isSecret } from '../sightings.ts'
import { pause, roughen, type Scene, scene, seconds, seeds, settled } from './scene.ts'

/** One refresh, as a provider of several APIs has seen it. */
interface Asked {
  readonly resource: string | null
  readonly scope: string | null
  readonly at: number
  answeredAt: number
}

/** A provider with strict rotation that takes its time, and denies what `denies` says. */
function provider(denies: (asked: Asked) => boolean = () => false, takes = 100) {
  const asked: Asked[] = []
  const reused: (string | null)[] = []
  let good = 0
  const grant = (name: string) => ({ access_token: isSecret(name), refresh_token: isSecret(`refresh-${good}`), expires_in: 300 })
  const play: { stage: Pick<Scene<number>, 'browser' | 'now'> | null; readonly refresher: Refresher } = {
    stage: null,
    refresher: {
      id: 'provider',
      async refresh({ refreshToken, resource, scope }) {
        const stage = play.stage!
        const question: Asked = { resource, scope, at: stage.now(), answeredAt: Number.POSITIVE_INFINITY }
        asked.push(question)
        await pause(stage, takes)
        question.answeredAt = stage.now()
        if (refreshToken !== isSecret(`refresh-${good}`)) reused.push(refreshToken)
        if (denies(question)) throw new LatchkeyError('refresh_unavailable', 'invalid_target')
        good++
        return grant(`access-${good} for ${resource} ${scope}`.replaceAll(' ', '_'))
      },
    },
  }
  return Object.assign(play, { asked, reused, signIn: () => grant('access-0') })
}

const destination = (name: string): Destination => ({ url: `https://${name}.test`, resource: `urn:${name}` })
const destinations = ['files', 'mail', 'calendar'].map(destination)
const attachTo = ['https://server.test', ...destinations]

test('REQ-104: what has changed for the user has changed at every API: a refresh that the app asks for renews every token there is', async () => {
  const server = provider()
  const s = scene({ session: { attachTo, refresh: server.refresher } })
  server.stage = s
  const { session } = s.tabs[0]
  await settled(s, session.signIn(server.signIn()))
  const all = async () =>
    (await settled(s, Promise.all([{}, ...destinations.slice(0, 2)].map((it) => session.getToken(it))))).value as string[]
  const before = await all()
  await s.advance(seconds(20))
  await settled(s, session.refresh())
  expect(server.asked.slice(2).map(({ resource }) => resource)).toEqual([null, 'urn:files', 'urn:mail'])
  const after = await all()
  for (const [index, token] of after.entries()) expect(token).not.toBe(before[index])
  expect(server.asked).toHaveLength(5)
  expect(server.reused).toEqual([])
})

test('REQ-104: one that is refused now keeps no other from its new token, and the call says so', async () => {
  let isDenied = false
  const server = provider(({ resource }) => isDenied && resource === 'urn:files')
  const s = scene({ session: { attachTo, refresh: server.refresher } })
  server.stage = s
  const { session } = s.tabs[0]
  await settled(s, session.signIn(server.signIn()))
  await settled(s, Promise.all(destinations.map(session.getToken)))
  const mail = () => settled(s, session.getToken({ resource: 'urn:mail' }))
  const before = (await mail()).value
  isDenied = true
  const { code } = await settled(s, session.refresh())
  expect(code).toBe('refresh_unavailable')
  expect(server.asked.slice(3).map(({ resource }) => resource)).toEqual([null, 'urn:files', 'urn:mail', 'urn:calendar'])
  expect((await mail()).value).not.toBe(before)
  expect(server.reused).toEqual([])
})

test('F60: each waits for its turn, however slow the provider is: what bounds a call is how long nothing new is heard', async () => {
  const server = provider(undefined, 5_000)
  const s = scene({ tabs: 2, session: { attachTo, refresh: server.refresher } })
  server.stage = s
  await settled(s, s.tabs[0].session.signIn(server.signIn()))
  await s.advance(seconds(1))
  const asks = s.tabs.flatMap(({ session }) => destinations.map(session.getToken))
  const { value } = await settled(s, Promise.allSettled(asks))
  expect((value as PromiseSettledResult<string>[]).map(({ status }) => status)).toEqual(Array(6).fill('fulfilled'))
  expect(server.asked).toHaveLength(3)
  expect(server.reused).toEqual([])
})

describe('REQ-25: a resource that is denied', () => {
  test.each(seeds(10))('F60: stops no other, in no tab, and is asked for once a minute in each (seed %i)', async (seed) => {
    const server = provider(({ resource }) => resource === 'urn:mail')
    const s = scene({ tabs: 2, seed, session: { attachTo, refresh: server.refresher } })
    server.stage = s
    roughen(s, seed)
    await settled(s, s.tabs[0].session.signIn(server.signIn()))
    await s.advance(seconds(1))
    const sessions = s.tabs.map(({ session }) => session)
    for (let round = 0; round < 60; round++) {
      const asks = sessions.flatMap(({ getToken }) => destinations.map(getToken))
      const results = await settled(s, Promise.allSettled(asks))
      const [files, mail, calendar, ...others] = results.value as PromiseSettledResult<string>[]
      expect([files, calendar, others[0], others[2]].map((it) => it?.status)).toEqual(Array(4).fill('fulfilled'))
      for (const denied of [mail, others[1]])
        expect((denied as PromiseRejectedResult).reason).toMatchObject({
          code: 'refresh_unavailable',
          retryable: true,
          retryAt: expect.any(Number),
          cause: { message: 'invalid_target' },
        })
      for (const { state } of sessions) expect(state).toMatchObject({ status: 'signed-in', trouble: null })
      await s.advance(seconds(10))
    }
    const count = (name: string | null) => server.asked.filter(({ resource }) => resource === name).length
    expect(count('urn:mail')).toBeGreaterThanOrEqual(2 * 8)
    expect(count('urn:mail')).toBeLessThanOrEqual(2 * 12)
    expect(count('urn:files')).toBeLessThanOrEqual(4)
    expect(count(null)).toBeGreaterThanOrEqual(2) // renewed ahead of need, as ever
    expect(server.reused).toEqual([])
    const answers = server.asked.map(({ answeredAt }) => answeredAt)
    expect(server.asked.slice(1).filter(({ at }, index) => at < (answers[index] ?? 0))).toEqual([]) // one after the other
  })

  test('is asked for again by who signs in anew', async () => {
    let isDenied = true
    const server = provider(({ resource }) => isDenied && resource === 'urn:mail')
    const s = scene({ session: { attachTo, refresh: server.refresher } })
    server.stage = s
    const { session } = s.tabs[0]
    const mail = { resource: 'urn:mail' }
    await settled(s, session.signIn(server.signIn(), { subject: 'ann' }))
    expect((await settled(s, session.getToken(mail))).code).toBe('refresh_unavailable')
    isDenied = false
    expect((await settled(s, session.getToken(mail))).code).toBe('refresh_unavailable')
    await settled(s, session.signIn(server.signIn(), { subject: 'ann' }))
    expect((await settled(s, session.getToken(mail))).code).toBeNull()
  })

  test('loses no token that it has: that one goes out until it has run out', async () => {
    let isDenied = false
    const server = provider(() => isDenied)
    const s = scene({ session: { attachTo, refresh: server.refresher, keepFresh: 'on-demand' } })
    server.stage = s
    const { session } = s.tabs[0]
    await settled(s, session.signIn(server.signIn()))
    const files = { resource: 'urn:files' }
    const before = (await settled(s, session.getToken(files))).value
    isDenied = true
    await s.advance(seconds(280)) // due
    for (let call = 0; call < 5; call++) {
      expect((await settled(s, session.getToken(files))).value).toBe(before)
      await s.advance(seconds(1))
    }
    await s.advance(seconds(20))
    expect((await settled(s, session.getToken(files))).code).toBe('refresh_unavailable')
    expect(server.asked).toHaveLength(2)
  })

  test('shows that the server is well again: what all tabs waited for is over', async () => {
    let isDown = false
    const server = provider(({ resource }) => {
      if (isDown) throw new Error('down')
      return resource === 'urn:mail'
    })
    const s = scene({ session: { attachTo, refresh: server.refresher, keepFresh: 'on-demand' } })
    server.stage = s
    const { session } = s.tabs[0]
    await settled(s, session.signIn(server.signIn()))
    isDown = true
    await settled(
      s,
      session.refresh().catch(() => {}),
    )
    expect(session.state).toMatchObject({ status: 'signed-in', trouble: { error: { code: 'refresh_unavailable' } } })
    isDown = false
    await s.advance(seconds(30))
    expect((await settled(s, session.getToken({ resource: 'urn:mail' }))).error).toMatchObject({ cause: { message: 'invalid_target' } })
    expect(session.state).toMatchObject({ status: 'signed-in', trouble: null })
  })

  test('is the session’s trouble if it is the session’s own token that is denied', async () => {
    const server = provider(() => true)
    const s = scene({ session: { attachTo, refresh: server.refresher } })
    server.stage = s
    const { session } = s.tabs[0]
    await settled(s, session.signIn(server.signIn()))
    expect((await settled(s, session.refresh())).code).toBe('refresh_unavailable')
    expect(session.state).toMatchObject({ status: 'signed-in', trouble: { error: { code: 'refresh_unavailable' } } })
  })
})

describe('REQ-25: two destinations of one API that differ in scope', () => {
  const api = 'https://api.test'
  const [read, write] = [
    { url: `${api}/read`, resource: 'urn:api', scope: 'read' },
    { url: `${api}/write`, resource: 'urn:api', scope: 'write' },
  ]

  function twoScopes(more: readonly Destination[] = []) {
    const server = provider()
    const s = scene({ tabs: 2, session: { attachTo: [read, write, ...more], refresh: server.refresher } })
    server.stage = s
    const carried: string[] = []
    s.server.onRequest(({ url, headers }) => {
      carried.push(`${new URL(url).pathname} ${headers.get('Authorization')}`)
      return Response.json({})
    })
    return { s, server, carried, session: s.tabs[0].session }
  }

  test('each carries a token of its own, from a refresh of its own, in both tabs', async () => {
    const { s, server, carried, session } = twoScopes()
    await settled(s, session.signIn(server.signIn()))
    await s.advance(seconds(1))
    const calls = s.tabs.flatMap((tab) => [read, write].map(({ url }) => tab.session.fetch(url)))
    await settled(s, Promise.all(calls))
    expect(server.asked.map(({ resource, scope }) => [resource, scope])).toEqual([
      ['urn:api', 'read'],
      ['urn:api', 'write'],
    ])
    expect(server.reused).toEqual([])
    expect(carried).toHaveLength(4)
    for (const call of carried) expect(call).toMatch(/^\/(\w+) Bearer .*urn:api_\1/)
  })

  test('getToken gives the token of the one that is named whole, and guesses none', async () => {
    const { s, server, session } = twoScopes([{ url: `${api}/any`, scope: 'any' }])
    await settled(s, session.signIn(server.signIn()))
    for (const scope of ['read', 'write'])
      expect((await settled(s, session.getToken({ resource: 'urn:api', scope }))).value).toContain(`urn:api_${scope}`)
    expect((await settled(s, session.getToken(session.destinationOf(`${api}/write/1`) ?? {}))).value).toContain('urn:api_write')
    expect((await settled(s, session.getToken({ scope: 'any' }))).value).toContain('null_any')
    for (const unnamed of [{ resource: 'urn:api' }, { resource: 'urn:api', scope: 'any' }, { scope: 'read' }])
      expect((await settled(s, session.getToken(unnamed))).error).toBeInstanceOf(TypeError)
    expect(server.asked).toHaveLength(3)
  })

  test('getToken without a scope gives the token of the one that names none', async () => {
    const { s, server, session } = twoScopes([{ url: api, resource: 'urn:api' }])
    await settled(s, session.signIn(server.signIn()))
    expect((await settled(s, session.getToken({ resource: 'urn:api' }))).value).toContain('urn:api_null')
  })
})
