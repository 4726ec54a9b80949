import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
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

/** Where npm packs it: what `files` names, and what it packs in any case. */
const { files }: { readonly files: readonly string[] } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'))
const covers = (rule: string, path: string) => path === rule || path.startsWith(`${rule}/`)
const isPublished = (path: string): boolean =>
  ['README.md', 'LICENSE', ...files].some((rule) => covers(rule, path)) &&
  !files.some((rule) => rule.startsWith('!') && covers(rule.slice(1), path))

test('a document that is published leads to nothing that is not', () => {
  const links = documents.filter(isPublished).flatMap((from) =>
    [...readFileSync(root + from, 'utf8').matchAll(/\]\((?!\w+:)([^)\s#]+)[^)]*\)/g)].map(([, link = '']) => ({
      from,
      to: relative(root, resolve(root, dirname(from), link)),
    })),
  )
  expect(links.length).toBeGreaterThan(50)
  expect(links.filter(({ to }) => !isPublished(to))).toEqual([])
})

test('what is published is documents and the build: the records of long runs stay here', () => {
  expect(isPublished('docs/runs/explore.json')).toBe(false)
})
