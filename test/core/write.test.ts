import { describe, expect, test } from 'vitest'
import type { SessionRecord } from '../../src/core/record.ts'
import { secret } from '../../src/core/secret.ts'
import { amend, type Write } from '../../src/core/write.ts'
import { access, active, at, claim, ended, epoch, grant, retry } from './samples.ts'

const of = active()
const next = {
  retry: null,
  grant: { refreshToken: secret('refresh-6'), refreshLife: null, access: { '': { ...access, token: secret('access-6'), generation: 6 } } },
}
const now = at(1_000)

/** What a write may find. The write itself is about session `s` at generation 5 and fence 3. */
const finds: Record<string, SessionRecord | null> = {
  'what it names': of,
  'a later fence': active({ fence: 4 }),
  'an older generation': active({ generation: 4 }),
  'a later generation': active({ generation: 6 }),
  'the end of it': ended(),
  'another session': active({ session: 't' }),
  'the end of another': ended({ session: 't' }),
  nothing: null,
}

/** Protocol, rule 1: one sign for each of these, in their order; + is written, - is refused. */
const table: readonly { name: string; write: Write; signs: string }[] = [
  { name: 'a claim names session, generation and fence', write: { type: 'claim', of, claim }, signs: '+-------' },
  { name: 'a back-off names session, generation and fence', write: { type: 'retry', of, retry }, signs: '+-------' },
  {
    name: 'a grant names session and generation, and beats what was written back',
    write: { type: 'grant', of, next, anew: false },
    signs: '+++-----',
  },
  { name: 'a grant that nobody knows better than is written anew', write: { type: 'grant', of, next, anew: true }, signs: '+++----+' },
  {
    name: 'an end by a limit names session and generation',
    write: { type: 'end', of, reason: 'rejected', wanted: false },
    signs: '++------',
  },
  {
    name: 'F09: an end that somebody wants names the session only',
    write: { type: 'end', of, reason: 'signed-out', wanted: true },
    signs: '++++---+',
  },
  {
    name: 'F72: a sign-in names nothing, unless it is one that has gone on since',
    write: { type: 'sign-in', of, wanted: true },
    signs: '+++--+++',
  },
  {
    name: 'F66: a sign-in that nobody asked for names that nothing was written since',
    write: { type: 'sign-in', of, wanted: false },
    signs: '-------+',
  },
  { name: 'a write-back names absence, or an older generation', write: { type: 'restore', of, claim }, signs: '--+----+' },
  { name: 'a tombstone that is written back beats its session', write: { type: 'restore', of: ended(), claim }, signs: '+++----+' },
]

const cases = table.flatMap(({ name, write, signs }) =>
  Object.entries(finds).map(([finding, found], place) => ({ name, finding, found, write, written: signs[place] === '+' })),
)

describe('what a write names', () => {
  test.each(cases)('$name; it finds $finding: $written', ({ found, write, written }) => {
    expect(amend(found, write, now) !== null).toBe(written)
  })
})

describe('what is written', () => {
  test('a claim moves the fence, and nothing else', () => {
    expect(amend(of, { type: 'claim', of, claim }, now)).toEqual({ ...of, fence: 4, claim })
  })

  test('a back-off clears the claim, and leaves fence and generation', () => {
    const claimed = active({ claim })
    expect(amend(claimed, { type: 'retry', of: claimed, retry }, now)).toEqual({ ...of, retry, claim: null })
  })

  test('a grant moves the generation, keeps the fence that it finds, clears claim and back-off', () => {
    const found = active({ fence: 9, claim, retry })
    expect(amend(found, { type: 'grant', of, next, anew: false }, now)).toEqual({ ...of, generation: 6, fence: 9, grant: next.grant })
  })

  test('a grant merges onto the record that is there: what others wrote is not lost', () => {
    const found = active({ bounds: { signedInAt: epoch - 1 } })
    expect(amend(found, { type: 'grant', of, next, anew: false }, now)).toMatchObject({ bounds: { signedInAt: epoch - 1 } })
  })

  test('F10: a grant of another user makes another session of it, with nothing else of the one before', () => {
    const who = { session: 't', subject: 'bob', bounds: { signedInAt: epoch + 9 } }
    const found = active({ fence: 9, claim, retry, grant: { ...grant, access: { '': access, 'https://files.test ': access } } })
    expect(amend(found, { type: 'grant', of, next: { ...next, ...who }, anew: false }, now)).toEqual({
      ...of,
      ...who,
      generation: 6,
      fence: 9,
      grant: next.grant,
    })
  })

  test('F52: a grant without a refresh token leaves the one that is there, and its lifetime', () => {
    const refreshLife = { from: epoch, lasts: 3_600_000 }
    const found = active({ grant: { ...grant, refreshLife } })
    const without = { ...next, grant: { ...next.grant, refreshToken: null } }
    expect(amend(found, { type: 'grant', of, next: without, anew: false }, now)).toMatchObject({
      grant: { refreshToken: grant.refreshToken, refreshLife },
    })
  })

  test('a new refresh token does not inherit the lifetime of the old one', () => {
    const found = active({ grant: { ...grant, refreshLife: { from: epoch, lasts: 3_600_000 } } })
    expect(amend(found, { type: 'grant', of, next, anew: false }, now)).toMatchObject({ grant: { refreshLife: null } })
  })

  test('REQ-93: what the tokens are bound to stays, and is known of an end', () => {
    const found = active({ grant: { ...grant, binding: 'thumb' } })
    expect(amend(found, { type: 'grant', of: found, next, anew: false }, now)).toMatchObject({ grant: { binding: 'thumb' } })
    expect(amend(found, { type: 'end', of: found, reason: 'rejected', wanted: false }, now)).toMatchObject({ binding: 'thumb' })
  })

  test('F60: a grant for one resource leaves the tokens for the others', () => {
    const found = active({ grant: { ...grant, access: { '': access, 'https://files.test ': access } } })
    const written = amend(found, { type: 'grant', of, next, anew: false }, now)
    expect(written).toMatchObject({ grant: { access: { ...next.grant.access, 'https://files.test ': access } } })
  })

  test('an end erases every token', () => {
    expect(amend(of, { type: 'end', of, reason: 'signed-out', wanted: true }, now)).toEqual(ended({ endedAt: now.wall }))
  })

  test('an end comes after the generation that it finds', () => {
    const found = active({ generation: 8, fence: 7 })
    expect(amend(found, { type: 'end', of, reason: 'revoked', wanted: true }, now)).toMatchObject({
      generation: 9,
      fence: 7,
      reason: 'revoked',
    })
  })

  test('a sign-in goes on counting where the last session stopped, fences included', () => {
    const arriving = active({ session: 't', generation: 1, fence: 0 })
    expect(amend(ended({ generation: 8, fence: 7 }), { type: 'sign-in', of: arriving, wanted: true }, now)).toEqual({
      ...arriving,
      generation: 9,
      fence: 7,
    })
  })

  test('F66: a sign-in that nobody asked for follows an end that was known before it', () => {
    expect(amend(ended({ generation: of.generation - 1 }), { type: 'sign-in', of, wanted: false }, now)).toMatchObject({ status: 'active' })
  })

  test('a write-back keeps the claim that it finds', () => {
    const found = active({ generation: 4, claim })
    expect(amend(found, { type: 'restore', of, claim: { ...claim, owner: '' } }, now)).toMatchObject({ generation: 5, claim })
  })

  test('a write-back into nothing claims for nobody: a request may still be on its way', () => {
    expect(amend(null, { type: 'restore', of, claim: { ...claim, owner: '' } }, now)).toMatchObject({ claim: { owner: '' } })
  })

  test('after an eviction the fence begins anywhere: no two claims are mistaken for one another', () => {
    const fences = [0.1, 0.2].map((chance) => amend(null, { type: 'restore', of, claim }, at(0, chance))?.fence)
    expect(new Set(fences).size).toBe(2)
  })

  test('a tombstone is written back as it was', () => {
    expect(amend(of, { type: 'restore', of: ended(), claim }, now)).toEqual(ended())
  })
})
