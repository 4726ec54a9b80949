import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const root = new URL('../src/', import.meta.url)

interface Import {
  readonly of: string
  readonly isType: boolean
}

interface Source {
  readonly file: string
  /** Without comments: prose may name anything. */
  readonly code: string
  readonly imports: readonly Import[]
}

const sources: readonly Source[] = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => {
    const code = withoutComments(readFileSync(new URL(file, root), 'utf8'))
    return { file, code, imports: importsOf(file, code) }
  })

/** Strings stay: what stands in a template is code. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')
}

function importsOf(file: string, code: string): Import[] {
  return [...code.matchAll(/^(?:import|export)\s+(type\s)?([^'";]*?)\s*from\s+'([^']+)'/gm)].map(([, type, names = '', from = '']) => ({
    of: from.startsWith('.') ? new URL(from, new URL(file, root)).href.slice(root.href.length) : from,
    isType: type !== undefined || /^{\s*(type [^,}]+,?\s*)+}$/.test(names),
  }))
}

const inFolder = (folder: string) => sources.filter(({ file }) => file.startsWith(`${folder}/`))
const named = (...files: string[]) => sources.filter(({ file }) => files.includes(file))

/** What is named where it must not be: `file: name`. */
const findings = (among: readonly Source[], names: RegExp): string[] =>
  among.flatMap(({ file, code }) => [...code.matchAll(names)].map(([name]) => `${file}: ${name.trim()}`))

test('the sources are found, with their imports', () => {
  expect(sources.length).toBeGreaterThan(40)
  expect(named('engine.ts')[0]?.imports).toContainEqual({ of: 'core/transition.ts', isType: false })
  expect(named('ports.ts')[0]?.imports).toContainEqual({ of: 'core/state.ts', isType: true })
})

describe('the law of arrows: core ← ports ← engine ← session ← index', () => {
  const core = /^core\//
  const laws: readonly { readonly who: string; readonly among: readonly Source[]; readonly may: RegExp; readonly types?: RegExp }[] = [
    { who: 'the core: itself, and jwt-decode', among: inFolder('core'), may: /^core\/|^jwt-decode$/ },
    { who: 'the ports: types of the core', among: named('ports.ts'), may: /^$/, types: core },
    { who: 'errors: types of the core', among: named('errors.ts'), may: /^$/, types: core },
    { who: 'listeners and abortable: nothing', among: named('listeners.ts', 'abortable.ts'), may: /^$/ },
    {
      who: 'the engine: core and ports',
      among: named('engine.ts', 'refresh-run.ts', 'revocation.ts', 'shared-record.ts', 'within.ts'),
      may: /^core\/|^(refresh-run|revocation|shared-record|within)\.ts$/,
      types: /^(ports|limiter)\.ts$/,
    },
    {
      who: 'adapters: themselves, idb-keyval, how to wait, and types of ports and core',
      among: inFolder('adapters'),
      may: /^adapters\/|^idb-keyval$|^within\.ts$/,
      types: /^ports\.ts$|^core\//,
    },
    { who: 'fetch: itself, core, and types of ports', among: inFolder('fetch'), may: /^fetch\/|^core\//, types: /^ports\.ts$/ },
    {
      who: 'refresh: itself, core, errors, which URLs are safe, what the browser says of its page, and types of ports',
      among: inFolder('refresh'),
      may: /^(refresh|core)\/|^errors\.ts$|^fetch\/destinations\.ts$|^adapters\/(browser|cookie)\.ts$/,
      types: /^ports\.ts$/,
    },
    {
      who: 'oauth: itself, oauth4webapi, core, refresh, errors, which URLs are safe, what a challenge says, how to wait, and the browser; no session',
      among: inFolder('oauth'),
      may: /^(oauth|core|refresh)\/|^oauth4webapi$|^(errors|within)\.ts$|^fetch\/destinations\.ts$|^adapters\/(address|answers|clock|tab-storage|windows)\.ts$/,
      types: /^ports\.ts$|^fetch\/challenge\.ts$/,
    },
    {
      who: 'dpop: itself, oauth4webapi, errors, how to wait, what a challenge says, how bodies are let go, what tokens are requested with, keys and clock of the browser, and types of what oauth asks of it',
      among: inFolder('dpop'),
      may: /^dpop\/|^oauth4webapi$|^(abortable|errors)\.ts$|^fetch\/(body|challenge)\.ts$|^refresh\/token-request\.ts$|^adapters\/(clock|proof-keys)\.ts$/,
      types: /^oauth\/proving\.ts$|^(ports\.ts|core\/.*)$/,
    },
    { who: 'ky: ky, errors, and the type of a session', among: inFolder('ky'), may: /^ky(\/|$)|^errors\.ts$/, types: /^session\.ts$/ },
    {
      who: 'socket: itself, errors, clock, chance and page of the browser, and types of session and ports',
      among: inFolder('socket'),
      may: /^socket\/|^errors\.ts$|^adapters\/(browser|clock|page-signals|random)\.ts$/,
      types: /^(session|ports)\.ts$/,
    },
    {
      who: 'limits: itself, core, what a user does, and types of what a session has for limits',
      among: inFolder('limits'),
      may: /^(limits|core)\/|^adapters\/activity\.ts$/,
      types: /^limiter\.ts$/,
    },
    {
      who: 'signals: itself, errors, and the type of a session',
      among: inFolder('signals'),
      may: /^signals\/|^errors\.ts$/,
      types: /^session\.ts$/,
    },
    {
      who: 'testing: itself, and what a session is started with; no adapter',
      among: inFolder('testing'),
      may: /^testing\/|^(options|session|start-session)\.ts$|^refresh\/outcome\.ts$/,
      types: /^core\/|^ports\.ts$/,
    },
  ]

  test.each(laws)('$who', ({ among, may, types = /^$/ }) => {
    const broken = among.flatMap(({ file, imports }) =>
      imports.filter(({ of, isType }) => !may.test(of) && !(isType && types.test(of))).map(({ of }) => `${file} ← ${of}`),
    )
    expect(among).not.toEqual([])
    expect(broken).toEqual([])
  })

  test('nobody imports the session but who makes one', () => {
    const importers = sources.filter(({ imports }) => imports.some(({ of, isType }) => of === 'start-session.ts' && !isType))
    expect(importers.map(({ file }) => file).sort()).toEqual(['create-session.ts', 'testing/world.ts'])
  })

  test('nobody imports what is nobody’s: no file is without an importer but the entries', () => {
    const imported = new Set(sources.flatMap(({ imports }) => imports.map(({ of }) => of)))
    expect(
      sources
        .map(({ file }) => file)
        .filter((file) => !imported.has(file))
        .sort(),
    ).toEqual([
      'dpop/index.ts',
      'index.ts',
      'ky/index.ts',
      'limits/index.ts',
      'oauth/index.ts',
      'refresh/index.ts',
      'signals/index.ts',
      'socket/index.ts',
      'testing/index.ts',
    ])
  })

  test('there is no cycle, not even of types', () => {
    const importsByFile = new Map(sources.map(({ file, imports }) => [file, imports.map(({ of }) => of)]))
    const done = new Set<string>()
    const cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(' ← '))
      if (done.has(file)) return
      for (const next of importsByFile.get(file) ?? []) visit(next, [...path, file])
      done.add(file)
    }
    for (const { file } of sources) visit(file, [])
    expect(cycles).toEqual([])
  })
})

describe('the outside world', () => {
  const globals = [
    'window',
    'document',
    'navigator',
    'location',
    'history',
    'self',
    'indexedDB',
    'localStorage',
    'sessionStorage',
    'caches',
    'BroadcastChannel',
    'SharedWorker',
    'Worker',
    'performance',
    'crypto',
    'setTimeout',
    'setInterval',
    'clearTimeout',
    'requestIdleCallback',
    'requestAnimationFrame',
    'reportError',
    'queueMicrotask',
    'XMLHttpRequest',
    'WebSocket',
  ]
  const platform = new RegExp(`(?<![.\\w'$])(${globals.join('|')})(?![\\w':])|Date\\.now|new Date|Math\\.random`, 'g')

  test('is touched in adapters, and simulated in testing, and named nowhere else', () => {
    expect(findings(inFolder('adapters'), platform)).not.toEqual([])
    expect(
      findings(
        sources.filter(({ file }) => !/^(adapters|testing)\//.test(file)),
        platform,
      ),
    ).toEqual([])
  })

  test('is unknown to the core: no waiting, no clock, no timer, no chance, no network', () => {
    const impure =
      /\b(async|await|Promise|fetch|globalThis|Date|performance|Math\.random|crypto|AbortController|AbortSignal|Request|Response|Headers)\b/g
    expect(findings(inFolder('core'), impure)).toEqual([])
  })

  test('REQ-29: never hears of us in a log', () => {
    expect(findings(sources, /\bconsole\b|\bdebugger\b/g)).toEqual([])
  })

  test('REQ-14: is not asked to run text as code', () => {
    expect(findings(sources, /\beval\b|new Function|innerHTML|createObjectURL/g)).toEqual([])
  })

  test('REQ-137: is no server of ours: none is named but to say no, in what is simulated, and as a name (CAEP)', () => {
    const servers = /(['"`])(https?|wss?):\/\/[\w.-]+/g
    const found = findings(
      sources.filter(({ file }) => !file.startsWith('testing/')),
      servers,
    )
    expect(found.filter((server) => !/example\.com|page\.invalid|schemas\.openid\.net/.test(server))).toEqual([])
    expect(found).not.toEqual([]) // those of the messages: the pattern finds what there is
  })

  test('REQ-138: is not asked what tells one browser from another', () => {
    const traits =
      /userAgent|\.(platform|vendor|plugins|mimeTypes|languages?|hardwareConcurrency|deviceMemory|maxTouchPoints)\b|\bscreen\.|getContext|AudioContext|RTCPeerConnection|getTimezoneOffset|resolvedOptions|queryLocalFonts|getBattery/g
    expect(findings(sources, traits)).toEqual([])
  })

  test('REQ-02, REQ-03: holds no token in Web Storage or in a cookie that script writes', () => {
    const found = findings(sources, /localStorage|sessionStorage|cookie\s*=[^=>]/g)
    expect([...new Set(found)]).toEqual(['adapters/tab-storage.ts: sessionStorage']) // a sign-in that has begun: no token yet (REQ-82)
  })
})

test('F64: secrets are revealed where they are sent, stored or compared, and nowhere else', () => {
  const calls = findings(sources, /\b(reveal|(?<!\.)open)\((?!\))/g)
  const counts = [...new Set(calls)].map((call) => `${call} × ${calls.filter((other) => other === call).length}`)
  expect(counts.sort()).toEqual([
    'core/grant.ts: reveal( × 2', // is it the token of before?
    'core/record.ts: open( × 1', // to be stored
    'core/secret.ts: open( × 3', // its own; do two say the same?
    'core/tokens.ts: open( × 1', // a sealed sign-in
    'lending.ts: reveal( × 1', // to be sent
    'oauth/provider.ts: open( × 1', // what `oauth` knows, for the sign-in functions
    'server.ts: reveal( × 2', // to be sent
    'start-session.ts: open( × 1', // a sealed sign-in, once
    'start-session.ts: reveal( × 1', // is it the token of before?
  ])
})

describe('F38, F73, REQ-135: importing an entry', () => {
  const run = promisify(execFile)
  /** Node without what is not JavaScript itself: whoever touches it, even to see whether it is there, is told so. */
  const bare = (allowed: readonly string[]) => `
    const { default: vm } = await import('node:vm')
    const language = Object.getOwnPropertyNames(vm.runInNewContext('globalThis'))
    const platform = new Set([...Object.getOwnPropertyNames(globalThis), ...${JSON.stringify(browser)}])
    for (const name of [...language, 'process', 'global', 'Buffer', ...${JSON.stringify(allowed)}]) platform.delete(name)
    for (const name of platform) void globalThis[name] // what Node makes of its own when first asked, it makes now
    for (const name of platform) Object.defineProperty(globalThis, name, { get() { throw new Error(name + ' was touched') } })`
  const browser = ['window', 'document', 'location', 'localStorage', 'sessionStorage', 'indexedDB', 'reportError', 'self']
  /** What oauth4webapi asks the platform for before it is used. */
  const oauth4webapis = ['navigator', 'TextEncoder', 'TextDecoder', 'URL']
  /** What ky asks the platform for before it is used. */
  const kys = [
    'AbortController',
    'AbortSignal',
    'Request',
    'Response',
    'ReadableStream',
    'FormData',
    'TextDecoder',
    'TextEncoder',
    'URL',
    'Headers',
    'DOMException',
    'TransformStream',
  ]

  test.each([
    { entry: 'index.ts', allowed: [] },
    { entry: 'refresh/index.ts', allowed: [] },
    { entry: 'oauth/index.ts', allowed: oauth4webapis },
    { entry: 'dpop/index.ts', allowed: oauth4webapis },
    { entry: 'ky/index.ts', allowed: kys },
    { entry: 'socket/index.ts', allowed: [] },
    { entry: 'limits/index.ts', allowed: [] },
    { entry: 'signals/index.ts', allowed: [] },
    { entry: 'testing/index.ts', allowed: [] },
  ])('touches no global: $entry', async ({ entry, allowed }) => {
    const program = `${bare(allowed)}
      const found = await import(${JSON.stringify(new URL(entry, root).href)})
      process.stdout.write(Object.keys(found).join())`
    const { stdout, stderr } = await run(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], {
      cwd: fileURLToPath(root),
    })
    expect(stderr).toBe('')
    expect(stdout).not.toBe('')
  })

  test('F38: a page whose storage throws when it is only looked at has a session all the same, in memory', async () => {
    const program = `
      globalThis.document = Object.assign(new EventTarget(), { visibilityState: 'visible', baseURI: 'https://app.example.com/' })
      globalThis.window = globalThis
      const { addEventListener, removeEventListener } = document
      Object.assign(globalThis, { addEventListener: addEventListener.bind(document), removeEventListener: removeEventListener.bind(document) })
      const refuse = () => { throw new DOMException('The operation is insecure.', 'SecurityError') }
      for (const name of ['localStorage', 'sessionStorage', 'indexedDB']) Object.defineProperty(globalThis, name, { get: refuse })
      Object.defineProperty(navigator, 'locks', { get: refuse })
      globalThis.BroadcastChannel = refuse
      ${usesSession('/api')}`
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program])
    expect([stdout, stderr]).toEqual(['signed-out a', ''])
  })

  test('F38: and so has a worker of such a page', async () => {
    const program = `
      Object.defineProperty(globalThis, 'indexedDB', { get() { throw new DOMException('The operation is insecure.', 'SecurityError') } })
      ${usesSession('https://api.example.com')}`
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program])
    expect([stdout, stderr]).toEqual(['signed-out a', ''])
  })
})

/** A program that signs in, and prints how it found the session and what token it has then. */
const usesSession = (attachTo: string) => `
      const { createSession } = await import(${JSON.stringify(new URL('index.ts', root).href)})
      const session = createSession({ attachTo: ['${attachTo}'], refresh: async () => ({ access_token: 'b' }) })
      const { status } = await session.ready
      await session.signIn({ access_token: 'a', expires_in: 300 })
      process.stdout.write(status + ' ' + await session.getToken())
      session.close()`
