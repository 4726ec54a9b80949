/** Finds the browsers for the browser tests, and installs those that are missing where it may. Only Chromium must be there. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const chromiumNames = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const applications = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium']

const advice =
  'No Chromium found, and none could be installed: install one (Debian: apt-get install chromium), or name it in CHROMIUM_PATH.'

/** A browser that some tests run in, where it is. */
interface Guest {
  readonly name: string
  /** What comes of it where it is not. */
  readonly without: string
  readonly packages: readonly string[]
  readonly find: () => string | null
}

const guests: readonly Guest[] = [
  {
    name: 'Chromium headless shell',
    without: 'the tests take longer',
    packages: ['chromium-headless-shell'],
    find: headlessShellPath,
  },
  { name: 'Firefox', without: 'no tests in it', packages: ['firefox-esr'], find: firefoxPath },
  {
    name: 'WebKit',
    without: 'no tests in it',
    packages: ['webkit2gtk-driver', 'xvfb'],
    find: () => webKitPrograms()?.driver ?? null,
  },
]

/** Where Chromium is: CHROMIUM_PATH, else the system's, else Playwright's own. */
export function chromiumPath(): string | null {
  const named = process.env.CHROMIUM_PATH
  // A path that was asked for and is not there must not be replaced by another browser in silence.
  if (named) return isProgram(named) ? named : null
  return [...onSearchPath(chromiumNames), ...applications, chromium.executablePath()].find(isProgram) ?? null
}

/** The same Chromium without its windows, which costs a third: for what needs none. Who names a Chromium means that one. */
export function headlessShellPath(): string | null {
  return process.env.CHROMIUM_PATH ? null : (onSearchPath(['chromium-headless-shell', 'chrome-headless-shell']).find(isProgram) ?? null)
}

/** Where Firefox is: FIREFOX_PATH, else the system's ESR. Others are not looked for: Playwright drives a new Firefox only after a while. */
export function firefoxPath(): string | null {
  const paths = process.env.FIREFOX_PATH ? [process.env.FIREFOX_PATH] : onSearchPath(['firefox-esr'])
  return paths.find(isProgram) ?? null
}

/** Where WebKitGTK's driver is, which starts the browser itself, and the display that the browser needs. */
export function webKitPrograms(): { readonly driver: string; readonly display: string } | null {
  const driver = onSearchPath(['WebKitWebDriver']).find(isProgram)
  const display = onSearchPath(['Xvfb']).find(isProgram)
  return driver && display ? { driver, display } : null
}

/** The same, after installing one if need be. Rejects with a line of advice. */
export async function ensureChromium(): Promise<string> {
  const found = chromiumPath()
  if (found) return found
  if (process.env.CHROMIUM_PATH) throw new Error(`CHROMIUM_PATH names no program: ${process.env.CHROMIUM_PATH}`)

  console.log('No Chromium here: installing one.')
  const installed =
    (isRootOnDebian() && installFromDebian(['chromium'], run) && chromiumPath()) || (installFromPlaywright() && chromiumPath())
  if (!installed) throw new Error(advice)
  return installed
}

/** One line: where the guest is, perhaps since a moment ago, or how to invite it. */
function invite({ name, without, packages, find }: Guest): string {
  const found = find() ?? (isRootOnDebian() && installFromDebian(packages, runQuietly) ? find() : null)
  return found ? `${name}: ${found}` : `No ${name} here, so ${without} (Debian: apt-get install ${packages.join(' ')}).`
}

function onSearchPath(names: readonly string[]): string[] {
  const folders = ['/usr/bin', ...(process.env.PATH ?? '').split(delimiter).filter(Boolean)]
  return names.flatMap((name) => folders.map((folder) => join(folder, name)))
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export function isRootOnDebian(): boolean {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version')
}

function installFromDebian(packages: readonly string[], by: typeof run): boolean {
  return (
    by('apt-get', ['update', '-qq']) &&
    by('apt-get', ['install', '-y', '-qq', '-o', 'DPkg::Lock::Timeout=60', '--no-install-recommends', ...packages])
  )
}

function installFromPlaywright(): boolean {
  const folder = join(createRequire(import.meta.url).resolve('playwright-core/package.json'), '..')
  return run(process.execPath, [join(folder, 'cli.js'), 'install', 'chromium'])
}

/** Quiet unless it fails. */
function run(command: string, args: string[]): boolean {
  const { status, stdout, stderr } = spawn(command, args)
  if (status !== 0)
    console.error(`${command} ${args.join(' ')} failed:\n${`${stdout ?? ''}${stderr ?? ''}`.split('\n').slice(-15).join('\n')}`)
  return status === 0
}

/** For what may fail: a mirror that lacks a package. */
export function runQuietly(command: string, args: string[]): boolean {
  return spawn(command, args).status === 0
}

function spawn(command: string, args: string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    maxBuffer: 64 * 1024 * 1024,
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(`Chromium: ${await ensureChromium()}`)
    for (const guest of guests) console.log(invite(guest))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
