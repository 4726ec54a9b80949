import 'fake-indexeddb/auto'
import { createSession, isLatchkeyError, memoryStore } from 'latchkey'
import { dpop } from 'latchkey/dpop'
import * as entry from 'latchkey/oauth'
import { oauth, signInSilent } from 'latchkey/oauth'
import { describe, expect, onTestFinished, test } from 'vitest'
import { proofKeys } from '../../src/adapters/proof-keys.ts'
import { clientOf } from '../../src/oauth/provider.ts'
import { json, type Seen } from '../fetch/listen.ts'
import { asking, outcome } from '../refresh/asking.ts'
import { api, boundProvider, challenge, claimsIn, codeAnswered, found, proofOf, proofsOf, refusal, signedIn, tokens } from './dpop-scene.ts'

const kept = async (thumbprint: string) => (await proofKeys().find(thumbprint)) !== undefined

/** Until the test is done, or it is called. */
function replaceDatabase(get: () => unknown): () => void {
  const database = Object.getOwnPropertyDescriptor(globalThis, 'indexedDB') ?? {}
  const restore = () => void Object.defineProperty(globalThis, 'indexedDB', database)
  onTestFinished(restore)
  Object.defineProperty(globalThis, 'indexedDB', { configurable: true, get })
  return restore
}

/** Nothing more can be written, until the test is done. */
function fillDisk(): void {
  const { put } = IDBObjectStore.prototype
  onTestFinished(() => {
    IDBObjectStore.prototype.put = put
  })
  IDBObjectStore.prototype.put = () => {
    throw new DOMException('The disk is full.', 'QuotaExceededError')
  }
}

const silentDatabase = { open: () => ({}) }

/** Longer than any deadline, on any machine. */
const inTime = <T>(work: Promise<T>): Promise<T> =>
  Promise.race([work, new Promise<never>((_, reject) => setTimeout(() => reject(new Error('It hangs.')), 25_000))])

describe('REQ-86: a proof', () => {
  test('to an API says what it must of the request and the token, beside the token, once, and is genuine', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
    await session.fetch(`${origin}/x?y=1#z`, { headers: { DPoP: 'the caller’s own'.replace(/\W/g, '') } })
    const [request] = seen
    expect(request?.headers.authorization).toBe('DPoP access-1')
    expect(request?.rawHeaders.filter((name) => /^dpop$/i.test(name))).toHaveLength(1)
    const { header, jwk, claims, thumbprint } = await proofOf(request)
    expect(header).toMatchObject({ typ: 'dpop+jwt', alg: 'ES256' })
    expect(Object.keys(jwk).sort()).toEqual(['crv', 'kty', 'x', 'y'])
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('access-1')))
    expect(claims).toEqual({
      htm: 'GET',
      htu: `${origin}/x`,
      ath: Buffer.from(digest).toString('base64url'),
      jti: expect.stringMatching(/^[\w-]{16,}$/),
      iat: expect.any(Number),
    })
    expect(Math.abs(Number(claims.iat) - Date.now() / 1000)).toBeLessThan(60)
    expect(await kept(thumbprint)).toBe(true)
  })

  test('goes along with the code and with every refresh, of the same key and without a token', async () => {
    const script = await boundProvider()
    const { session } = await signedIn(await found({ issuer: script.issuer }), [])
    await session.refresh()
    await session.refresh()
    const proofs = await proofsOf(script.asked())
    expect(proofs).toHaveLength(3)
    for (const { claims } of proofs) {
      expect(claims).toMatchObject({ htm: 'POST', htu: `${script.issuer}/token` })
      expect(claims).not.toHaveProperty('ath')
    }
    expect(new Set(proofs.map(({ thumbprint }) => thumbprint)).size).toBe(1) // REQ-93
    expect(script.forms('/token')[2]).toEqual({ grant_type: 'refresh_token', refresh_token: 'refresh-3', client_id: 'spa' })
  })

  test('REQ-64: does not go along with a revocation, which so needs no preflight', async () => {
    const script = await boundProvider()
    const { session } = await signedIn(await found({ issuer: script.issuer }), [])
    expect(await session.signOut()).toEqual({ revoked: true })
    const revocations = script.seen.filter(({ url }) => url === '/revoke')
    expect(revocations.map(({ headers }) => headers.dpop)).toEqual([undefined, undefined])
  })

  test('REQ-87: is used once, be it for a retry', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api((_, count) =>
      count % 10 === 1 ? challenge('use_dpop_nonce', { 'DPoP-Nonce': `n${count}` }) : json({}),
    )
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
    for (let count = 0; count < 1_000; count++) await session.fetch(`${origin}/${count}`)
    expect(seen.length).toBe(1_112) // each answer that wanted a nonce was followed by a retry
    const proofs = await proofsOf([...seen, ...script.asked()])
    expect(new Set(proofs.map(({ claims }) => claims.jti)).size).toBe(proofs.length)
  })

  test('REQ-96: cannot be made ahead of time: nothing that signs is given away', () => {
    expect(Object.keys(entry).sort()).toEqual([
      'handleRedirect',
      'logoutRedirect',
      'oauth',
      'signInPopup',
      'signInRedirect',
      'signInSilent',
    ])
  })
})

describe('a nonce', () => {
  test('REQ-88: of the provider is the latest one, and costs one round trip in all', async () => {
    const script = await boundProvider()
    let nonce = 'n0'
    let rotations = 0
    script.says.token = (_, count) => {
      const right = claimsIn(script.asked().at(-1)).nonce === nonce
      nonce = `n${++rotations}`
      return right ? tokens(count, {}, { 'DPoP-Nonce': nonce }) : refusal('use_dpop_nonce', { 'DPoP-Nonce': nonce })
    }
    const { session } = await signedIn(await found({ issuer: script.issuer }), [])
    for (let count = 0; count < 3; count++) await session.refresh()
    const proofs = await proofsOf(script.asked())
    expect(proofs.map(({ claims }) => claims.nonce)).toEqual([undefined, 'n1', 'n2', 'n3', 'n4'])
  })

  test('REQ-88: that a page cannot read is not asked for again: the session stays', async () => {
    const script = await boundProvider()
    const { session, ends } = await signedIn(await found({ issuer: script.issuer }), [])
    script.says.token = () => refusal('use_dpop_nonce')
    await expect(session.refresh()).rejects.toHaveProperty('code', 'refresh_unavailable')
    expect([script.asked().length, ends]).toEqual([2, []])
  })

  test('REQ-88: that is asked for too late is not answered under the same claim: by then another tab may present the token (protocol, rule 4)', async () => {
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    await signedIn(provider, [])
    const [proof] = await proofsOf(script.asked())
    script.says.token = (_, count) =>
      claimsIn(script.asked().at(-1)).nonce === 'n' ? tokens(count) : refusal('use_dpop_nonce', { 'DPoP-Nonce': 'n' })
    const slowly: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      return response
    }
    const request = asking({ binding: proof?.thumbprint ?? null, fetch: slowly })
    expect(await outcome(provider, request)).toMatchObject({ type: 'unavailable', answered: false })
    expect(script.forms('/token')).toHaveLength(2) // the code, and the token once
    await expect.poll(async () => (await outcome(provider, request)).type, { timeout: 20_000 }).toBe('granted')
    expect(script.forms('/token')).toHaveLength(3)
  })

  test('REQ-89: is kept for the server that gave it, the provider’s apart even from an API at its own origin', async () => {
    const script = await boundProvider()
    const answer = (name: string) => (seen: Seen | undefined) =>
      claimsIn(seen).nonce === name ? json({}) : challenge('use_dpop_nonce', { 'DPoP-Nonce': name })
    const [one, two] = [await api(answer('one')), await api(answer('two'))]
    script.says.token = (_, count) => tokens(count, {}, { 'DPoP-Nonce': 'provider' })
    const { session } = await signedIn(await found({ issuer: script.issuer }), [one.origin, two.origin, script.issuer])
    for (const origin of [one.origin, two.origin, one.origin, two.origin]) expect((await session.fetch(`${origin}/`)).status).toBe(200)
    await session.fetch(`${script.issuer}/me`)
    await session.refresh()
    const nonces = async (seen: readonly Seen[]) => (await proofsOf(seen)).map(({ claims }) => claims.nonce)
    expect(await nonces(one.seen)).toEqual([undefined, 'one', 'one'])
    expect(await nonces(two.seen)).toEqual([undefined, 'two', 'two'])
    expect(await nonces(script.seen.filter(({ url }) => url === '/me'))).toEqual([undefined])
    expect(await nonces(script.asked())).toEqual([undefined, 'provider'])
  })

  test('REQ-89: that is good once is used by the call that it was given to, of ten that are made at once', async () => {
    const script = await boundProvider()
    const good = new Set<unknown>()
    const { origin, seen } = await api((request, count) => {
      const isGood = good.delete(claimsIn(request).nonce)
      good.add(`n${count}`)
      return isGood ? json({}, 200, { 'DPoP-Nonce': `n${count}` }) : challenge('use_dpop_nonce', { 'DPoP-Nonce': `n${count}` })
    })
    let answered = 0
    let allAre = () => {}
    const all = new Promise<void>((resolve) => {
      allAre = resolve
    })
    /** Nothing is heard of an answer before all ten are there. */
    const together: typeof fetch = async (input, init) => {
      const isOurs = new Request(input, init).url.startsWith(origin)
      const response = await fetch(input, init)
      if (isOurs && ++answered === 10) allAre()
      if (isOurs) await all
      return response
    }
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin], { fetch: together })
    const answers = await Promise.all(Array.from({ length: 10 }, () => session.fetch(`${origin}/`)))
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect([seen.length, script.asked().length]).toEqual([20, 1])
  })

  test('REQ-89: is no refusal of the token: nothing is refreshed, and a second demand is the caller’s', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api((_, count) => challenge('use_dpop_nonce', { 'DPoP-Nonce': `n${count}` }))
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
    const response = await session.fetch(`${origin}/`)
    expect(response.status).toBe(401)
    expect(response.headers.get('WWW-Authenticate')).toContain('use_dpop_nonce')
    expect([seen.length, script.asked().length]).toEqual([2, 1])
  })
})

describe('REQ-90: a call is sent three times at most', () => {
  const once = challenge('use_dpop_nonce', { 'DPoP-Nonce': 'n' })
  const refused = challenge('invalid_token')
  test.each([
    { name: 'a nonce, the token, and a nonce again: the caller’s', answers: [once, refused, once], status: 401 },
    { name: 'the token, and then a nonce', answers: [refused, once], status: 200 },
    { name: 'a nonce, and then the token', answers: [once, refused], status: 200 },
    { name: 'the token twice', answers: [refused, refused], status: 401 },
  ])('$name', async ({ answers, status }) => {
    const script = await boundProvider()
    const { origin, seen } = await api((_, count) => answers[count - 1] ?? json({}))
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
    expect((await session.fetch(`${origin}/`, { method: 'POST', body: 'text' })).status).toBe(status)
    expect(seen.length).toBe(status === 200 ? answers.length + 1 : answers.length)
    expect(seen.map(({ body }) => body.toString())).toEqual(seen.map(() => 'text'))
    const refreshes = script.asked().length - 1
    expect(refreshes).toBe(1)
    expect(seen.at(-1)?.headers.authorization).toBe('DPoP access-2')
  })

  test('and is not spent on what another key has heard: a stronger sign-in, which has a key of its own, meets an API that wants nonces', async () => {
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    const { origin, seen } = await api((request) => {
      if (claimsIn(request).nonce !== 'n') return challenge('use_dpop_nonce', { 'DPoP-Nonce': 'n' })
      return request.headers.authorization === 'DPoP access-1' ? challenge('insufficient_user_authentication') : json({})
    })
    const onStepUp = async () => {
      await session.signIn(await codeAnswered(provider), { subject: 'ann' })
      return null
    }
    const { session, ends } = await signedIn(provider, [origin], { onStepUp }, { subject: 'ann' })
    expect((await session.fetch(`${origin}/`)).status).toBe(200)
    const proofs = await proofsOf(seen)
    expect(proofs.map(({ claims }) => claims.nonce)).toEqual([undefined, 'n', 'n'])
    expect(new Set(proofs.map(({ thumbprint }) => thumbprint)).size).toBe(2)
    expect(ends).toHaveLength(0)
  })

  test('and a body that flows is sent once: the demand for a nonce is the caller’s, and the next call has it', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api((request) =>
      claimsIn(request).nonce === 'n' ? json({}) : challenge('use_dpop_nonce', { 'DPoP-Nonce': 'n' }),
    )
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
    const flowing = (text: string) => ({ method: 'POST', body: new Blob([text]).stream(), duplex: 'half' }) as RequestInit // which TypeScript’s DOM does not know
    expect((await session.fetch(`${origin}/`, flowing('one'))).status).toBe(401)
    expect((await session.fetch(`${origin}/`, flowing('two'))).status).toBe(200)
    expect(seen.map(({ body }) => body.toString())).toEqual(['one', 'two'])
  })
})

describe('a request', () => {
  test('is otherwise as the caller made it, but follows no redirect, which would take the proof along (REQ-21)', async () => {
    const script = await boundProvider()
    const { origin } = await api()
    const requests: Request[] = []
    const underneath: typeof fetch = (input, init) => {
      const request = new Request(input, init)
      if (request.url.startsWith(origin)) requests.push(request)
      return fetch(request)
    }
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin], { fetch: underneath })
    const over = new AbortController()
    const init: RequestInit = {
      method: 'PUT',
      body: 'text',
      mode: 'same-origin',
      credentials: 'include',
      cache: 'reload',
      signal: over.signal,
    }
    await session.fetch(`${origin}/`, { ...init, keepalive: true, referrerPolicy: 'no-referrer', headers: { 'X-Own': '1' } })
    const [sent] = requests
    expect(sent).toMatchObject({
      method: 'PUT',
      mode: 'same-origin',
      credentials: 'include',
      cache: 'reload',
      redirect: 'error',
      keepalive: true,
      referrerPolicy: 'no-referrer',
    })
    expect(sent?.headers.get('X-Own')).toBe('1')
    over.abort()
    expect(sent?.signal.aborted).toBe(true)
  })

  test('REQ-94: is not sent as Bearer to an API that would have it so', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api(() => json({}, 401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }))
    const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
    expect((await session.fetch(`${origin}/`)).status).toBe(401)
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['DPoP access-1', 'DPoP access-2'])
  })
})

test.each([
  { where: 'the provider', ahead: 900 },
  { where: 'the provider', ahead: -900 },
  { where: 'an API', ahead: 900 },
])('REQ-91: a clock that is wrong by $ahead s keeps nobody out, where $where tells its own', async ({ where, ahead }) => {
  const isRight = (seen: Seen | undefined) => Math.abs(Number(claimsIn(seen).iat) - Date.now() / 1000 - ahead) < 300
  const clock = () => ({ Date: new Date(Date.now() + ahead * 1000).toUTCString() })
  const script = await boundProvider()
  if (where === 'the provider')
    script.says.token = (_, count) => (isRight(script.asked().at(-1)) ? tokens(count) : refusal('invalid_dpop_proof', clock()))
  const { origin, seen } = await api((request) => (isRight(request) ? json({}) : challenge('invalid_dpop_proof', clock())))
  const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
  expect((await session.fetch(`${origin}/`)).status).toBe(200)
  expect((await session.fetch(`${origin}/`)).status).toBe(200)
  // Once learnt, it is known of both.
  expect([script.asked().length, seen.length]).toEqual(where === 'the provider' ? [2, 2] : [1, 3])
})

test('REQ-91: a server whose clock is wrong keeps nobody out of another one that does not tell its own', async () => {
  const hour = 3_600_000
  const isRight = (seen: Seen | undefined, ahead = 0) => Math.abs(Number(claimsIn(seen).iat) * 1000 - Date.now() - ahead) < 300_000
  const script = await boundProvider()
  script.says.token = (_, count) => (isRight(script.asked().at(-1)) ? tokens(count) : refusal('invalid_dpop_proof', { Date: '' }))
  const { origin } = await api((request) =>
    isRight(request, hour) ? json({}) : challenge('invalid_dpop_proof', { Date: new Date(Date.now() + hour).toUTCString() }),
  )
  const { session } = await signedIn(await found({ issuer: script.issuer }), [origin])
  for (let count = 0; count < 2; count++) {
    expect((await session.fetch(`${origin}/`)).status).toBe(200)
    await session.refresh()
  }
})

describe('REQ-92: a Bearer token in the place of a bound one', () => {
  const bearer = { token_type: 'Bearer' }

  test('ends a sign-in where `required`: it is said why, and no key is left behind', async () => {
    const script = await boundProvider()
    script.says.token = (_, count) => tokens(count, bearer)
    const error: unknown = await found({ issuer: script.issuer })
      .then(codeAnswered)
      .catch((reason: unknown) => reason)
    expect(isLatchkeyError(error, 'sign_in_failed') && error.message).toContain('Bearer')
    const [proof] = await proofsOf(script.asked())
    await expect.poll(() => kept(proof?.thumbprint ?? '')).toBe(false)
  })

  test('is not used where `required`, but the refresh token that came with it is kept; the session stays, and gets over it', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const { session, ends } = await signedIn(await found({ issuer: script.issuer }), [origin])
    script.says.token = (_, count) => tokens(count, bearer)
    await expect(session.refresh()).rejects.toHaveProperty('code', 'refresh_unavailable')
    await expect(session.fetch(`${origin}/`)).rejects.toHaveProperty('code', 'refresh_unavailable')
    expect(ends).toEqual([])
    expect(session.state).toMatchObject({ status: 'signed-in', trouble: expect.anything() })
    expect(seen).toEqual([])
    await session.signOut() // it was kept, and is revoked
    expect(script.forms('/revoke').map(({ token }) => token)).toContain('refresh-3')
  })

  test('that is no token at all, but an empty answer, has been an answer: nothing is presented twice for it', async () => {
    const script = await boundProvider()
    const { session, ends } = await signedIn(await found({ issuer: script.issuer }), [])
    script.says.token = () => ({ status: 200, headers: { 'Content-Type': 'application/json' }, body: 'null' })
    await expect(session.refresh()).rejects.toHaveProperty('code', 'refresh_unavailable')
    expect([script.asked().length, ends]).toEqual([2, []])
  })

  test('for one resource, where `required`, is not used, and the session’s own token still is', async () => {
    const script = await boundProvider()
    const [own, other] = [await api(), await api()]
    const provider = await found({ issuer: script.issuer })
    const attachTo = [own.origin, { url: other.origin, resource: 'https://files.example.com' }]
    const { session, ends } = await signedIn(provider, attachTo)
    script.says.token = (form, count) => tokens(count, form.has('resource') ? bearer : {})
    await expect(session.fetch(`${other.origin}/`)).rejects.toHaveProperty('code', 'refresh_unavailable')
    expect((await session.fetch(`${own.origin}/`)).status).toBe(200)
    expect([other.seen, own.seen.map(({ headers }) => headers.authorization), ends]).toEqual([[], ['DPoP access-1'], []])
  })

  test('goes out as Bearer where `prefer`, and the refresh token stays bound', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const { session } = await signedIn(await found({ issuer: script.issuer, dpop: dpop('prefer') }), [origin])
    script.says.token = (_, count) => tokens(count, bearer)
    await session.refresh()
    await session.fetch(`${origin}/`)
    await session.refresh()
    expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer access-2' })
    expect(seen[0]?.headers).not.toHaveProperty('dpop')
    expect(await proofsOf(script.asked())).toHaveLength(3)
  })

  test('is all there is where the provider says nothing of DPoP: `prefer` asks without proofs', async () => {
    const script = await boundProvider({ dpop_signing_alg_values_supported: undefined })
    script.says.token = (_, count) => tokens(count, bearer)
    const { origin, seen } = await api()
    const { session } = await signedIn(await found({ issuer: script.issuer, dpop: dpop('prefer') }), [origin])
    await session.refresh()
    await session.fetch(`${origin}/`)
    expect(script.asked().map(({ headers }) => headers.dpop)).toEqual([undefined, undefined])
    expect(seen[0]?.headers.authorization).toBe('Bearer access-2')
  })

  test('of before `required` ends the session at its first use: nothing is sent', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const { session, ends } = await signedIn(await found({ issuer: script.issuer }), [origin])
    await session.signIn({ access_token: 'access-8', refresh_token: 'refresh-8', expires_in: 300 })
    await expect(session.fetch(`${origin}/`)).rejects.toMatchObject({ code: 'session_ended', reason: 'rejected' })
    expect(ends.at(-1)?.reason).toBe('rejected')
    expect([seen, script.forms('/token').filter(({ refresh_token: token }) => token === 'refresh-8')]).toEqual([[], []])
  })
})

describe('REQ-93: a key', () => {
  test('is made for each session, and goes with it: signed out', async () => {
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    const [one, other] = [await signedIn(provider, [], { name: 'one' }), await signedIn(provider, [], { name: 'other' })]
    const [first, second] = await proofsOf(script.asked())
    expect(first?.thumbprint).not.toBe(second?.thumbprint)
    await one.session.signOut()
    await expect.poll(() => kept(first?.thumbprint ?? '')).toBe(false)
    expect(await kept(second?.thumbprint ?? '')).toBe(true)
    await other.session.refresh()
    expect(other.ends).toEqual([])
  })

  test('goes with it: the refresh token refused', async () => {
    const script = await boundProvider()
    const { session } = await signedIn(await found({ issuer: script.issuer }), [])
    script.says.token = () => refusal('invalid_grant')
    await expect(session.refresh()).rejects.toHaveProperty('code', 'session_ended')
    const [proof] = await proofsOf(script.asked())
    await expect.poll(() => kept(proof?.thumbprint ?? '')).toBe(false)
  })

  test('goes with it: replaced by another sign-in', async () => {
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    const { session } = await signedIn(provider, [])
    await session.signIn(await codeAnswered(provider))
    const [first, second] = await proofsOf(script.asked())
    await expect.poll(() => kept(first?.thumbprint ?? '')).toBe(false)
    expect(await kept(second?.thumbprint ?? '')).toBe(true)
  })

  test('goes with it: the same user has signed in again, which is no end', async () => {
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    const { session, ends } = await signedIn(provider, [], {}, { subject: 'ann' })
    await session.signIn(await codeAnswered(provider), { subject: 'ann' })
    const [first, second] = await proofsOf(script.asked())
    await expect.poll(() => kept(first?.thumbprint ?? '')).toBe(false)
    expect([await kept(second?.thumbprint ?? ''), ends]).toEqual([true, []])
  })

  test('that the browser does not give out for now is no end: nothing is sent, and later it goes on', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const store = memoryStore()
    const first = await signedIn(await found({ issuer: script.issuer }), [origin], { store })
    first.session.close()
    const restore = replaceDatabase(() => {
      throw new DOMException('Refused.', 'SecurityError')
    })
    const later = createSession({ attachTo: [origin], refresh: await found({ issuer: script.issuer }), store, keepFresh: 'on-demand' })
    onTestFinished(later.close)
    await expect(later.fetch(`${origin}/`)).rejects.toHaveProperty('code', 'refresh_unavailable')
    await expect(later.refresh()).rejects.toHaveProperty('code', 'refresh_unavailable')
    expect([seen, script.asked().length, later.state.status]).toEqual([[], 1, 'signed-in'])
    restore()
    expect((await later.fetch(`${origin}/`)).status).toBe(200)
  })

  test('of a browser that never answers holds up nobody for long: calls and refreshes are told so, and later it goes on', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const store = memoryStore()
    const first = await signedIn(await found({ issuer: script.issuer }), [origin], { store })
    first.session.close()
    const restore = replaceDatabase(() => silentDatabase)
    const later = createSession({ attachTo: [origin], refresh: await found({ issuer: script.issuer }), store, keepFresh: 'on-demand' })
    onTestFinished(later.close)
    await expect(inTime(later.fetch(`${origin}/`))).rejects.toHaveProperty('code', 'refresh_unavailable')
    await expect(inTime(later.refresh())).rejects.toHaveProperty('code', 'refresh_unavailable')
    expect([seen, script.asked().length, later.state.status]).toEqual([[], 1, 'signed-in'])
    restore()
    expect((await later.fetch(`${origin}/`)).status).toBe(200)
  }, 60_000)

  test('of a browser that never answers keeps no caller from giving up (F35)', async () => {
    const script = await boundProvider()
    const { origin } = await api()
    const store = memoryStore()
    const first = await signedIn(await found({ issuer: script.issuer }), [origin], { store })
    first.session.close()
    replaceDatabase(() => silentDatabase)
    const later = createSession({ attachTo: [origin], refresh: await found({ issuer: script.issuer }), store, keepFresh: 'on-demand' })
    onTestFinished(later.close)
    await later.ready
    const leaving = new AbortController()
    const answer = later.fetch(`${origin}/`, { signal: leaving.signal })
    leaving.abort()
    await expect(inTime(answer)).rejects.toHaveProperty('name', 'AbortError')
  }, 60_000)

  test('that the browser does not give out for now is no refusal of a resource, which would not be asked for again for a minute', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const store = memoryStore()
    const first = await signedIn(await found({ issuer: script.issuer }), [], { store })
    first.session.close()
    const restore = replaceDatabase(() => {
      throw new DOMException('Refused.', 'SecurityError')
    })
    const later = createSession({
      attachTo: [{ url: origin, resource: 'https://files.example.com' }],
      refresh: await found({ issuer: script.issuer }),
      store,
      keepFresh: 'on-demand',
    })
    onTestFinished(later.close)
    await expect(later.fetch(`${origin}/`)).rejects.toHaveProperty('code', 'refresh_unavailable')
    restore()
    const status = () => later.fetch(`${origin}/`).then((response) => response.status, String)
    await expect.poll(status, { timeout: 45_000 }).toBe(200)
    expect(seen).toHaveLength(1)
  }, 60_000)

  test('of a silent sign-in that nobody answers is not kept, in memory either', async () => {
    const frame = { hidden: false, src: '', remove() {} }
    const page = {
      document: { createElement: () => frame, documentElement: { append() {} } },
      location: { href: 'https://app.example.com/' },
    }
    for (const [name, value] of Object.entries(page)) {
      onTestFinished(() => void Reflect.deleteProperty(globalThis, name))
      Object.defineProperty(globalThis, name, { configurable: true, value })
    }
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    const answer = signInSilent(provider)
    const thumbprint = () => new URL(frame.src || 'https://none.example').searchParams.get('dpop_jkt')
    const { dpop: proving } = clientOf(provider)
    await expect.poll(thumbprint, { timeout: 10_000 }).toEqual(expect.any(String))
    const has = () => proving?.has(thumbprint() ?? '')
    expect(await has()).toBe(true)
    await expect(answer).rejects.toHaveProperty('code', 'interaction_required')
    await expect.poll(has, { timeout: 10_000 }).toBe(false)
  }, 60_000)

  test('of a browser that never answers lives in memory: a sign-in comes to its end', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    replaceDatabase(() => silentDatabase)
    const { session } = await inTime(signedIn(await found({ issuer: script.issuer }), [origin]))
    expect((await session.fetch(`${origin}/`)).status).toBe(200)
    expect(seen[0]?.headers.authorization).toBe('DPoP access-1')
  }, 60_000)

  test('is kept where the browser has lost its connection to the database meanwhile, as Safari does: a reload finds it', async () => {
    const script = await boundProvider()
    const provider = await found({ issuer: script.issuer })
    await signedIn(provider, [])
    const { transaction } = IDBDatabase.prototype
    onTestFinished(() => void Object.assign(IDBDatabase.prototype, { transaction }))
    let lost = 0
    Object.assign(IDBDatabase.prototype, {
      transaction(this: IDBDatabase, ...how: Parameters<typeof transaction>) {
        if (this.name === 'latchkey-proof-keys' && ++lost === 1) throw new DOMException('The connection was lost.', 'InvalidStateError')
        return Reflect.apply(transaction, this, how)
      },
    })
    await signedIn(provider, [], { name: 'later' })
    const [, later] = await proofsOf(script.asked())
    expect(await kept(later?.thumbprint ?? '')).toBe(true)
  })

  test('that is gone ends the session, for its tokens are of no use in any tab; nothing is sent', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const store = memoryStore()
    const first = await signedIn(await found({ issuer: script.issuer }), [origin], { store })
    first.session.close()
    const [proof] = await proofsOf(script.asked())
    await proofKeys().remove(proof?.thumbprint ?? '')
    const later = createSession({ attachTo: [origin], refresh: await found({ issuer: script.issuer }), store, keepFresh: 'on-demand' })
    onTestFinished(later.close)
    await expect(later.fetch(`${origin}/`)).rejects.toMatchObject({ code: 'session_ended', reason: 'rejected' })
    expect([seen, script.asked().length]).toEqual([[], 1])
  })

  test('F39: on a full disk is found by the next page, which goes on with it; and it goes with the session', async () => {
    const script = await boundProvider()
    const { origin, seen } = await api()
    const store = memoryStore()
    const provider = await found({ issuer: script.issuer })
    const first = await signedIn(provider, [origin], { store })
    await signedIn(provider, [], { name: 'used later' })
    first.session.close()
    fillDisk()
    const later = createSession({ attachTo: [origin], refresh: await found({ issuer: script.issuer }), store, keepFresh: 'on-demand' })
    onTestFinished(later.close)
    expect((await later.fetch(`${origin}/`)).status).toBe(200)
    await later.refresh()
    expect((await later.fetch(`${origin}/`)).status).toBe(200)
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['DPoP access-1', 'DPoP access-3'])
    const [mine, another] = await proofsOf(script.asked())
    await later.signOut()
    await expect.poll(() => kept(mine?.thumbprint ?? '')).toBe(false)
    expect(await kept(another?.thumbprint ?? '')).toBe(true)
  })

  test('that was cleared with all storage comes back from a tab that has it', async () => {
    const script = await boundProvider()
    const { session } = await signedIn(await found({ issuer: script.issuer }), [])
    const [proof] = await proofsOf(script.asked())
    await proofKeys().remove(proof?.thumbprint ?? '')
    await session.refresh()
    await expect.poll(() => kept(proof?.thumbprint ?? '')).toBe(true)
  })

  test('that nobody needs any more gives way: fifty are kept, those used last', async () => {
    const keys = proofKeys()
    const pair = (await keys.generate('ES256')) as CryptoKeyPair
    const use = () => keys.keep({ thumbprint: 'mine', algorithm: 'ES256', pair }) // as each refresh does
    for (let count = 0; count < 60; count++) {
      await keys.keep({ thumbprint: `left ${count}`, algorithm: 'ES256', pair })
      if (count % 20 === 0) await use()
    }
    expect(await Promise.all([kept('mine'), kept('left 0'), kept('left 59')])).toEqual([true, false, true])
  })

  test('REQ-07: cannot be taken out of the browser', async () => {
    const { privateKey, publicKey } = (await proofKeys().generate('ES256')) as CryptoKeyPair
    await expect(crypto.subtle.exportKey('jwk', privateKey)).rejects.toThrow()
    expect(await crypto.subtle.exportKey('jwk', publicKey)).not.toHaveProperty('d')
  })
})

describe('REQ-95: the algorithm', () => {
  test.each([
    { theirs: ['RS256', 'ES256', 'EdDSA'], is: 'ES256' },
    { theirs: ['EdDSA', 'RS256'], is: 'EdDSA' },
    { theirs: ['Ed25519'], is: 'Ed25519' },
    { theirs: undefined, is: 'ES256' },
  ])('of a provider that takes $theirs is $is', async ({ theirs, is }) => {
    const script = await boundProvider({ dpop_signing_alg_values_supported: theirs })
    const { session } = await signedIn(await found({ issuer: script.issuer }), [])
    await session.refresh()
    expect((await proofsOf(script.asked())).map(({ header }) => header.alg)).toEqual([is, is])
  })

  test('that no browser has is said to be the matter where `required`, and `prefer` goes on without', async () => {
    const script = await boundProvider({ dpop_signing_alg_values_supported: ['RS256'] })
    const error: unknown = await found({ issuer: script.issuer })
      .then(codeAnswered)
      .catch((reason: unknown) => reason)
    expect(isLatchkeyError(error, 'sign_in_failed') && String(error.cause)).toContain('dpop_signing_alg_values_supported')
    await signedIn(await found({ issuer: script.issuer, dpop: dpop('prefer') }), [])
    expect(script.asked().map(({ headers }) => headers.dpop)).toEqual([undefined])
  })
})

test('REQ-95: an algorithm that this browser does not have is the same to `prefer` as none', async () => {
  const { generateKey } = crypto.subtle
  onTestFinished(() => void Reflect.deleteProperty(crypto.subtle, 'generateKey'))
  // As Chromium before 137 does.
  const withoutEd25519 = (algorithm: { readonly name?: string }, ...rest: unknown[]) =>
    algorithm.name === 'Ed25519'
      ? Promise.reject(new DOMException('Unrecognized name.', 'NotSupportedError'))
      : Reflect.apply(generateKey, crypto.subtle, [algorithm, ...rest])
  Object.defineProperty(crypto.subtle, 'generateKey', { configurable: true, value: withoutEd25519 })
  const script = await boundProvider({ dpop_signing_alg_values_supported: ['Ed25519'] })
  await expect(found({ issuer: script.issuer }).then(codeAnswered)).rejects.toHaveProperty('code', 'sign_in_failed')
  script.says.token = (_, count) => tokens(count, { token_type: 'Bearer' })
  await signedIn(await found({ issuer: script.issuer, dpop: dpop('prefer') }), [])
  expect(script.asked().map(({ headers }) => headers.dpop)).toEqual([undefined])
})

test('an unusable `dpop` is named at once', () => {
  expect(() => oauth({ issuer: 'https://login.example.com', clientId: 'spa', dpop: 'required' as never })).toThrow(
    /^`dpop` must be made by/,
  )
  expect(() => dpop('on' as never)).toThrow(/^`dpop` takes/)
})
