import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)

/** What one setting of a command that takes hours has shown. */
export interface LongRun {
  readonly [what: string]: string | number | boolean
  /** The day on which it ended. */
  readonly on: string
  /** Of which sources: the name that git has for the content of `src`. */
  readonly sources: string
}

/** What `src` holds, as it was committed. */
export const sources = execFileSync('git', ['rev-parse', '--short', 'HEAD:src'], { cwd: root, encoding: 'utf8' }).trim()

/** Runs by their settings, of this version or an earlier one. Empty if there have been none. */
export function longRuns(command: string): Readonly<Record<string, LongRun>> {
  const file = fileOf(command)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
}

/** Writes down what a run has shown, in the place of an earlier run of the same setting. */
export function keepRun(command: string, setting: string, shown: Omit<LongRun, 'on' | 'sources'>): void {
  const run = { ...shown, on: new Date().toISOString().slice(0, 10), sources }
  mkdirSync(new URL('.', fileOf(command)), { recursive: true })
  writeFileSync(fileOf(command), `${JSON.stringify({ ...longRuns(command), [setting]: run }, null, 1)}\n`)
}

const fileOf = (command: string): URL => new URL(`docs/runs/${command}.json`, root)
