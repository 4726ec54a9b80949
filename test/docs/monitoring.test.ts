import { readFileSync } from 'node:fs'
import type { EndReason, Session, SessionEvents } from 'latchkey'
import ts from 'typescript'
import { expect, test } from 'vitest'
import type { Fact } from '../../src/core/state.ts'
import type { Tools } from '../../src/refresh-run.ts'
import { hours, minutes, scene, settled } from '../simulated/scene.ts'

const guide = readFileSync(new URL('../../docs/monitoring.md', import.meta.url), 'utf8')

// By the compiler's word these are all: one that is new in the sources has to be added here, and then in the guide.
const events: Record<keyof SessionEvents, true> = {
  'signed-in': true,
  refreshed: true,
  expiring: true,
  expired: true,
  ended: true,
  diagnostic: true,
}
const diagnostics: Record<Fact['type'] | Parameters<Tools['note']>[0]['type'], true> = {
  'record-read': true,
  'read-failed': true,
  'refresh-ended': true,
  'nobody-known': true,
  'ask-failed': true,
  'store-failed': true,
  heard: true,
  woke: true,
  signalled: true,
  'token-needed': true,
  'token-refused': true,
  denied: true,
  'signed-in': true,
  'signed-out': true,
  closed: true,
  sent: true,
  answered: true,
  revocation: true,
}
const reasons: Record<EndReason, true> = {
  'signed-out': true,
  rejected: true,
  'refresh-expired': true,
  idle: true,
  'max-age': true,
  'user-changed': true,
  revoked: true,
  incident: true,
}

/** What the table under that heading names in its first column. */
function namedUnder(heading: string): string[] {
  const [, rows = ''] = guide.split(`\n| ${heading} | OWASP`)
  const first = (rows.split('\n\n')[0] ?? '').split('\n').slice(2)
  return first.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([\w-]+)`/g)].map(([, name = '']) => name))
}

test.each([
  { heading: 'event', all: events },
  { heading: '`diagnostic`', all: diagnostics },
  { heading: 'reason of an end', all: reasons },
])(
  'REQ-116: the guide has a word of the OWASP vocabulary, or says that there is none, for each $heading, and for no other',
  ({ heading, all }) => {
    expect(namedUnder(heading).sort()).toEqual(Object.keys(all).sort())
  },
)

test('REQ-116: its program writes a life in three tabs, with refreshes and a sign-out, in the words of the vocabulary, each once', async () => {
  const [, program = ''] = /^```ts\n(.*?)^```$/ms.exec(guide) ?? []
  const script = ts.transpile(program, { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 })
  const { logTo }: { logTo: (write: (event: string, detail: object) => void, session: Session) => void } = await import(
    `data:text/javascript,${encodeURIComponent(script)}`
  )
  const s = scene({ tabs: 3 })
  const log: string[] = []
  const details: object[] = []
  for (const { session } of s.tabs)
    logTo((event, detail) => {
      log.push(event)
      details.push(detail)
    }, session)
  for (let life = 0; life < 2; life++) {
    await settled(s, s.tabs[0].session.signIn(s.server.grant()))
    await s.advance(minutes(9))
    await settled(s, s.tabs[1].session.signOut())
    await s.advance(hours(1))
  }
  const renewals = s.server.refreshes / 2
  expect(renewals).toBeGreaterThan(0)
  const life = ['session_created', ...Array(renewals).fill('session_renewed'), 'session_expired', 'authn_token_revoked']
  expect(log).toEqual([...life, ...life])
  expect(JSON.parse(JSON.stringify(details))).toEqual(details)
  expect(new Set(details.map((detail) => (detail as { sessionId: string }).sessionId)).size).toBe(2)
})
