import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A program that a test has started. */
export interface Program {
  readonly child: ChildProcess
  /** Rejects if it ends, or cannot be started: to be raced against what it should do. */
  readonly ended: Promise<never>
  /** Resolves when it is gone. */
  stop(): Promise<void>
}

export function startProgram(path: string, args: readonly string[], options: SpawnOptions): Program {
  const child = spawn(path, args, options)
  const stopWithUs = () => child.kill()
  // A test run that is interrupted leaves nothing behind: its workers are told to end, and a signal alone is no 'exit'.
  const end = () => process.exit(143)
  process.once('exit', stopWithUs).once('SIGTERM', end)
  const gone = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? code}`))
  })
  gone.then(() => process.off('exit', stopWithUs).off('SIGTERM', end))
  const ended = gone.then((how) => Promise.reject(new Error(`${path}: ${how}`)))
  ended.catch(() => {}) // nobody need be waiting
  return {
    child,
    ended,
    async stop() {
      child.kill()
      const patience = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await gone
      clearTimeout(patience)
    },
  }
}

/** For a program that cannot take any port and say which. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A server that listens on a port has an address.')
  server.close()
  await once(server, 'close')
  return address.port
}
