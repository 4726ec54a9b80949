import { readFileSync } from 'node:fs'
import type { Session } from 'latchkey'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { connect, type How } from '../../src/socket/connect.ts'
import { scene } from '../simulated/scene.ts'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

/** The recipe of the README that begins with this import, as a function of what it takes for granted. */
async function recipe(from: string, given: readonly string[]): Promise<(...given: readonly unknown[]) => void> {
  const [, program = ''] = readme.split(`from '${from}'\n`)
  const script = ts.transpile(program.split('\n\n')[0] ?? '', { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 })
  const made = await import(`data:text/javascript,${encodeURIComponent(`export default (${given}) => {${script}}`)}`)
  return made.default
}

/** As a browser's: while it connects, `send` throws. */
class Socket extends EventTarget {
  static readonly CONNECTING = 0
  static last: Socket
  readyState = Socket.CONNECTING
  readonly sent: string[] = []
  constructor() {
    super()
    Socket.last = this
  }
  send(message: string) {
    if (this.readyState === Socket.CONNECTING) throw new DOMException('Still in CONNECTING state.', 'InvalidStateError')
    this.sent.push(message)
  }
  close() {}
  arrive() {
    this.readyState = 1
    this.dispatchEvent(new Event('open'))
  }
}

test('a socket of the README is told of tokens that come while it is being opened, and of later ones', async () => {
  const s = scene()
  const [{ session }] = s.tabs
  const { clock, page } = s.insideOf(s.tabs[0]).ports('socket')
  const reported: unknown[] = []
  const keepConnected = (of: Session, how: How<Socket>) =>
    connect(of, how, { clock, page, chance: () => 0.5, report: (error) => reported.push(error) })
  const keep = await recipe('latchkey/socket', ['keepConnected', 'session', 'WebSocket'])
  await session.signIn(s.server.grant())
  keep(keepConnected, session, Socket)
  await s.advance(0)
  await session.refresh()
  await s.advance(0)
  Socket.last.arrive()
  const told = () => JSON.parse(Socket.last.sent.at(-1) ?? 'null')
  expect(told()).toEqual({ type: 'auth', token: await session.getToken() })
  await session.refresh()
  await s.advance(0)
  expect(told()).toEqual({ type: 'auth', token: await session.getToken() })
  expect(reported).toEqual([])
})
