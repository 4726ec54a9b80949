/** Packs the package as it would be published, lints the tarball, and uses it from a clean folder. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'latchkey-package-'))

/** What a package of the user's exports, whose declarations are written from ours: each type in them must have a name to import it by. */
const inferred = `
import type { SessionEnd, SessionEvents, SessionOptions, SessionState } from 'latchkey'
export const endedAt = (end: SessionEnd) => end.endedAt
export const expiresAt = (state: SessionState) => (state.status === 'signed-in' ? state.expiresAt : null)
export const endsAt = ({ endsAt }: SessionEvents['expiring']) => endsAt
export const timeout = ({ refreshTimeout }: SessionOptions) => refreshTimeout
`

try {
  const tarball = pack()
  run('publint', ['run', tarball, '--strict'])
  run('attw', [tarball, '--profile', 'esm-only'])
  install(tarball)
  importEveryEntry()
  typecheckEveryEntry()
  console.log(`The packed package installs; ${entries().join(', ')} import and type-check.`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function pack(): string {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder], root, 'pipe'))
  return join(folder, packed.filename)
}

function install(tarball: string): void {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', tarball], folder)
}

function importEveryEntry(): void {
  const program = entries().map(
    (entry) => `if (Object.keys(await import('${entry}')).length === 0) throw new Error('${entry} exports nothing')`,
  )
  writeFileSync(join(folder, 'import.js'), program.join('\n'))
  run(process.execPath, ['import.js'], folder)
}

/** As in a browser app: without Node's types, and with our declarations checked along. */
function typecheckEveryEntry(): void {
  const compilerOptions = {
    noEmit: true,
    declaration: true,
    strict: true,
    types: [],
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable'],
    module: 'nodenext',
  }
  const program = entries().map((entry, index) => `export * as entry${index} from '${entry}'`)
  writeFileSync(join(folder, 'types.ts'), program.join('\n'))
  writeFileSync(join(folder, 'inferred.ts'), inferred)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['types.ts', 'inferred.ts'] }))
  run('tsc', ['-p', folder])
}

/** Every name that JavaScript may import. */
function entries(): string[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.keys(exports)
    .filter((path) => !path.endsWith('.json'))
    .map((path) => name + path.slice(1))
}

function run(command: string, args: string[], cwd = root, stdout: 'inherit' | 'pipe' = 'inherit'): string {
  // npm puts node_modules/.bin on the search path of its scripts. On Windows the commands there are .cmd files.
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', stdout, 'inherit'],
    shell: process.platform === 'win32',
  })
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
  return result.stdout ?? ''
}
