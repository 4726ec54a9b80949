import fc from 'fast-check'
import { createSession, type Limits, memoryStore, type SessionOptions } from 'latchkey'
import { createApi } from 'latchkey/ky'
import { type LimitOptions, limits } from 'latchkey/limits'
import { type BackendForFrontendOptions, backendForFrontend, oauthRefresh, refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test, vi } from 'vitest'
import { resolveOptions } from '../../src/options.ts'
import { fragmentIn, growth, linear } from './outputs.ts'
import { anyValue, marked } from './values.ts'

vi.setConfig({ testTimeout: 120_000 }) // hundreds of scenes, on machines of any speed

const page = 'https://app.example.com/'

/** What was thrown, if anything was. */
function thrownBy(make: () => unknown): unknown {
  try {
    make()
    return null
  } catch (error) {
    return error ?? new Error('nothing')
  }
}

/** A TypeError that names an option among `names`. */
function expectNamed(error: unknown, names: readonly string[]): void {
  if (error === null) return
  expect(error).toBeInstanceOf(TypeError)
  expect((error as TypeError).message).toMatch(new RegExp(`\`(${names.join('|')})(\\.\\w+)?\``))
}

/** What cannot be made a text, and lists with holes: test/input/odd-options.test.ts. */
const isPrintable = (value: unknown): boolean => {
  try {
    return typeof value !== 'symbol' && String(value) !== null
  } catch {
    return false
  }
}
const anyPart = anyValue.filter(isPrintable)
const isWhole = (list: unknown): boolean => !Array.isArray(list) || Array.from(list, (_, index) => index in list).every(Boolean)

const refresh = async () => ({ access_token: 'a' })
const url = fc.oneof(
  fc.webUrl(),
  fc.string(),
  fc.constantFrom('/api', '//evil.test', 'http://localhost:1', 'http:', 'https:///x', 'a:b@c', '\\', '/\0'),
)

const options = fc.record(
  {
    attachTo: fc.oneof(
      anyPart.filter(isWhole),
      fc.array(
        fc.oneof(
          url,
          anyPart,
          fc.record({ url: fc.oneof(url, anyPart), resource: anyPart, scope: anyPart, whenSignedOut: anyPart }, { requiredKeys: [] }),
        ),
      ),
      fc.constant(['/api']),
    ),
    refresh: fc.oneof(
      anyPart,
      fc.constant(refresh),
      fc.record({ id: anyPart, refresh: anyPart, presents: anyPart, revoke: anyPart, send: anyPart }),
    ),
    name: fc.oneof(anyPart, fc.constant('x')),
    store: fc.oneof(anyPart, fc.constant(memoryStore()), fc.record({ read: anyPart, replace: anyPart })),
    fetch: fc.oneof(anyPart, fc.constant(globalThis.fetch)),
    keepFresh: fc.oneof(anyPart, fc.constant('always')),
    refreshTimeout: fc.oneof(anyPart, fc.double(), fc.constant(5_000)),
    whenSignedOut: fc.oneof(anyPart, fc.constant('send')),
    limits: fc.oneof(anyPart, fc.constant(limits('aal2')), fc.constant(limits)),
    onStepUp: fc.oneof(
      anyPart,
      fc.constant(async () => null),
    ),
  },
  { requiredKeys: [] },
)
const names = [
  'options',
  'attachTo',
  'refresh',
  'name',
  'store',
  'fetch',
  'keepFresh',
  'refreshTimeout',
  'whenSignedOut',
  'limits',
  'onStepUp',
  'resource',
  'scope',
]

describe('F59: whatever a session is made with', () => {
  test('the options are complete, or refused by name', () => {
    fc.assert(
      fc.property(options, fc.constantFrom(page, null), (given, base) => {
        expectNamed(
          thrownBy(() => {
            const settings = resolveOptions(given as unknown as SessionOptions, base)
            expect(Object.values(settings)).not.toContain(undefined)
            for (const { origin, path } of settings.targets)
              expect(origin + path).toMatch(/^(https:\/\/|http:\/\/(.+\.)?localhost|http:\/\/127\.|http:\/\/\[::1\])/)
          }),
          names,
        )
      }),
      { numRuns: 4_000 },
    )
  })

  test('REQ-110: limits are complete, or refused by name', () => {
    const span = fc.oneof(anyPart, fc.double(), fc.constantFrom(999, 1_000, 19_999, 20_000, 1.7e9, 1.7e12, Infinity, '5000', null))
    const given = fc.oneof(
      anyValue,
      fc.record({ idle: span, maxAge: span, warnBefore: span, incidentAt: span }, { requiredKeys: [] }),
      fc.constantFrom('aal1', 'aal2', 'aal3', 'AAL2', 'toString'),
    )
    fc.assert(
      fc.property(given, (what) => {
        const made: unknown[] = []
        const error = thrownBy(() => made.push(limits(what as LimitOptions)))
        expectNamed(error, ['limits', 'idle', 'maxAge', 'warnBefore', 'incidentAt'])
        if (!error) expect(resolveOptions({ attachTo: ['/api'], refresh, limits: made[0] as Limits }, page).limits).toBe(made[0])
      }),
      { numRuns: 4_000 },
    )
  })

  test('in place of options, too', () => {
    fc.assert(
      fc.property(anyValue, (given) => {
        expectNamed(
          thrownBy(() => createSession(given as SessionOptions).close()),
          names,
        )
      }),
      { numRuns: 1_000 },
    )
  })

  test('REQ-29: a secret in one of them is not repeated', () => {
    const one = (secret: string) =>
      fc.constantFrom(
        secret,
        `https://${secret}@api.example.com`,
        `https://u:${secret}@x.test/`,
        `/api?t=${secret}`,
        `https://x.test/#${secret}`,
      )
    const given = marked.chain((secret) =>
      fc.record({
        secret: fc.constant(secret),
        options: fc.oneof(
          one(secret).map((text) => ({ attachTo: [text], refresh })),
          one(secret).map((text) => ({ attachTo: text, refresh })),
          fc.constantFrom('name', 'store', 'fetch', 'keepFresh', 'refreshTimeout', 'whenSignedOut', 'refresh').map((name) => ({
            attachTo: ['/api'],
            refresh,
            [name]: name === 'name' ? [secret] : secret,
          })),
        ),
      }),
    )
    fc.assert(
      fc.property(given, ({ secret, options }) => {
        const error = thrownBy(() => resolveOptions(options as unknown as SessionOptions, page))
        if (error) expectNamed(error, names)
        expect(fragmentIn([error], secret)).toBeNull()
      }),
      { numRuns: 500 },
    )
  })

  test('a session that was made answers: it is ready, and closes', async () => {
    await fc.assert(
      fc.asyncProperty(options, async (given) => {
        const made: ReturnType<typeof createSession>[] = []
        expectNamed(
          thrownBy(() =>
            made.push(
              createSession({
                attachTo: ['https://api.example.com'],
                refresh,
                store: memoryStore(),
                ...given,
              } as unknown as SessionOptions),
            ),
          ),
          names,
        )
        for (const session of made) {
          const isOurs = !('store' in given) || given.store === undefined
          if (isOurs) expect(['loading', 'signed-out']).toContain((await session.ready).status)
          session.close()
          session.close()
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('whatever a strategy or an api is made with', () => {
  test('refreshEndpoint: it is one, or is refused by name', () => {
    const parts = fc.record(
      {
        refreshToken: fc.oneof(anyPart, fc.constantFrom('body', 'cookie')),
        logout: anyPart,
        csrf: anyPart,
        body: anyPart,
        parse: anyPart,
        isRejected: anyPart,
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(url, anyValue), fc.option(parts, { nil: undefined }), (at, given) => {
        expectNamed(
          thrownBy(() => refreshEndpoint(at as string, given as object)),
          ['url', 'refreshToken', 'logout', 'csrf', 'body', 'parse', 'isRejected'],
        )
      }),
      { numRuns: 1_000 },
    )
  })

  test('backendForFrontend: it is one, or is refused by name', () => {
    const parts = fc.record({ session: fc.oneof(url, anyPart), logout: fc.oneof(url, anyPart), csrf: anyPart }, { requiredKeys: [] })
    fc.assert(
      fc.property(parts, (given) => {
        expectNamed(
          thrownBy(() => backendForFrontend(given as unknown as BackendForFrontendOptions)),
          ['session', 'logout', 'csrf'],
        )
      }),
      { numRuns: 1_000 },
    )
  })

  test('oauthRefresh: it is one, or is refused by name', () => {
    const parts = fc.record(
      { tokenEndpoint: fc.oneof(url, anyPart), clientId: fc.oneof(fc.string(), anyPart), revocationEndpoint: anyPart, isRejected: anyPart },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(parts, (given) => {
        expectNamed(
          thrownBy(() => oauthRefresh(given as unknown as Parameters<typeof oauthRefresh>[0])),
          ['tokenEndpoint', 'clientId', 'revocationEndpoint', 'isRejected'],
        )
      }),
      { numRuns: 1_000 },
    )
  })

  test('createApi: a fetch, and 401 among what is tried again, are refused by name', () => {
    const session = { fetch: globalThis.fetch }
    const retry = fc.oneof(
      fc.nat(),
      fc.record({ statusCodes: fc.array(fc.constantFrom(401, 408, 500)), limit: fc.nat() }, { requiredKeys: [] }),
    )
    fc.assert(
      fc.property(fc.record({ fetch: fc.constantFrom(undefined, globalThis.fetch), retry }, { requiredKeys: [] }), (given) => {
        const error = thrownBy(() => createApi(session, given as object))
        expectNamed(error, ['fetch', 'retry'])
        const codes = typeof given.retry === 'object' ? (given.retry.statusCodes ?? []) : []
        expect(error !== null).toBe(given.fetch !== undefined || codes.includes(401))
      }),
    )
  })
})

describe('a megabyte of it takes ten times as long as a tenth', () => {
  test.each([
    { name: 'a prefix', make: (size: number) => ({ attachTo: [`/${'a'.repeat(size)}`] }) },
    { name: 'a prefix of slashes', make: (size: number) => ({ attachTo: [`/api${'/'.repeat(size)}`] }) },
    { name: 'a prefix that is none', make: (size: number) => ({ attachTo: ['a'.repeat(size)] }) },
    { name: 'many prefixes', make: (size: number) => ({ attachTo: Array(size / 1_000).fill('https://api.example.com/v1') }) },
    { name: 'a name', make: (size: number) => ({ attachTo: [], name: 'n'.repeat(size) }) },
  ])('$name', ({ make }) => {
    const found = growth((size) => {
      const given = { refresh, ...make(size) }
      return () => thrownBy(() => resolveOptions(given, page))
    })
    expect(found).toBeLessThan(linear)
  })
})
