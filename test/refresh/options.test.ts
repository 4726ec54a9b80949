import {
  type BackendForFrontendOptions,
  backendForFrontend,
  type OAuthRefreshOptions,
  oauthRefresh,
  refreshEndpoint,
} from 'latchkey/refresh'
import { expect, test } from 'vitest'

const cookie = { refreshToken: 'cookie' } as const
const oauth = { tokenEndpoint: 'https://login.example.com/token', clientId: 'spa' }
const bff = { session: '/bff/session', logout: '/bff/logout' }
const csrfs: readonly object[] = [
  { value: 'c4n4ry' },
  { header: 'X CSRF', value: 'c4n4ry' },
  { header: '', value: 'c4n4ry' },
  { header: 'X-CSRF' },
  { header: 'X-CSRF', value: 'c4n4ry\nX-Other: 1' },
  { header: 'X-CSRF', value: 'c4n4ry €' },
]
const addresses: readonly unknown[] = [
  undefined,
  null,
  5,
  '',
  'https://',
  'https://c4n4ry:c4n4ry@api.example.com/refresh',
  'javascript:void c4n4ry',
]
const inTheClear = ['http://api.example.com/c4n4ry', 'ftp://api.example.com/c4n4ry']

interface Row {
  readonly option: string
  readonly make: () => unknown
}

/** Each option that is an address, and what it is said to be. */
const rows = (those: readonly unknown[]): readonly Row[] => [
  ...those.map((at) => ({ option: 'url', make: () => refreshEndpoint(at as string) })),
  ...those.map((at) => ({ option: 'session', make: () => backendForFrontend({ ...bff, session: at as string }) })),
  ...those.map((at) => ({ option: 'logout', make: () => backendForFrontend({ ...bff, logout: at as string }) })),
  ...those.map((at) => ({ option: 'tokenEndpoint', make: () => oauthRefresh({ ...oauth, tokenEndpoint: at as string }) })),
  // What may be left out.
  ...those.flatMap((at) =>
    at === undefined
      ? []
      : [
          { option: 'logout', make: () => refreshEndpoint('/refresh', { logout: at as string }) },
          { option: 'revocationEndpoint', make: () => oauthRefresh({ ...oauth, revocationEndpoint: at as string }) },
        ],
  ),
]

test.each(rows(inTheClear))('REQ-20: a strategy whose $option is neither https nor loopback is a TypeError that names it: $make', refused)

test.each<Row>([
  ...rows(addresses),
  ...csrfs.map((csrf) => ({ option: 'csrf', make: () => refreshEndpoint('/refresh', { ...cookie, csrf: csrf as never }) })),
  ...csrfs.map((csrf) => ({ option: 'csrf', make: () => backendForFrontend({ ...bff, csrf: csrf as never }) })),
  { option: 'tokenEndpoint', make: () => oauthRefresh({ ...oauth, tokenEndpoint: '/token' }) },
  { option: 'revocationEndpoint', make: () => oauthRefresh({ ...oauth, revocationEndpoint: '/revoke' }) },
  { option: 'clientId', make: () => oauthRefresh({ ...oauth, clientId: '' }) },
  { option: 'url', make: () => refreshEndpoint(undefined as unknown as string, null as never) },
  { option: 'session', make: () => backendForFrontend(undefined as unknown as BackendForFrontendOptions) },
  { option: 'tokenEndpoint', make: () => oauthRefresh(undefined as unknown as OAuthRefreshOptions) },
])('what a strategy cannot be made with is a TypeError that names it: $option, $make', refused)

function refused({ option, make }: Row): void {
  expect(make).toThrow(TypeError)
  expect(make).toThrow(new RegExp(`^\`${option}\` `))
  expect(make).toThrow(/^(?!.*c4n4ry)/)
}

test.each([
  '/auth/refresh',
  'auth/refresh',
  'https://api.example.com/refresh',
  'http://localhost:3000/refresh',
  'http://127.0.0.1:3000/refresh',
])('a refresh endpoint at %s is one', (url) => {
  expect(refreshEndpoint(url, { logout: '/auth/logout' })).toHaveProperty('id', url)
})
