import 'fake-indexeddb/auto'
import { createSession, isLatchkeyError, memoryStore } from 'latchkey'
import { oauth } from 'latchkey/oauth'
import { describe, expect, onTestFinished, test } from 'vitest'
import { json } from '../fetch/listen.ts'
import { codeAnswered } from './dpop-scene.ts'
import { idToken, scriptedProvider, wellKnown } from './scripted-provider.ts'

/** A provider that answers a code with this, and what comes of it. */
async function answered(given: object | ((issuer: string) => object), status = 200, headers = {}) {
  const script = await scriptedProvider()
  const says = typeof given === 'function' ? given(script.issuer) : given
  script.says.metadata = () => json({ ...wellKnown(script.issuer), authorization_response_iss_parameter_supported: false })
  const usual = { access_token: 'access-1', token_type: 'Bearer', expires_in: 300, refresh_token: 'refresh-1' }
  script.says.token = () => json({ ...usual, ...says }, status, headers)
  const provider = oauth({ issuer: script.issuer, clientId: 'spa', scope: 'files' })
  const store = memoryStore()
  const session = createSession({ attachTo: [], refresh: provider, name: 'code', store, keepFresh: 'on-demand' })
  onTestFinished(session.close)
  await session.ready
  return { session, store, signIn: await codeAnswered(provider) }
}

describe('F50, F52: a code is spent by an answer that a refresh would take, so a sign-in takes it, too', () => {
  test.each([
    { name: 'a refresh token that is null', says: { refresh_token: null } },
    { name: 'an empty refresh token', says: { refresh_token: '' } },
    { name: 'a scope that is null', says: { scope: null } },
    { name: 'an empty scope', says: { scope: '' } },
    { name: 'an ID token that is null, where none was asked for', says: { id_token: null } },
    { name: 'an empty one', says: { id_token: '' } },
    { name: 'no type', says: { token_type: undefined } },
    { name: 'a type that is null', says: { token_type: null } },
    { name: 'a lifetime as a text', says: { expires_in: '300' } },
    { name: 'a session of the provider’s own', says: { session: 'theirs' } },
    { name: 'one that is an object', says: { session: { id: 7 } } },
  ])('$name', async ({ says }) => {
    const { session, store, signIn } = await answered(says)
    await session.signIn(signIn)
    expect(session.state).toMatchObject({ status: 'signed-in', expiresAt: expect.any(Number) })
    await expect(session.getToken()).resolves.toBe('access-1')
    expect(await store.read('latchkey:code')).not.toMatch(/theirs|"id":7/)
  })

  test.each([
    { name: 'a 201', status: 201 },
    { name: 'a 202', status: 202 },
    { name: 'a body that calls itself text', status: 200, headers: { 'Content-Type': 'text/plain' } },
  ])('$name', async ({ status, headers }) => {
    const { session, signIn } = await answered({}, status, headers)
    await session.signIn(signIn)
    await expect(session.getToken()).resolves.toBe('access-1')
    await session.refresh() // by the same answer
    expect(session.state).toMatchObject({ status: 'signed-in' })
  })

  test.each([
    { name: 'null', lasts: null },
    { name: 'negative', lasts: -1 },
    { name: 'a word', lasts: 'abc' },
    { name: 'an empty text', lasts: '' },
  ])('a lifetime that says nothing: $name', async ({ lasts }) => {
    const { session, signIn } = await answered({ expires_in: lasts })
    await session.signIn(signIn)
    expect(session.state).toMatchObject({ status: 'signed-in', expiresAt: null })
  })
})

describe('a sign-in fails where no session could use what came', () => {
  test.each([
    { name: 'no access token', says: { access_token: undefined } },
    { name: 'one that fits into no header', says: { access_token: 'a\nb' } },
    { name: 'REQ-26: a type of which nobody knows how to send it', says: { token_type: 'mac' } },
    { name: 'a scope that is no text', says: { scope: { of: 'a telescope' } } },
    { name: 'an ID token that is none', says: { id_token: 'none' } },
  ])('$name', async ({ says }) => {
    await expect(answered(says)).rejects.toHaveProperty('code', 'sign_in_failed')
  })
})

describe('REQ-50: where the app describes the provider by `metadata`, an ID token that is signed with', () => {
  test.each([
    { alg: 'RS256', told: undefined, is: 'taken' },
    { alg: 'ES256', told: undefined, is: 'refused' }, // as OpenID Connect Core §3.1.3.7 wants it
    { alg: 'ES256', told: ['ES256'], is: 'taken' },
    { alg: 'EdDSA', told: ['RS256', 'EdDSA'], is: 'taken' },
    { alg: 'none', told: ['RS256', 'EdDSA'], is: 'refused' },
  ])('$alg is $is, if it names $told', async ({ alg, told, is }) => {
    const { issuer, says } = await scriptedProvider()
    says.token = () => json({ access_token: 'access-1', id_token: idToken({ iss: issuer, aud: 'spa', sub: 'ann' }, alg) })
    const metadata = { token_endpoint: `${issuer}/token`, ...(told && { id_token_signing_alg_values_supported: told }) }
    const signIn = codeAnswered(oauth({ issuer, clientId: 'spa', metadata }))
    expect(await signIn.then(({ claims }) => claims?.sub, isLatchkeyError)).toBe(is === 'taken' ? 'ann' : true)
  })
})

test('REQ-33, REQ-43: an app may keep what a sign-in gave: whatever the server said of time counts from when it was asked', async () => {
  const { session, signIn, store } = await answered({ refresh_expires_in: 900, authorization_expires_in: 100 })
  const came = Date.now()
  await new Promise((resolve) => setTimeout(resolve, 500))
  await session.signIn(signIn)
  const { bounds, grant } = JSON.parse((await store.read('latchkey:code')) ?? '')
  expect(grant).toMatchObject({ refreshLife: { lasts: 101_000 }, access: { '': { life: { lasts: 101_000 } } } })
  for (const from of [grant.refreshLife.from, grant.access[''].life.from]) expect(from).toBeLessThanOrEqual(came)
  expect(bounds.signedInAt).toBeGreaterThan(came)
  expect(bounds.signedInAt + bounds.lasts).toBeLessThan(came + 100_001) // two clocks have counted, and one of them in whole ms
})

test('REQ-136: what is kept is what the lifecycle needs: of an ID token whose it is, and of an answer nothing that is not known', async () => {
  const whose = (iss: string) =>
    idToken({ iss, aud: 'spa', sub: 'ann', email: 'ann@example.com', name: 'Ann Example', sid: 'at-the-provider' })
  const { session, signIn, store } = await answered((issuer) => ({
    id_token: whose(issuer),
    patient: 'example-7',
    refresh_expires_in: 900,
  }))
  await session.signIn(signIn)
  await session.refresh()
  const text = (await store.read('latchkey:code')) ?? ''
  expect(session.state).toMatchObject({ status: 'signed-in', subject: 'ann' })
  expect(text).not.toMatch(/example|at-the-provider|ey[\w-]+\./i)
  expect(membersOf(JSON.parse(text)).filter((member) => !known.includes(member))).toEqual([])
})

const known = [
  ...['version', 'session', 'generation', 'fence', 'status', 'issuer', 'subject', 'told', 'claim'],
  ...['signedInAt', 'age', 'lasts'].map((name) => `bounds.${name}`),
  ...['attempt', 'since', 'at', 'wait', 'binding'].map((name) => `retry.${name}`),
  ...['refreshToken', 'refreshLife.from', 'refreshLife.lasts', 'binding'].map((name) => `grant.${name}`),
  ...['token', 'life.from', 'life.lasts', 'scope', 'binding', 'generation'].map((name) => `grant.access..${name}`),
]

const membersOf = (value: object, path = ''): string[] =>
  Object.entries(value).flatMap(([name, member]) =>
    member && typeof member === 'object' ? membersOf(member, `${path}${name}.`) : `${path}${name}`,
  )
