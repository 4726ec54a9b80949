import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Destination, matcher, targetsOf } from '../../src/fetch/destinations.ts'

const page = 'https://app.example.com/inbox/today'

/** The `url` of the entry that a URL falls under, or `null`. */
const under = (attachTo: readonly (string | Destination)[], url: string | URL, base: string | null = page) =>
  matcher(targetsOf(attachTo, 'reject', base), () => base)(url)?.target.entry.url ?? null

const api = 'https://api.example.com'

describe('F62, REQ-16, REQ-17: a token goes to', () => {
  test.each([
    `${api}`,
    `${api}/`,
    `${api}/v1/me`,
    `${api}?q=1`,
    `${api}#top`,
    `${api}:443/v1`,
    'https://API.Example.COM/v1',
    'HTTPS://api.example.com/v1',
    ' https://api.example.com/v1 ',
    'https://api.example.com\\v1',
    'https:\\\\api.example.com/v1',
    'ht\ntps://api.example.com/v1',
    `${api}/https://evil.test/`,
    `${api}/a/../../b`,
    `${api}/@evil.test`,
    `${api}\\@evil.test/..`,
    '//api.example.com/v1',
  ])('%j', (url) => {
    expect(under([api], url)).toBe(api)
  })

  test('a URL object', () => {
    expect(under([api], new URL('/v1', api))).toBe(api)
  })
})

describe('F62, REQ-16, REQ-17, REQ-20: no token goes to', () => {
  test.each([
    'https://api.example.com.evil.test/',
    'https://api.example.comevil.test/',
    'https://evil.test/?u=https://api.example.com',
    'https://evil.test/https://api.example.com/',
    'https://evil.test#https://api.example.com/',
    'https://api.example.com@evil.test/',
    'https://api.example.com:pass@evil.test/',
    'https://api.example.com%2f@evil.test/',
    'https://evil.test\\@api.example.com/',
    'https://user@api.example.com/',
    'https://user:pass@api.example.com/',
    'http://api.example.com/',
    'https://api.example.com:8443/',
    'https://api.example.com./',
    'https://example.com/',
    'https://v1.api.example.com/',
    'wss://api.example.com/',
    'ftp://api.example.com/',
    'blob:https://api.example.com/5f2a',
    'data:text/plain,https://api.example.com/',
    'javascript:fetch("https://api.example.com/")',
    'about:blank',
    '//evil.test/',
    '\\\\evil.test/',
    '/\\evil.test/',
    '/v1/me',
    'api.example.com/v1',
    'https://',
    'https://[evil',
    '',
  ])('%j', (url) => {
    expect(under([api], url)).toBeNull()
  })

  test.each([
    { name: 'a blob of the page itself', attachTo: ['/'], url: 'blob:https://app.example.com/5f2a' },
    { name: 'anywhere, if nothing is listed', attachTo: [], url: `${api}/` },
  ])('$name', ({ attachTo, url }) => {
    expect(under(attachTo, url)).toBeNull()
  })

  test('an origin that is not the listed one, however it is spelled', () => {
    fc.assert(
      fc.property(
        fc.webUrl({ withFragments: true, withQueryParameters: true }),
        fc.constantFrom('', '@', '.', '/', '\\', '#', '?', ':'),
        (url, mark) => {
          for (const spelled of [url, `${api}${mark}${url.replace(/^https?:\/\//, '')}`]) {
            const parsed = URL.canParse(spelled) ? new URL(spelled) : null
            expect(under([api], spelled) !== null).toBe(parsed?.origin === api && !parsed.username)
          }
        },
      ),
    )
  })
})

describe('paths are matched on whole segments', () => {
  const listed = 'https://example.com/api'
  test.each([
    { url: 'https://example.com/api', is: true },
    { url: 'https://example.com/api/', is: true },
    { url: 'https://example.com/api/v1', is: true },
    { url: 'https://example.com/api?q', is: true },
    { url: 'https://example.com/x/../api/v1', is: true },
    { url: 'https://example.com/x/%2e%2e/api/v1', is: true },
    { url: 'https://example.com/apis', is: false },
    { url: 'https://example.com/api-docs', is: false },
    { url: 'https://example.com/API', is: false },
    { url: 'https://example.com/x/api', is: false },
    { url: 'https://example.com/', is: false },
    { url: 'https://example.com/api/../admin', is: false },
    { url: 'https://example.com/api/%2e%2e/admin', is: false },
    { url: 'https://example.com/api/%2E./admin', is: false },
    { url: 'https://example.com/api\\..\\admin', is: false },
    { url: 'https://example.com/api%2f..%2fadmin', is: false },
    { url: 'https://example.com/?/api/', is: false },
  ])('$url: $is', ({ url, is }) => {
    expect(under([listed], url) !== null).toBe(is)
    expect(under([`${listed}/`], url) !== null).toBe(is)
    expect(under([listed], new URL(url)) !== null).toBe(is)
  })

  test.each([
    { url: `${api}/files/1`, entry: `${api}/files` },
    { url: `${api}/files/big/1`, entry: `${api}/files/big` },
    { url: `${api}/filesystem`, entry: api },
    { url: `${api}/x/../files`, entry: `${api}/files` },
    { url: `${api}/`, entry: api },
  ])('the longest match wins: $url falls under $entry', ({ url, entry }) => {
    expect(under([api, `${api}/files`, `${api}/files/big`], url)).toBe(entry)
    expect(under([`${api}/files/big`, `${api}/files`, api], url)).toBe(entry)
  })
})

describe('what is relative is relative to the page', () => {
  test.each([
    { name: 'a path of the page’s origin', attachTo: '/api', url: '/api/me', base: page, is: true },
    { name: 'its whole URL', attachTo: '/api', url: 'https://app.example.com/api/me', base: page, is: true },
    { name: 'a path beside the page', attachTo: '/inbox', url: 'tomorrow', base: page, is: true },
    { name: 'a path above the page', attachTo: '/api', url: '../api/me', base: page, is: true },
    { name: 'another path', attachTo: '/api', url: '/assets/a.png', base: page, is: false },
    { name: 'the same path of another origin', attachTo: '/api', url: 'https://evil.test/api/me', base: page, is: false },
    { name: 'a path on a page of another origin', attachTo: `${api}`, url: '/v1', base: 'https://evil.test/', is: false },
    { name: 'a path where there is no page', attachTo: `${api}`, url: '/v1', base: null, is: false },
    { name: 'a path on loopback', attachTo: '/api', url: '/api/me', base: 'http://localhost:5173/', is: true },
  ])('$name: $is', ({ attachTo, url, base, is }) => {
    expect(under([attachTo], url, base) !== null).toBe(is)
  })
})

describe('REQ-20: in the clear, a token goes to this machine only', () => {
  test.each([
    'http://localhost',
    'http://localhost:3000',
    'http://app.localhost:3000',
    'http://127.0.0.1:8080',
    'http://127.1',
    'http://[::1]:8080',
  ])('%s', (origin) => {
    expect(under([origin], `${origin}/me`)).toBe(origin)
  })

  test.each([
    'http://api.example.com',
    'http://192.168.0.2',
    'http://localhost.evil.test',
    'http://notlocalhost',
    'http://127.0.0.1.evil.test',
    'http://128.0.0.1',
    'http://[::2]',
    'http://0.0.0.0',
  ])('and not to %s', (origin) => {
    expect(() => targetsOf([origin], 'reject', page)).toThrow(
      /^`attachTo` must hold https URLs \(http on loopback only\).* Entry 0 is not one\.$/,
    )
  })
})

describe('an entry that is no URL prefix is refused', () => {
  test.each([
    { name: 'a word', entry: 'api' },
    { name: 'an origin without its scheme', entry: 'api.example.com' },
    { name: 'a loopback origin without its scheme', entry: 'localhost:3000' },
    { name: 'an empty text', entry: '' },
    { name: 'nothing', entry: undefined },
    { name: 'null', entry: null },
    { name: 'a number', entry: 5 },
    { name: 'a URL object', entry: new URL(api) },
    { name: 'a destination without a URL', entry: {} },
    { name: 'a URL that cannot be parsed', entry: 'https://[evil' },
    { name: 'a scheme that is not https', entry: 'ftp://example.com' },
    { name: 'a query', entry: `${api}/?tenant=1` },
    { name: 'a fragment', entry: `${api}/#a` },
    { name: 'a user name', entry: 'https://user@api.example.com' },
    { name: 'a wildcard in the port', entry: `${api}:*` },
  ])('$name', ({ entry }) => {
    for (const base of [page, null]) expect(() => targetsOf([entry as string], 'reject', base)).toThrow(/^`attachTo` must hold /)
  })

  test('a path where there is no page, and it is told so', () => {
    expect(() => targetsOf(['/api'], 'reject', null)).toThrow(/paths where there is a page/)
  })

  test('REQ-29: without printing a password that is in it', () => {
    expect(() => targetsOf(['https://user:c4n4ry@api.example.com'], 'reject', null)).toThrow(/^(?!.*c4n4ry)/)
  })
})

test('a destination says what is asked for, and what happens when nobody is signed in', () => {
  const [plain, special] = targetsOf(
    [api, { url: `${api}/files`, resource: 'urn:files', scope: 'read', whenSignedOut: 'send' }],
    'reject',
    null,
  )
  expect(plain).toMatchObject({ want: { resource: null, scope: null }, key: '', whenSignedOut: 'reject' })
  expect(special).toMatchObject({ want: { resource: 'urn:files', scope: 'read' }, key: 'urn:files read', whenSignedOut: 'send' })
})

test('the caller’s own objects are neither kept nor changed', () => {
  const given = { url: api, scope: 'read' }
  const [target] = targetsOf([given], 'reject', null)
  given.url = 'https://evil.test'
  expect(target).toMatchObject({ origin: api, entry: { url: api } })
  expect(Object.isFrozen(target?.entry)).toBe(true)
})
