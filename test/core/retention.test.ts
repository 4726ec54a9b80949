import { expect, test } from 'vitest'
import type { SessionRecord } from '../../src/core/record.ts'
import { neededUntil } from '../../src/core/retention.ts'
import { secret } from '../../src/core/secret.ts'
import { endOf } from '../../src/core/write.ts'
import { active as sample } from './samples.ts'

const day = 86_400_000
const active = sample()
const grant = { ...active.grant, refreshToken: secret('refresh'), refreshLife: { from: 10 * day, lasts: 5 * day } }

const rows: readonly { readonly name: string; readonly record: SessionRecord; readonly until: number | undefined }[] = [
  { name: 'an end is remembered for thirty days', record: endOf(active, 'signed-out', 100 * day), until: 130 * day },
  { name: 'a refresh token is kept for thirty days after its own end', record: { ...active, grant }, until: 45 * day },
  {
    name: 'of one whose end only the server knows nobody can say',
    record: { ...active, grant: { ...grant, refreshLife: null } },
    until: undefined,
  },
  {
    name: 'nor of a cookie, which may have been given more time since',
    record: { ...active, grant: { ...grant, refreshToken: null } },
    until: undefined,
  },
]

test.each(rows)('REQ-140: $name', ({ record, until }) => {
  expect(neededUntil(record)).toBe(until)
})
