import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export interface PageBundle {
  readonly script: string
  readonly style: string
}

/** The page's script, with the library's sources in it, and its style sheet. tsconfig.json says where `latchkey` is. */
export async function bundlePage(): Promise<PageBundle> {
  const [script, style] = await Promise.all([bundle('page/main.ts'), bundle('page/style/index.css')])
  return { script, style }
}

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [beside(entry)],
    tsconfig: beside('../tsconfig.json'),
    bundle: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    sourcemap: 'inline',
    write: false,
  })
  return outputFiles.map(({ text }) => text).join('')
}

function beside(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}
