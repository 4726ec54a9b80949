import { readFileSync } from 'node:fs'
import { isLatchkeyError, memoryStore } from 'latchkey'
import { createWorld, storeContract } from 'latchkey/testing'
import ts from 'typescript'
import { expect, test } from 'vitest'

const guide = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8')
const programs = [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, program = '']) => program.replace(/^(import .*\n|export )/gm, ''))

const script = ts.transpile(programs.join('\n'), { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 })
const names = ['isLatchkeyError', 'memoryStore', 'createWorld', 'storeContract', 'expect', 'test']
const { default: run } = await import(`data:text/javascript,${encodeURIComponent(`export default (${names}) => {${script}}`)}`)

run(isLatchkeyError, memoryStore, createWorld, storeContract, expect, test)
