import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { matcher, targetsOf } from '../../src/fetch/destinations.ts'
import { byHand, recorder } from '../fetch/by-hand.ts'
import { growth, linear } from './outputs.ts'
import { anyValue } from './values.ts'

vi.setConfig({ testTimeout: 120_000 }) // hundreds of scenes, on machines of any speed

const page = 'https://app.example.com/inbox'
const listed = ['https://api.example.com', 'https://example.com/v1', 'http://localhost:8080', '/own']
const match = matcher(targetsOf(listed, 'reject', page), () => page)

const pieces = [
  ...[
    'https://api.example.com',
    'https://example.com/v1',
    'http://localhost:8080',
    '/own',
    'https:',
    'http:',
    'HTTPS:',
    'blob:',
    'data:',
    '//',
    '/',
    '\\',
  ],
  ...[
    '..',
    '.',
    '@',
    ':',
    '?',
    '#',
    '%2e',
    '%2f',
    '%5c',
    '%00',
    '\t',
    '\n',
    '\0',
    ' ',
    'user',
    'evil.test',
    'api.example.com',
    'v1',
    'v1x',
    '[::1]',
  ],
  ...['127.0.0.1', '0x7f.1', '٫', '。', 'ａpi', 'xn--', '\u202e', '😀', '\ud800'],
]
const anyUrl = fc.oneof(
  fc.string({ unit: fc.constantFrom(...pieces), maxLength: 8 }),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.string(),
  fc.string({ unit: 'binary' }),
)

/** May a token go there, by the words of the documentation? */
function isListed(given: string): boolean {
  if (!URL.canParse(given, page)) return false
  const { protocol, username, password, origin, pathname } = new URL(given, page)
  const under = (path: string) => pathname === path || pathname.startsWith(`${path}/`)
  if (username || password || !['http:', 'https:'].includes(protocol)) return false
  return (
    origin === 'https://api.example.com' ||
    origin === 'http://localhost:8080' ||
    (origin === 'https://example.com' && under('/v1')) ||
    (origin === 'https://app.example.com' && under('/own'))
  )
}

describe('F62, REQ-16, REQ-17: whatever URL is asked for', () => {
  test('it falls under a destination if the platform would send it there, and else under none', () => {
    fc.assert(
      fc.property(anyUrl, (url) => {
        expect(match(url) !== null).toBe(isListed(url))
        if (URL.canParse(url, page)) expect(match(new URL(url, page)) !== null).toBe(isListed(url))
      }),
      { numRuns: 10_000 },
    )
  })

  test('a credential goes along if it is listed, and the call fails as fetch does if it is none', async () => {
    await fc.assert(
      fc.asyncProperty(anyUrl, async (url) => {
        const sent: (readonly [string, boolean])[] = []
        const underneath: typeof fetch = async (input, init) => {
          const request = new Request(new URL(input as string, page), init) // throws as the platform does
          sent.push([request.url, request.headers.has('Authorization')])
          return new Response()
        }
        const { fetch: ours } = byHand({ attachTo: listed.slice(0, 3), underneath })
        const error = await ours(url).then(
          () => null,
          (thrown: unknown) => thrown,
        )
        if (error !== null) expect(error).toBeInstanceOf(TypeError)
        for (const [where, bears] of sent) if (bears) expect(isListed(where)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })

  /** Objects that say that they are a URL or a Request, and are none: test/input/odd-urls.test.ts. */
  const isPlainly = (value: unknown) => typeof value !== 'object' || value === null || !('headers' in value || 'protocol' in value)

  test('what is no URL at all falls under none, and is left to fetch', async () => {
    await fc.assert(
      fc.asyncProperty(anyValue.filter(isPlainly), async (value) => {
        if (typeof value !== 'string') expect(match(value as string)).toBeNull()
        const { fetch: underneath, calls } = recorder()
        const { fetch: ours } = byHand({ underneath })
        await ours(value as string).catch(() => {})
        for (const { request } of calls) expect(request.headers.has('Authorization')).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })

  test('REQ-19, F78: whatever init comes with it, a listed call is sent with one credential, or rejects', async () => {
    const init = fc.oneof(
      anyValue,
      fc.record(
        { headers: anyValue, signal: anyValue, body: anyValue, mode: anyValue, method: fc.oneof(anyValue, fc.constantFrom('POST', 'GET')) },
        { requiredKeys: [] },
      ),
    )
    await fc.assert(
      fc.asyncProperty(init, async (given) => {
        const { fetch: underneath, calls } = recorder()
        const { fetch: ours } = byHand({ underneath })
        const answer = ours('https://api.example.com/', given as RequestInit)
        expect(answer).toBeInstanceOf(Promise)
        await answer.catch(() => {})
        for (const { request } of calls) expect(request.headers.get('Authorization')).toBe('Bearer token-1')
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a megabyte of it takes ten times as long as a tenth', () => {
  const parts = ['a', '/', '../', '%2e', '@', ':', '\\', '.', '?', '#', '\t', 'é', 'a.', '-', 'https://api.example.com']
  test.each(parts)('%j', (part) => {
    for (const start of ['', 'https://api.example.com', 'https://api.example.com/', 'https://example.com/v1/', 'http://', '//']) {
      const found = growth((size) => {
        const url = start + part.repeat(Math.ceil(size / part.length))
        return () => match(url)
      })
      expect(found).toBeLessThan(linear)
    }
  })
})
