import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { createSession, isLatchkeyError, type Session, type SessionOptions } from 'latchkey'
import { handleRedirect, logoutRedirect, oauth, signInPopup, signInRedirect, signInSilent } from 'latchkey/oauth'
import { refreshEndpoint } from 'latchkey/refresh'
import { describe, expect, test } from 'vitest'
import { recorder } from './fetch/by-hand.ts'

const api = 'https://api.example.com'
const page: SessionOptions = { attachTo: ['/api', api], refresh: refreshEndpoint('/auth/refresh', { refreshToken: 'cookie' }) }

describe('F73, REQ-135: on a server, a session', () => {
  test('is made from the options of the browser, paths of the page included', () => {
    expect(createSession(page).state).toEqual({ status: 'loading' })
  })

  test('is ready at once, and still loading: the page that it renders says neither signed in nor signed out', async () => {
    expect(await createSession(page).ready).toEqual({ status: 'loading' })
  })

  test('shows one and the same state to everybody', () => {
    expect(createSession(page).state).toBe(createSession(page).state)
  })

  test('calls a subscriber with it, once', () => {
    const states: unknown[] = []
    const stop = createSession(page).subscribe((state) => states.push(state))
    stop()
    stop()
    expect(states).toEqual([{ status: 'loading' }])
  })

  const listed: readonly { name: string; call: (session: Session) => Promise<unknown> }[] = [
    { name: 'a listed origin', call: ({ fetch }) => fetch(`${api}/me`) },
    { name: 'a URL object', call: ({ fetch }) => fetch(new URL('/me', api)) },
    { name: 'a Request', call: ({ fetch }) => fetch(new Request(`${api}/me`)) },
    { name: 'a listed path of the page', call: ({ fetch }) => fetch('/api/me') },
    { name: 'getToken', call: ({ getToken }) => getToken() },
    { name: 'refresh', call: ({ refresh }) => refresh() },
    { name: 'signIn', call: ({ signIn }) => signIn({ access_token: 'a' }) },
  ]
  test.each(listed)('rejects and says why: $name', async ({ call }) => {
    const { fetch, calls } = recorder()
    const error: unknown = await call(createSession({ ...page, fetch })).catch((reason: unknown) => reason)
    expect(isLatchkeyError(error, 'signed_out')).toBe(true)
    expect(error).toHaveProperty('message', expect.stringMatching(/server.*nothing was sent.*browser/))
    expect(calls).toEqual([])
  })

  test('lets everything else through, untouched', async () => {
    const { fetch, calls } = recorder(() => new Response('public'))
    const init = { headers: { 'X-Own': '1' } }
    const response = await createSession({ ...page, fetch }).fetch('https://cdn.example.com/a', init)
    expect(await response.text()).toBe('public')
    expect(calls.map(({ input, init }) => [input, init])).toEqual([['https://cdn.example.com/a', init]])
  })

  test('knows its destinations', () => {
    const { destinationOf } = createSession(page)
    expect([destinationOf(`${api}/me`), destinationOf('/api/me'), destinationOf('/assets/a.png')]).toEqual([
      { url: api },
      { url: '/api' },
      null,
    ])
  })

  test('signs out and closes without complaint', async () => {
    const { signOut, close, extend, on, onSessionEnded, onSessionExpired } = createSession(page)
    extend()
    expect(await signOut()).toEqual({ revoked: false })
    for (const stop of [on('refreshed', () => {}), onSessionEnded(() => {}), onSessionExpired(() => {}), close]) {
      stop()
      stop()
    }
  })

  test('is frozen, as in the browser, and has all of its functions', () => {
    const session = createSession(page)
    expect(Object.isFrozen(session)).toBe(true)
    expect(Object.keys(session).sort()).toEqual([
      'close',
      'destinationOf',
      'extend',
      'fetch',
      'getToken',
      'on',
      'onSessionEnded',
      'onSessionExpired',
      'ready',
      'refresh',
      'signIn',
      'signOut',
      'state',
      'subscribe',
    ])
  })

  test('REQ-20: takes no option that the browser would refuse', () => {
    expect(() => createSession({ ...page, attachTo: ['http://api.example.com'] })).toThrow(/^`attachTo`/)
  })
})

describe('F73: on a server, a provider', () => {
  const metadata = { end_session_endpoint: 'https://login.example.com/logout' }
  const provider = oauth({ issuer: 'https://login.example.com', clientId: 'spa', redirectUri: 'https://app.example.com/', metadata })

  test.each(Object.entries({ signInPopup, signInSilent, signInRedirect, logoutRedirect }))(
    'says that there is no page: %s',
    async (_, call) => {
      const error: unknown = await call(provider).catch((reason: unknown) => reason)
      expect(isLatchkeyError(error, 'sign_in_failed')).toBe(true)
      expect(error).toHaveProperty('message', expect.stringMatching(/no page.*nothing was sent.*browser/))
    },
  )

  test('has nobody coming back from it', async () => {
    expect(await handleRedirect(provider)).toBe(null)
  })
})

describe('F72: a process is not kept alive', () => {
  const run = promisify(execFile)
  const entry = JSON.stringify(new URL('../src/index.ts', import.meta.url).href)
  const resources =
    'process.stdout.write(JSON.stringify(process.getActiveResourcesInfo().filter((name) => /Timeout|Message|Broadcast/.test(name))))'

  test.each([
    { name: 'by a session on a server', more: '', after: '' },
    {
      name: 'by a session with a store, once it is closed',
      more: ', store: memoryStore()',
      after: 'await session.ready; await session.signIn({ access_token: "a", expires_in: 300, refresh_token: "r" }); session.close()',
    },
  ])('$name', async ({ more, after }) => {
    const program = `import { createSession, memoryStore } from ${entry}
      const session = createSession({ attachTo: ['https://api.example.com'], refresh: async () => ({ access_token: 'b' })${more} })
      ${after}
      await new Promise(setImmediate)
      ${resources}`
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', program], { timeout: 20_000 })
    expect([stdout, stderr]).toEqual(['[]', ''])
  })
})
