/** Finds a Chromium for the browser tests, and installs one where there is none. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const applications = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium']

const advice =
  'No Chromium found, and none could be installed: install one (Debian: apt-get install chromium), or name it in CHROMIUM_PATH.'

/** Where Chromium is: CHROMIUM_PATH, else the system's, else Playwright's own. */
export function chromiumPath(): string | null {
  const named = process.env.CHROMIUM_PATH
  // A path that was asked for and is not there must not be replaced by another browser in silence.
  if (named) return isProgram(named) ? named : null
  return [...onSearchPath(), ...applications, chromium.executablePath()].find(isProgram) ?? null
}

/** The same, after installing one if need be. Rejects with a line of advice. */
export async function ensureChromium(): Promise<string> {
  const found = chromiumPath()
  if (found) return found
  if (process.env.CHROMIUM_PATH) throw new Error(`CHROMIUM_PATH names no program: ${process.env.CHROMIUM_PATH}`)

  console.log('No Chromium here: installing one.')
  const installed = (isRootOnDebian() && installFromDebian() && chromiumPath()) || (installFromPlaywright() && chromiumPath())
  if (!installed) throw new Error(advice)
  return installed
}

function onSearchPath(): string[] {
  const folders = ['/usr/bin', ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)]
  return names.flatMap((name) => folders.map((folder) => join(folder, name)))
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isRootOnDebian(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version')
}

function installFromDebian(): boolean {
  return run('apt-get', ['update', '-qq']) && run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'])
}

function installFromPlaywright(): boolean {
  const folder = join(createRequire(import.meta.url).resolve('playwright-core/package.json'), '..')
  return run(process.execPath, [join(folder, 'cli.js'), 'install', 'chromium'])
}

/** Quiet unless it fails. */
function run(command: string, args: string[]): boolean {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0)
    console.error(`${command} ${args.join(' ')} failed:\n${`${stdout ?? ''}${stderr ?? ''}`.split('\n').slice(-15).join('\n')}`)
  return status === 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(`Chromium: ${await ensureChromium()}`)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
