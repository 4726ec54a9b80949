import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(`${root}README.md`, 'utf8')

/** What these programs take for granted of the app around them. */
const app = `
  import type { RefreshFunction, Session, SessionState } from 'latchkey'
  declare global {
    const session: Session
    const socket: WebSocket
    const note: string
    function render(state: SessionState): void
    function showLogin(reason: string): void
    const attachTo: string[]
    const refresh: RefreshFunction
    function showCountdown(until: number, stay: (() => void) | null): void
    const dialog: { ask<Answer>(question: string, yes: () => Promise<Answer>): Promise<Answer | null> }
    function tryLater(at: number | null): void
    function showMessage(text: string): void
    function failed(error: unknown): null
    function expect(value: unknown): { toEqual(other: unknown): void }
    interface ImportMeta { readonly hot?: { dispose(run: () => void): void } }
  }
`

/** React is no dependency of ours: of its types what the README needs. */
const react = `
  declare module 'react' {
    export function useSyncExternalStore<T>(subscribe: (change: () => void) => () => void, get: () => T, getOnServer: () => T): T
  }
`

const programsIn = (text: string) => [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, program = '']) => program)

const guides = readdirSync(`${root}docs`).filter((name) => name.endsWith('.md'))
const guide = (name: string) => readFileSync(`${root}docs/${name}`, 'utf8')

test('every program in the README and in the guides compiles', () => {
  const files = new Map<string, string>([
    [`${root}test/docs/app.ts`, app],
    [`${root}test/docs/log-to.ts`, programsIn(guide('monitoring.md'))[0] ?? ''], // programs of a guide that others import
    [`${root}test/docs/save.ts`, programsIn(guide('testing.md'))[0] ?? ''],
    [`${root}test/docs/react.d.ts`, react],
  ])
  const texts = [['README.md', readme] as const, ...guides.map((name) => [name, guide(name)] as const)]
  for (const [name, text] of texts)
    for (const [index, program] of programsIn(text).entries())
      files.set(`${root}test/docs/${name}-${index}.ts`, asFunctionIfItReturns(program))

  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const host = ts.createCompilerHost(options)
  const read = host.getSourceFile
  host.getSourceFile = (name, target) => {
    const text = files.get(name)
    return text === undefined ? read.call(host, name, target) : ts.createSourceFile(name, text, target)
  }
  const exists = host.fileExists
  host.fileExists = (name) => files.has(name) || exists.call(host, name)

  // As strict as a reader's compiler may be, beyond ours.
  const strictest = {
    noPropertyAccessFromIndexSignature: true,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    module: ts.ModuleKind.NodeNext,
  }
  const program = ts.createProgram([...files.keys()], { ...options, ...strictest, noUnusedLocals: false, noUnusedParameters: false }, host)
  const mistakes = ts.getPreEmitDiagnostics(program).filter(({ file }) => file && files.has(file.fileName))
  expect(mistakes.map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`)).toEqual([])
  expect(programsIn(readme).length).toBeGreaterThan(1)
  for (const name of [
    'cookie-sessions',
    'lost-answers',
    'monitoring',
    'oauth',
    'servers',
    'signals',
    'signing-out',
    'testing',
    'time-limits',
  ])
    expect([...files.keys()]).toContain(`${root}test/docs/${name}.md-0.ts`)
})

/** A recipe may be the inside of a function of the reader's, unless it exports; its imports stay outside. */
function asFunctionIfItReturns(program: string): string {
  const imports = program.match(/^import .*$/gm)?.join('\n') ?? ''
  const rest = program.replace(/^import .*$/gm, '')
  return /^\s*(return|if .*return)/m.test(rest) && !/^export /m.test(rest)
    ? `${imports}\nexport async function recipe() {\n${rest}\n}`
    : `${program}\nexport {}`
}

test('REQ-123: there is a playbook for incidents, and it leaves out nothing', () => {
  const playbook = readFileSync(`${root}docs/signals.md`, 'utf8').split('## When tokens have leaked')[1] ?? ''
  for (const step of ['Revoke at the server', "reason: 'incident'", 'incidentAt', 'Clear-Site-Data', 'diagnostic', 'service workers'])
    expect(playbook).toContain(step)
})

test('the README stays under 300 lines', () => {
  expect(readme.split('\n').length).toBeLessThan(300)
})

test('REQ-05: the threat model says what sealing at rest does not stop', () => {
  const limits = readFileSync(`${root}SECURITY.md`, 'utf8').split('## What no library in a browser can promise')[1] ?? ''
  for (const word of [
    "have IndexedDB's key decrypt",
    'nor encryption at rest',
    'Malware',
    'A copied browser profile may hold the sealing key',
  ])
    expect(limits.replace(/\s+/g, ' ')).toContain(word)
})

test('REQ-98: the guide says what DPoP does, what it does not, and what the servers owe', () => {
  const section = readFileSync(`${root}docs/oauth.md`, 'utf8').match(/^## Bound to this device: DPoP$(.*?)^## /ms)?.[1] ?? ''
  for (const word of [
    'carried off',
    'script on your page',
    'silent sign-in',
    'malware',
    'nonces',
    'cnf.jkt',
    'Access-Control-Expose-Headers',
    'getToken',
  ])
    expect(section).toContain(word)
  expect(readFileSync(`${root}SECURITY.md`, 'utf8')).toMatch(/nor DPoP\s+stops that/)
})
