import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium } from 'playwright-core'
import { ensureChromium, headlessShellPath } from '../../scripts/ensure-browser.ts'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export interface LaunchOptions {
  readonly flags?: readonly string[]
  /** With all that a user's has: windows, extensions, profiles. Without, it costs a third. */
  readonly whole?: boolean
}

/** As Playwright does it: every tab counts as visible, and pages are not kept for the way back. */
export async function launchChromium({ flags: more = [], whole = false }: LaunchOptions = {}): Promise<Browser> {
  return chromium.launch({
    executablePath: (whole ? null : headlessShellPath()) ?? (await ensureChromium()),
    args: [...flags, ...more],
  })
}

/** A browser that finds what the last one on this profile has left. */
export async function launchOnProfile(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, { executablePath: await ensureChromium(), args: flags })
}

export interface UntouchedChromium {
  readonly context: BrowserContext
  close(): Promise<void>
}

/** As a user has it: only the tab in front is visible, and pages are kept for the way back. Playwright's own launch changes both. */
export async function launchUntouched(): Promise<UntouchedChromium> {
  const folder = await newProfile()
  const program = spawn(
    await ensureChromium(),
    ['--headless', ...flags, '--remote-debugging-port=0', `--user-data-dir=${folder}`, 'about:blank'],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const gone = new Promise<void>((resolve) => program.once('exit', () => resolve()))
  const address = await new Promise<string>((resolve, reject) => {
    let said = ''
    program.stderr.on('data', (part) => {
      said += part
      const found = /listening on (ws:\S+)/.exec(said)?.[1]
      if (found) resolve(found)
    })
    program.once('exit', () => reject(new Error(`Chromium did not start:\n${said}`)))
  })
  const browser = await chromium.connectOverCDP(address, { noDefaults: true })
  const context = browser.contexts()[0]
  if (!context) throw new Error('A browser that has just been started has a context.')
  return {
    context,
    async close() {
      await browser.close()
      program.kill()
      await gone
      await removeProfile(folder)
    },
  }
}

/** A browser on a profile and a page, and nobody who drives it. Resolves with what ends it. */
export async function launchAlone(folder: string, url: string): Promise<() => Promise<void>> {
  const program = spawn(await ensureChromium(), ['--headless', ...flags, `--user-data-dir=${folder}`, url], { stdio: 'ignore' })
  const gone = new Promise<void>((resolve) => program.once('exit', () => resolve()))
  return async () => {
    program.kill()
    await gone
  }
}

export const newProfile = (): Promise<string> => mkdtemp(join(tmpdir(), 'latchkey-profile-'))

/** Chromium's children may write for a moment after it has gone. */
export const removeProfile = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
