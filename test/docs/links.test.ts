import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const documentsIn = (folder: string) => readdirSync(root + folder).flatMap((name) => (name.endsWith('.md') ? [folder + name] : []))
const documents = ['', 'docs/', 'docs/decisions/'].flatMap(documentsIn)

/** As GitHub makes them of headings. */
const anchorsOf = (path: string): string[] =>
  [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

function leadsSomewhere(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const to = path ? resolve(root, dirname(from), path) : root + from
  return existsSync(to) && (anchor === undefined || anchorsOf(to).includes(anchor))
}

test('every link from one document to another leads to a file, and to a heading that is there', () => {
  const links = documents.flatMap((from) =>
    [...readFileSync(root + from, 'utf8').matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)].map(([, link = '']) => ({ from, link })),
  )
  expect(links.length).toBeGreaterThan(50)
  expect(links.filter(({ from, link }) => !leadsSomewhere(from, link))).toEqual([])
})
