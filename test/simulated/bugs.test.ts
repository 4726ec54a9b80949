import type { Session } from 'latchkey'
import { describe, expect, test } from 'vitest'
import { callFrom, hours, listenTo, minutes, scene, scripted, seconds, settled, storedIn, tokens, until, watch } from './scene.ts'

// Traces that once went wrong; each says what must not come back.

describe('timers', () => {
  test('F72: a hidden tab that keeps tokens fresh looks, and refreshes, and does not spin', async () => {
    const s = scene({ session: { keepFresh: 'always' } })
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    const looks = countReads(s)
    await s.advance(hours(1))
    expect(s.server.refreshes).toBeGreaterThanOrEqual(14)
    expect(looks()).toBeLessThan(200)
  })

  test.each(['visible', 'hidden'])(
    'F72: a session with nothing to refresh with ends at its expiry, and does not spin before (%s)',
    async (how) => {
      const s = scene()
      await s.tabs[0].session.signIn(s.server.grant({ refresh_token: null }))
      if (how === 'hidden') s.tabs[0].hide()
      let facts = 0
      s.tabs[0].session.on('diagnostic', () => facts++)
      await s.advance(seconds(299))
      expect(s.earOf(s.tabs[0]).ended).toEqual([])
      await s.advance(seconds(2))
      expect(s.earOf(s.tabs[0]).expired).toMatchObject([{ reason: 'refresh-expired' }])
      expect(facts).toBeLessThan(100)
    },
  )
})

describe('M5: what is wrong with an answer loses no refresh token', () => {
  test.each([
    { name: 'scope', odd: { scope: ['a', 'b'] } as object, works: true },
    { name: 'id_token', odd: { id_token: {} }, works: true },
    { name: 'token_type', odd: { token_type: 'urn:x' }, works: false },
    { name: 'access_token', odd: { access_token: null }, works: false },
  ])('a malformed $name', async ({ odd, works }) => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('first'))
    script.answers.push({ after: 0, give: { ...tokens('odd'), ...odd } })
    const refresh = await settled(s, s.tabs[0].session.refresh())
    expect(refresh.code).toBe(works ? null : 'refresh_unavailable')
    if (!works) expect(refresh.error).toMatchObject({ cause: expect.any(TypeError) })
    await s.advance(minutes(6))
    expect(script.asked.slice(0, 2).map(({ token }) => token)).toEqual(['refresh-first', 'refresh-odd'])
    for (const tab of s.tabs) {
      expect(tab.session.state).toMatchObject({ status: 'signed-in', trouble: null })
      expect(s.earOf(tab).ended).toEqual([])
    }
  })
})

test('M5, REQ-34: a token that is still good outlives a renewal that has brought none, and the refresh token of that is kept', async () => {
  const script = scripted()
  const s = scene({ session: { refresh: script.refresher } })
  const [{ session }] = s.tabs
  script.stage = s
  await session.signIn(tokens('first'))
  script.answers.push({ after: 0, give: { ...tokens('odd'), access_token: 'in\ntwo lines' } })
  await until(s, () => script.asked.length)
  expect((await settled(s, session.getToken())).value).toBe('access-first')
  await s.advance(minutes(2))
  expect(script.asked.map(({ token }) => token)).toEqual(['refresh-first', 'refresh-odd'])
  expect(session.state).toMatchObject({ status: 'signed-in', trouble: null })
})

test('F35: who gives up while a tab that has slept looks is told at once', async () => {
  const s = scene()
  const [tab] = s.tabs
  await tab.session.signIn(s.server.grant())
  tab.hide()
  s.server.onRequest(() => new Response(null, { status: 401 }))
  s.latency = () => seconds(40)
  const abort = new AbortController()
  const call = watch(tab.session.fetch('https://server.test/me', { signal: abort.signal }), s.now)
  await s.advance(seconds(79))
  s.browser.behaviour.storeFault = () => 'hangs'
  await s.advance(1_100)
  abort.abort()
  const at = s.now()
  await s.advance(seconds(20))
  expect(call.result).toMatchObject({ code: 'AbortError', took: at })
})

describe('F55, F77: a 401 that comes to a tab which has slept, and was told nothing of it', () => {
  test.each(['visible', 'hidden'])('leads to one refresh and one retry as any other does (%s)', async (how) => {
    const s = scene({ session: { keepFresh: 'on-demand' } })
    const [tab] = s.tabs
    await tab.session.signIn(s.server.grant())
    if (how === 'hidden') tab.hide()
    await s.advance(seconds(280))
    s.latency = () => seconds(30)
    const calls = Array.from({ length: 6 }, () => watch(callFrom(tab), s.now))
    await s.advance(seconds(1))
    s.insideOf(tab).halt()
    await s.advance(seconds(120))
    s.latency = () => 50
    tab.thaw()
    await s.advance(seconds(5))
    expect(calls.map(({ result }) => result?.value)).toEqual(Array(6).fill(200))
    expect(s.server.presentations).toHaveLength(1)
  })
})

describe('F58, F74: an end is told before what follows it', () => {
  const heard = (session: Session) => {
    const order: string[] = []
    session.onSessionEnded(({ subject }) => order.push(`ended ${subject}`))
    session.on('signed-in', ({ subject }) => order.push(`signed-in ${subject}`))
    return order
  }

  test.each([0, 50])('where somebody else signs in at once, and a store takes %i ms', async (delay) => {
    const s = scene({ tabs: 2 })
    const { session } = s.tabs[0]
    await session.signIn(s.server.grant(), { subject: 'one' })
    await s.advance(seconds(1))
    s.browser.behaviour.storeDelay = () => delay
    const order = heard(session)
    void session.signOut()
    void session.signIn(s.server.grant(), { subject: 'two' })
    await s.advance(seconds(5))
    expect(order).toEqual(['ended one', 'signed-in two'])
    expect(listenTo(session).ended).toEqual([])
    expect(s.earOf(s.tabs[1]).ended).toHaveLength(1)
  })

  test('where somebody else has signed in in another tab, and this one has not heard of it', async () => {
    const s = scene({ tabs: 2 })
    const { session } = s.tabs[0]
    await session.signIn(s.server.grant(), { subject: 'one' })
    await s.advance(seconds(1))
    s.browser.behaviour.messageDelay = () => 500
    await s.tabs[1].session.signIn(s.server.grant(), { subject: 'two' })
    const order = heard(session)
    void session.signOut()
    await s.advance(seconds(5))
    expect(order).toEqual(['ended one', 'signed-in two'])
    expect(listenTo(session).ended).toEqual([])
  })
})

describe('what the store says', () => {
  test('F40: a store that takes more than a second each way is slow, and serves', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant())
    s.browser.behaviour.storeDelay = () => 650 // 1.3 s for a read, as much for a write
    const refresh = await settled(s, s.tabs[0].session.refresh())
    expect(refresh.code).toBeNull()
    expect(s.server.presentations).toHaveLength(1)
  })

  test('an older record, read before a sign-in and heard after it, ends nothing', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant(), { subject: 'one' })
    await s.advance(seconds(2))
    const ways = [1, 1, 300]
    s.browser.behaviour.storeDelay = () => ways.shift() ?? 1
    s.tabs[0].show() // looks
    await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'two' }))
    await s.advance(seconds(1))
    expect(s.earOf(s.tabs[0]).ended).toHaveLength(1)
    expect(s.tabs[0].session.state).toMatchObject({ subject: 'two' })
  })

  test('F11: a freeze while the store was being read: the tab looks again before it says anything', async () => {
    const s = scene({ tabs: 2 })
    await s.tabs[0].session.signIn(s.server.grant({ expires_in: 36_000 }))
    await s.advance(seconds(2))
    s.browser.behaviour.storeDelay = () => 20
    s.tabs[1].show() // looks
    await s.advance(30)
    s.tabs[1].freeze()
    await settled(s, s.tabs[0].session.signOut())
    await s.advance(minutes(20))
    s.tabs[1].thaw()
    const call = await settled(s, callFrom(s.tabs[1]), 5_000, 5)
    expect(call.code).toMatch(/^(signed_out|session_ended)$/)
    expect(s.server.calls).toEqual([])
  })
})

describe.each(['fails', 'hangs'] as const)('F10, F40: a sign-in that a store takes late, for it %s', (fault) => {
  async function signedInLate(before: 'signed-in' | 'signed-out', page: 'same' | 'new') {
    const s = scene({ tabs: 2 })
    const { session } = s.tabs[0]
    await settled(s, session.signIn(s.server.grant(), { subject: 'one' }))
    if (before === 'signed-out') await settled(s, session.signOut())
    await s.advance(seconds(2))
    let faults = page === 'new' ? 4 : 3 // a new page reads it first
    s.browser.behaviour.storeFault = () => (faults-- > 0 ? fault : 'none')
    const tab = page === 'new' ? s.world.openTab() : s.tabs[0]
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'two' }))
    return { s, tab }
  }

  test.each([
    { before: 'signed-in', page: 'same' },
    { before: 'signed-in', page: 'new' },
    { before: 'signed-out', page: 'same' },
    { before: 'signed-out', page: 'new' },
  ] as const)('is undone by nothing that was there before ($before, the $page page)', async ({ before, page }) => {
    const { s, tab } = await signedInLate(before, page)
    await s.advance(seconds(40))
    for (const { session } of [tab, ...s.tabs]) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'two' })
    expect(s.earOf(s.tabs[0]).ended).toMatchObject([{ subject: 'one' }])
    const { live } = s.server
    expect(live.at(-1)).toBe(storedIn(s)?.grant?.refreshToken)
    if (page === 'same') expect(live).toHaveLength(1)
  })

  test('is not given up for what a tab that has not heard of it tells of the user before', async () => {
    const { s, tab } = await signedInLate('signed-in', 'same')
    await settled(s, s.tabs[1].session.refresh())
    await s.advance(seconds(40))
    for (const { session } of [tab, ...s.tabs]) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'two' })
    expect(s.server.live).toEqual([storedIn(s)?.grant?.refreshToken])
  })

  test('and is over before that, leaves nobody', async () => {
    const { s, tab } = await signedInLate('signed-in', 'same')
    await settled(s, tab.session.signOut())
    await s.advance(seconds(40))
    for (const { session } of s.tabs) expect(session.state.status).toBe('signed-out')
    expect(s.server.live).toEqual([])
  })
})

test('F10, F40: a sign-in that the store has taken, and said so too late, is not written over the next one', async () => {
  const s = scene({ tabs: 2 })
  const [tab, other] = s.tabs
  await settled(s, tab.session.signIn(s.server.grant(), { subject: 'one' }))
  await s.advance(seconds(2))
  let until = 0 // for so long the store stands still, from the next write on
  s.browser.behaviour.storeFault = (operation) => {
    if (operation === 'replace') until ||= s.now() + seconds(7)
    return 'none'
  }
  s.browser.behaviour.storeDelay = () => Math.max(1, until - s.now())
  await settled(s, tab.session.signIn(s.server.grant(), { subject: 'two' }))
  await s.advance(seconds(5))
  await settled(s, other.session.signIn(s.server.grant(), { subject: 'three' }))
  await s.advance(seconds(40))
  for (const { session } of s.tabs) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'three' })
  expect(s.earOf(tab).ended).toMatchObject([{ subject: 'one' }, { subject: 'two' }])
})

describe('where the server keeps the session in a cookie', () => {
  test('F10, F40: whoever it has spoken for is not written over who has signed in since, where the store takes that late', async () => {
    const script = scripted({ presents: 'cookie' })
    const s = sceneOf(script)
    script.answers.push({ after: 0, give: refusal() })
    const other = s.world.openTab()
    await s.advance(seconds(1))
    let faults = 3
    s.browser.behaviour.storeFault = (operation) => (operation === 'replace' && faults-- > 0 ? 'fails' : 'none')
    const tab = s.world.openTab()
    await s.advance(seconds(1))
    expect([tab.session.state.status, storedIn(s)]).toEqual(['signed-in', null])
    await settled(s, other.session.signIn(tokens('bob'), { subject: 'bob' }))
    await s.advance(seconds(40))
    for (const { session } of [tab, other]) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'bob' })
  })

  test('F07: its "nobody", asked before a sign-in and heard after it, ends no session', async () => {
    const script = scripted({ presents: 'cookie' })
    const s = sceneOf(script)
    script.answers.push({ after: seconds(2), give: refusal() })
    const tab = s.world.openTab()
    await s.advance(seconds(1))
    await settled(s, tab.session.signIn(tokens('mine')))
    await s.advance(seconds(5))
    expect(tab.session.state.status).toBe('signed-in')
    expect(storedIn(s)?.status).toBe('active')
  })

  test('F66: a refresh that waits for the lock while the user signs out does not ask the cookie for a session', async () => {
    const script = scripted({ presents: 'cookie' })
    const s = sceneOf(script)
    const [a, b] = [s.world.openTab(), s.world.openTab()]
    await s.advance(seconds(1))
    const before = script.asked.length
    script.answers.push({ after: seconds(3), give: tokens('slow') })
    void a.session.refresh().catch(() => {})
    await s.advance(100)
    void b.session.refresh().catch(() => {}) // waits for the lock
    await s.advance(100)
    await settled(s, b.session.signOut())
    await s.advance(seconds(10))
    expect(script.asked.length - before).toBe(1)
    expect(storedIn(s)?.status).toBe('ended')
    expect([a, b].map(({ session }) => session.state.status)).toEqual(['signed-out', 'signed-out'])
  })

  test('F41: a store that takes nothing keeps nobody from being signed in by the cookie', async () => {
    const script = scripted({ presents: 'cookie' })
    const s = sceneOf(script)
    s.browser.behaviour.storeFault = (operation) => (operation === 'replace' ? 'fails' : 'none')
    const tab = s.world.openTab()
    await s.advance(seconds(5))
    expect(tab.session.state.status).toBe('signed-in')
  })
})

describe('sign-out', () => {
  test.each([0, 30])('of a session that is not stored yet: it stays over, and is announced once (store: %i ms)', async (delay) => {
    const s = scene()
    const { session } = s.tabs[0]
    await session.signIn(s.server.grant())
    await s.advance(seconds(2))
    s.browser.behaviour.storeDelay = () => delay
    s.tabs[0].show() // looks
    void session.signOut()
    void session.signIn(s.server.grant())
    void session.signOut()
    const seen: string[] = []
    session.subscribe(({ status }) => seen.push(status))
    await s.advance(seconds(5))
    expect(seen).toEqual(['signed-out'])
    const ended = s.earOf(s.tabs[0]).ended.map(({ sessionId }) => sessionId)
    expect(new Set(ended).size).toBe(ended.length)
  })

  test('settles for each session that was signed out, whatever came after it', async () => {
    const script = scripted({ revoke: () => new Promise((resolve) => setImmediate(resolve)) })
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    await s.tabs[0].session.signIn(tokens('one'))
    const first = watch(s.tabs[0].session.signOut(), s.now)
    void s.tabs[0].session.signIn(tokens('two'))
    const second = watch(s.tabs[0].session.signOut(), s.now)
    await s.advance(seconds(20))
    expect([first.result?.value, second.result?.value]).toEqual([{ revoked: true }, { revoked: true }])
  })

  test('F67: while the store is being read, is not one of whoever signs in after it', async () => {
    const s = scene({ tabs: 1 })
    await settled(s, s.tabs[0].session.signIn(s.server.grant(), { subject: 'one' }))
    s.browser.behaviour.storeDelay = () => 300
    const tab = s.world.openTab()
    const left = watch(tab.session.signOut(), s.now)
    await s.advance(100)
    await settled(s, tab.session.signIn(s.server.grant(), { subject: 'two' }))
    await s.advance(seconds(40))
    expect(left.result?.value).toEqual({ revoked: false })
    for (const { session } of [tab, ...s.tabs]) expect(session.state).toMatchObject({ status: 'signed-in', subject: 'two' })
    expect(s.server.live).toEqual([storedIn(s)?.grant?.refreshToken])
  })

  test('settles where the server never does', async () => {
    const s = scene({ session: { refresh: scripted({ revoke: () => new Promise(() => {}) }).refresher } })
    await s.tabs[0].session.signIn(tokens('one'))
    expect((await settled(s, s.tabs[0].session.signOut())).value).toEqual({ revoked: false })
  })

  test('revokes where the store has ended the session, and did not say so in time', async () => {
    const script = scripted()
    const s = scene({ session: { refresh: script.refresher } })
    await s.tabs[0].session.signIn(tokens('one'))
    let ways = 0
    s.browser.behaviour.storeDelay = () => (ways++ === 3 ? seconds(5) : 1) // the way back of the write
    expect((await settled(s, s.tabs[0].session.signOut())).value).toEqual({ revoked: true })
    expect(script.revoked).toEqual(['refresh-one'])
  })

  test('F09, M6: that the store takes late ends what another tab has renewed meanwhile', async () => {
    const script = scripted()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    const [tab, other] = s.tabs
    await settled(s, tab.session.signIn(tokens('one')))
    await s.advance(seconds(1))
    s.browser.behaviour.loses = () => true
    await settled(s, other.session.refresh())
    let faults = 3
    s.browser.behaviour.storeFault = () => (faults-- > 0 ? 'fails' : 'none')
    await settled(s, tab.session.signOut())
    await s.advance(seconds(35))
    expect(other.session.state).toEqual({ status: 'signed-out', reason: 'signed-out' })
    expect(storedIn(s)).toMatchObject({ status: 'ended', generation: 3 })
    expect(s.earOf(tab).ended).toHaveLength(1)
    expect(script.revoked).toEqual(['refresh-one', 'refresh-given-1'])
  })
})

const refusal = () => Object.assign(new Error('nobody'), { [Symbol.for('latchkey.error')]: true, code: 'refresh_rejected' })

/** No tabs yet: they start when the test has said how the server answers. */
function sceneOf(script: ReturnType<typeof scripted>) {
  const s = scene({ tabs: 0 as 1, session: { refresh: script.refresher } })
  script.stage = s
  return s
}

function countReads(s: {
  readonly browser: { readonly behaviour: { storeFault: (operation: 'read' | 'replace') => 'none' | 'fails' | 'hangs' } }
}) {
  let reads = 0
  s.browser.behaviour.storeFault = (operation) => {
    if (operation === 'read') reads++
    return 'none'
  }
  return () => reads
}

test('a refresh goes on to the end of its claim, whoever closes in between', async () => {
  const s = scene({ tabs: 2 })
  await s.tabs[0].session.signIn(s.server.grant())
  s.latency = () => seconds(1)
  const refresh = watch(s.tabs[0].session.refresh(), s.now)
  await until(s, () => storedIn(s)?.claim)
  s.tabs[0].session.close()
  await s.advance(seconds(5))
  expect(refresh.result?.code).toBe('closed')
  expect(storedIn(s)).toMatchObject({ claim: null, status: 'active' })
  expect(s.earOf(s.tabs[1]).refreshed).toHaveLength(1)
  expect(s.server.reused).toBe(0)
})

describe('clocks and limits that a server tells', () => {
  test('F23: a clock that goes back ends no session whose refresh token has a lifetime', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant({ refresh_expires_in: 30 * 86_400 }))
    s.insideOf(s.tabs[0]).setClock(-hours(1))
    await s.advance(minutes(10))
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
    expect(s.server.refreshes).toBeGreaterThan(0)
  })

  test('F50: a refresh token that lives for nought seconds is one that the server says nothing of', async () => {
    const s = scene()
    await s.tabs[0].session.signIn(s.server.grant({ refresh_expires_in: 0 }))
    await s.advance(minutes(10))
    expect(s.earOf(s.tabs[0]).ended).toEqual([])
    expect(s.server.refreshes).toBeGreaterThan(0)
  })

  test('F24: tokens that are over before they arrive are not asked for again and again', async () => {
    const s = scene({ expiresIn: 1 })
    s.latency = () => 600
    await s.tabs[0].session.signIn(s.server.grant())
    s.tabs[0].hide()
    await s.advance(seconds(2))
    expect((await settled(s, callFrom(s.tabs[0]))).code).toBe('refresh_unavailable')
    expect(s.server.refreshes).toBeLessThanOrEqual(2)
  })
})

describe('a cookie that speaks for somebody', () => {
  const cookie = () => scripted({ presents: 'cookie' })

  test.each([1, 2])('F66: an answer from before a sign-in and a sign-out brings nobody back, and is revoked (tab %i)', async (tab) => {
    const script = cookie()
    const s = scene({ tabs: 2, session: { refresh: script.refresher } })
    script.stage = s
    script.answers.push({ after: seconds(3), give: tokens('early') })
    await s.advance(seconds(1))
    const { session } = tab === 1 ? s.tabs[0] : s.tabs[1]
    await settled(s, session.signIn(tokens('mine')))
    await settled(s, session.signOut())
    await s.advance(seconds(20))
    expect(s.tabs.map(({ session: { state } }) => state.status)).toEqual(['signed-out', 'signed-out'])
    expect(storedIn(s)?.status).toBe('ended')
    expect(script.revoked).toContain('refresh-early')
  })

  test('F67: a sign-out while nobody knows yet holds when the answer comes', async () => {
    const script = cookie()
    const s = scene({ session: { refresh: script.refresher } })
    script.stage = s
    script.answers.push({ after: seconds(9), give: tokens('late') })
    await s.advance(seconds(1))
    const out = watch(s.tabs[0].session.signOut(), s.now)
    await s.advance(minutes(1))
    expect(out.result?.code).toBeNull()
    expect(s.tabs[0].session.state.status).toBe('signed-out')
  })
})

test('REQ-122: what fails in a strategy’s own affairs is reported, and stops nothing', async () => {
  const failing = () => {
    throw new Error('of the strategy')
  }
  const script = scripted()
  const s = scene({ session: { refresh: { ...script.refresher, prepare: failing, forget: failing } } })
  script.stage = s
  const { session } = s.tabs[0]
  const seen: string[] = []
  session.subscribe(({ status }) => seen.push(status))
  expect(await settled(s, session.signIn(tokens('first')))).toHaveProperty('code', null)
  expect(await settled(s, session.signOut())).toHaveProperty('code', null)
  expect(seen).toEqual(['loading', 'signed-in', 'signed-out'])
})

describe('bad input', () => {
  test('REQ-12: a subject that is no text is refused, and nothing is written that cannot be read', async () => {
    const s = scene()
    const signIn = s.tabs[0].session.signIn(s.server.grant(), { subject: 42 as unknown as string })
    await expect(signIn).rejects.toThrow(TypeError)
    expect(s.browser.records.size).toBe(0)
  })

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, '5' as unknown as number])(
    'F30: a minValidity of %o is refused, and asks nobody',
    async (minValidity) => {
      const s = scene()
      await s.tabs[0].session.signIn(s.server.grant())
      await expect(s.tabs[0].session.getToken({ minValidity })).rejects.toThrow(TypeError)
      expect(s.server.presentations).toEqual([])
    },
  )
})

test('F55: insteadOf says so where nobody is signed in any more', async () => {
  const s = scene()
  const { session } = s.tabs[0]
  await session.signIn(s.server.grant())
  const insteadOf = (await settled(s, session.getToken())).value as string
  await settled(s, session.signOut())
  expect(await settled(s, session.refresh({ insteadOf }))).toHaveProperty('code', 'signed_out')
})

test('F55: insteadOf is about whatever token it is, a resource’s too', async () => {
  const script = scripted()
  const attachTo = ['https://own.test', { url: 'https://files.test', resource: 'urn:files' }]
  const s = scene({ session: { attachTo, refresh: script.refresher } })
  script.stage = s
  const { session } = s.tabs[0]
  await session.signIn(tokens('first'))
  const files = async () => (await settled(s, session.getToken({ resource: 'urn:files' }))).value as string
  const before = await files()
  await settled(s, session.refresh({ insteadOf: before }))
  expect(await files()).not.toBe(before)
  await settled(s, session.refresh({ insteadOf: before })) // in use no more
  expect(script.asked).toHaveLength(2)
})
