/**
 * What an import costs: minified, brotli, dependencies included; 1 kB is 1000 bytes. Measures the build that users get, or the
 * sources while there is no build.
 */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { brotliCompress, constants } from 'node:zlib'
import { build } from 'esbuild'

interface Budget {
  readonly name: string
  readonly program: string
  /** Bytes, brotli: what it should cost. */
  readonly limit: number
  /** What it may cost until that is reached, where a decision record says why: it rises only with what a new promise costs. */
  readonly ceiling?: number
  /** What it is counted on top of: what adding the import to such an app costs. */
  readonly on?: string
}

const base = `export { createSession } from 'latchkey'`

const oauth = `${base}; export * from 'latchkey/oauth'`

const budgets: readonly Budget[] = [
  { name: 'createSession', program: base, limit: 6000, ceiling: 18_300 }, // docs/decisions/005
  { name: 'isLatchkeyError', program: `export { isLatchkeyError } from 'latchkey'`, limit: 200 },
  { name: '+ refreshEndpoint', program: `${base}; export { refreshEndpoint } from 'latchkey/refresh'`, limit: 900, on: base },
  { name: '+ oauthRefresh', program: `${base}; export { oauthRefresh } from 'latchkey/refresh'`, limit: 900, on: base },
  { name: '+ backendForFrontend', program: `${base}; export { backendForFrontend } from 'latchkey/refresh'`, limit: 900, on: base },
  { name: '+ latchkey/oauth, refresh only', program: `${base}; export { oauth } from 'latchkey/oauth'`, limit: 5000, on: base },
  { name: '+ latchkey/oauth', program: oauth, limit: 8900, on: base },
  { name: '+ latchkey/dpop, on latchkey/oauth', program: `${oauth}; export { dpop } from 'latchkey/dpop'`, limit: 3250, on: oauth }, // docs/decisions/014
  { name: '+ latchkey/ky', program: `${base}; export { createApi } from 'latchkey/ky'`, limit: 8600, on: base },
  { name: '+ latchkey/socket', program: `${base}; export { keepConnected } from 'latchkey/socket'`, limit: 600, on: base },
  { name: '+ latchkey/limits', program: `${base}; export { limits } from 'latchkey/limits'`, limit: 1650, on: base },
  { name: '+ latchkey/signals', program: `${base}; export { applySignal } from 'latchkey/signals'`, limit: 500, on: base },
]

const root = fileURLToPath(new URL('..', import.meta.url))
const isBuilt = existsSync(new URL('../dist/index.js', import.meta.url))

const measured = new Map<string, Promise<Size>>()

const rows = []
for (const { name, program, limit, ceiling = limit, on } of budgets) {
  const [size, below] = [await measure(program), on ? await measure(on) : { minified: 0, brotli: 0 }]
  const brotli = size.brotli - below.brotli
  rows.push({
    import: name,
    minified: size.minified - below.minified,
    brotli,
    budget: limit,
    ceiling,
    ok: brotli <= limit,
  })
}

console.log(`Bytes, measured on ${isBuilt ? 'dist/' : 'src/ (not built yet)'}; + is on top of createSession, or of what it names:`)
console.table(Object.fromEntries(rows.map(({ import: name, ...numbers }) => [name, numbers])))

for (const { import: name, brotli, budget, ceiling } of rows) {
  if (brotli > budget)
    console.error(
      `${name} is ${brotli - budget} bytes over its budget${brotli > ceiling ? '' : ', within the ceiling that is allowed for now'}.`,
    )
  if (brotli > ceiling) process.exitCode = 1
}

interface Size {
  readonly minified: number
  readonly brotli: number
}

/** Several imports are measured on top of the same. */
function measure(program: string): Promise<Size> {
  const size = measured.get(program) ?? sizeOf(program)
  measured.set(program, size)
  return size
}

/** What the compressor finds depends on where everything happens to lie, by up to 100 bytes: so it is asked ten times, the imports in either order. */
async function sizeOf(program: string): Promise<Size> {
  const bundles = [await bundled(program), await bundled(program.split('; ').reverse().join('; '))]
  const padded = bundles.flatMap((code) => [0, 1, 2, 3, 4].map((spaces) => Buffer.concat([Buffer.alloc(spaces, ' '), code])))
  const sizes = await Promise.all(padded.map(compressed))
  const [low, high] = sizes.sort((one, other) => one - other).slice(4, 6) as [number, number]
  return { minified: bundles[0]?.length ?? 0, brotli: Math.round((low + high) / 2) }
}

async function bundled(program: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    write: false,
    logLevel: 'error',
    // Resolved by the `exports` of package.json unless the paths of tsconfig.json lead to the sources.
    ...(isBuilt ? { tsconfigRaw: {} } : { tsconfig: fileURLToPath(new URL('../tsconfig.json', import.meta.url)) }),
  })
  return outputFiles[0]?.contents ?? new Uint8Array()
}

async function compressed(code: Buffer): Promise<number> {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: code.length }
  return (await promisify(brotliCompress)(code, { params })).length
}
