import { describe, expect, test } from 'vitest'
import { matcher, targetsOf } from '../../src/fetch/destinations.ts'
import { byHand, recorder } from '../fetch/by-hand.ts'

// fetch makes a text of what is neither a URL nor a Request, and so must whoever judges it.

const api = 'https://api.example.com'
const page = 'https://app.example.com/'

/** Where each call went as a browser sees it, and what it bore. */
async function sent(input: unknown): Promise<(readonly [string, string | null])[]> {
  const calls: (readonly [string, string | null])[] = []
  const underneath: typeof fetch = async (what, init) => {
    const request = what instanceof Request ? new Request(what, init) : new Request(new URL(String(what), page), init)
    calls.push([request.url, request.headers.get('Authorization')])
    return new Response()
  }
  await byHand({ attachTo: [api], underneath })
    .fetch(input as string)
    .catch(() => {})
  return calls
}

describe('F62, REQ-16: no token goes to another place than the one that was judged', () => {
  test.each([
    { name: 'a config object, as for axios', input: { method: 'GET', url: `${api}/me`, headers: { Accept: 'application/json' } } },
    { name: 'JSON with the members of a URL', input: JSON.parse(`{"protocol":"https:","origin":"${api}","pathname":"/me"}`) },
    {
      name: 'an object that says one thing and means another',
      input: { protocol: 'https:', origin: api, pathname: '/', toString: () => 'https://evil.test/' },
    },
  ])('$name', async ({ input }) => {
    for (const [url, credential] of await sent(input)) if (!url.startsWith(`${api}/`)) expect(credential).toBeNull()
  })
})

test('promise 3: a URL in a wrapper is a URL, and its call bears a token', async () => {
  expect(await sent(Object(`${api}/me`))).toEqual([[`${api}/me`, 'Bearer token-1']])
})

test('destinationOf does not throw', () => {
  const match = matcher(targetsOf([api], 'reject', page), () => page)
  for (const odd of [
    { protocol: 'http:', hostname: Symbol('odd') },
    { protocol: 'https:', pathname: Symbol('odd'), origin: api },
  ]) {
    expect(match(odd as unknown as URL)).toBeNull()
  }
  expect(recorder().calls).toEqual([])
})
