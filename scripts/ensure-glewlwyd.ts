/** Finds glewlwyd, an authorization server that some tests run against, and fetches it where it may. It is never installed: unpacked into a folder, it does. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isProgram, isRootOnDebian, runQuietly } from './ensure-browser.ts'

export interface Glewlwyd {
  /** What its files lie under: `/` if it is installed. */
  readonly root: string
  readonly program: string
  readonly env: NodeJS.ProcessEnv
  /** Makes an empty SQLite database into one of its own. Gzipped. */
  readonly schema: string
}

const cache = fileURLToPath(new URL('../node_modules/.cache/', import.meta.url))
const fetched = join(cache, 'glewlwyd')

/** Where glewlwyd is: under GLEWLWYD_ROOT, else the system's, else the one that was fetched. `null` where it does not run. */
export function glewlwyd(): Glewlwyd | null {
  const roots = process.env.GLEWLWYD_ROOT ? [process.env.GLEWLWYD_ROOT] : ['/', fetched]
  return roots.map(under).find(runs) ?? null
}

function under(root: string): Glewlwyd {
  const libraries = join(root, 'usr/lib')
  const folders = existsSync(libraries) ? readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu')) : []
  return {
    root,
    program: join(root, 'usr/bin/glewlwyd'),
    env: { ...process.env, ...(root !== '/' && { LD_LIBRARY_PATH: folders.map((name) => join(libraries, name)).join(':') }) },
    schema: join(root, 'usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz'), // not there in containers that leave out documentation
  }
}

const runs = ({ program, env, schema }: Glewlwyd): boolean =>
  isProgram(program) && existsSync(schema) && spawnSync(program, ['--version'], { env }).status === 0

/** Its package, and those of its libraries that the system lacks. */
function fetchFromDebian(): boolean {
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(join(cache, 'fetching-'))
  try {
    const [packages, root] = [join(folder, 'packages'), join(folder, 'root')]
    mkdirSync(join(packages, 'partial'), { recursive: true })
    // It is not worth the patience that apt has with a mirror.
    const apt = (...args: string[]) =>
      runQuietly('apt-get', [...args, '-qq', '-o', 'Acquire::Retries=0', '-o', 'Acquire::http::Timeout=10'])
    const download = () =>
      apt(
        ...['install', '--download-only', '-y', '--no-install-recommends'],
        ...['-o', `Dir::Cache::archives=${packages}`, '-o', 'DPkg::Lock::Timeout=60'],
        ...['glewlwyd', 'dbconfig-no-thanks'], // else it wants the clients of a database server
      )
    if (!download() && !(apt('update') && download())) return false // the lists of packages may be missing or old
    const files = readdirSync(packages).filter((name) => name.endsWith('.deb'))
    if (!files.every((name) => runQuietly('dpkg', ['-x', join(packages, name), root]))) return false
    rmSync(fetched, { recursive: true, force: true })
    renameSync(root, fetched)
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = glewlwyd() ?? (isRootOnDebian() && !process.env.GLEWLWYD_ROOT && fetchFromDebian() ? glewlwyd() : null)
  console.log(
    found
      ? `glewlwyd: ${found.program}`
      : 'No glewlwyd here, so no tests against a second authorization server (Debian: apt-get install glewlwyd dbconfig-no-thanks).',
  )
}
