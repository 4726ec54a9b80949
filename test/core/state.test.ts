import { expect, test } from 'vitest'
import { initialState, keyOf, ownerIn, ownToken } from '../../src/core/state.ts'
import { transition } from '../../src/core/transition.ts'
import { verdict } from '../../src/core/verdict.ts'
import { active, at, epoch, policy, signedIn, signedOut } from './samples.ts'

test.each([
  { name: 'somebody is signed in', state: signedIn(), owner: { session: 's', subject: 'ann' } },
  { name: 'nobody is', state: signedOut(), owner: { session: null } },
  { name: 'nobody knows yet', state: initialState(true), owner: { session: null } },
])('who is signed in where $name', ({ state, owner }) => {
  expect(ownerIn(state)).toEqual(owner)
})

test('F60: a token is called by its resource and its scope, and no two that differ have one name', () => {
  const wants = [null, 'a', 'b'].flatMap((resource) => [null, 'a', 'b'].map((scope) => ({ resource, scope })))
  expect(new Set(wants.map(keyOf)).size).toBe(wants.length)
  expect(keyOf(ownToken)).toBe('') // as in the records of every version
  expect(keyOf({ resource: 'urn:files', scope: null })).toBe('urn:files ')
  expect(keyOf({ resource: null, scope: 'any' })).toBe(' any')
})
test('a tab begins with nothing but a look: what that finds is used, renewed and told as if it had been there before', () => {
  const found = active()
  const read = { type: 'record-read', record: found, by: 'other-tab' } as const
  const [state, orders] = transition(initialState(true), read, at(0), policy)
  expect(orders).toEqual([])
  expect(verdict(state, { ...ownToken, session: null }, at(0), policy)).toMatchObject({ type: 'token', session: 's' })
  const [, later] = transition({ ...state, lookedAt: at(240_000) }, { type: 'woke' }, at(240_000), policy)
  expect(later).toEqual([{ do: 'refresh', goal: { ...ownToken, from: found.generation } }])
})

test('F16: a page that is shown, or hears of the network, while it looks for the first time, looks no second time', () => {
  for (const signal of ['visible', 'online'] as const)
    expect(transition(initialState(true), { type: 'signalled', signal }, at(0), policy)[1]).toEqual([])
})

test('F34: the first word of the network that there is counts, however young the page', () => {
  const [{ onlineAt }] = transition(initialState(true), { type: 'signalled', signal: 'online' }, at(0), policy)
  expect(onlineAt).toMatchObject({ wall: epoch, mono: 0 })
})
