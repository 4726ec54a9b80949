/** The arguments of one call of `fetch`. */
export type Shape = (url: string) => Parameters<typeof fetch>

/** Every way in which apps hand a request to `fetch` (F78). */
export const shapes: Readonly<Record<string, Shape>> = {
  'a string': (url) => [url],
  'a URL': (url) => [new URL(url)],
  'a relative string': (url) => [new URL(url).pathname],
  'a Request': (url) => [new Request(url)],
  'a Request with headers': (url) => [new Request(url, { headers: { 'X-Name': 'in the request' } })],
  'a Request and an init with a method': (url) => [new Request(url, { headers: { 'X-Name': 'in the request' } }), { method: 'DELETE' }],
  'a Request and an init with headers': (url) => [
    new Request(url, { headers: { 'X-Name': 'in the request', 'X-Other': 'gone' } }),
    { headers: { 'X-Name': 'in the init' } },
  ],
  'a Request with a body': (url) => [
    new Request(url, { method: 'POST', body: 'in the request', headers: { 'Content-Type': 'text/x-mine' } }),
  ],
  'headers as an object': (url) => [url, { headers: { 'X-Name': 'object', 'Content-Type': 'text/x-mine' }, method: 'PUT', body: 'text' }],
  'headers as Headers': (url) => [url, { headers: new Headers({ 'X-Name': 'Headers' }) }],
  'headers as pairs': (url) => [
    url,
    {
      headers: [
        ['X-Name', 'one'],
        ['X-Name', 'two'],
      ],
    },
  ],
  'an Authorization of its own': (url) => [url, { headers: { authorization: 'Basic bWU6bWU=' } }],
  'an Authorization of its own in a Request': (url) => [new Request(url, { headers: { Authorization: 'Basic bWU6bWU=' } })],
  'a method in lower case': (url) => [url, { method: 'post', body: 'text' }],
  JSON: (url) => [url, { method: 'POST', body: JSON.stringify({ a: 1 }), headers: { 'Content-Type': 'application/json' } }],
  URLSearchParams: (url) => [url, { method: 'POST', body: new URLSearchParams({ a: '1', b: 'ü' }) }],
  'a signal, credentials and keepalive': (url) => [
    url,
    { method: 'POST', body: 'text', signal: new AbortController().signal, credentials: 'omit', keepalive: true },
  ],
  'a Request with a signal that the init takes off': (url) => [new Request(url, { signal: AbortSignal.abort() }), { signal: null }],
  'a cache, a mode and a redirect': (url) => [url, { cache: 'no-store', mode: 'same-origin', redirect: 'error' }],
  'a Request with a referrer': (url) => [new Request(url, { referrer: '/from', referrerPolicy: 'origin' })],
  'a Request with a referrer, and an empty init': (url) => [new Request(url, { referrer: '/from', referrerPolicy: 'same-origin' }), {}],
  'a Request that says nothing of its referrer, and an init with which it forgets that': (url) => [
    new Request(url, { referrer: '', referrerPolicy: 'no-referrer' }),
    { credentials: 'include' },
  ],
  'a Request with a body and keepalive, and an init': (url) => [
    new Request(url, { method: 'POST', body: 'in the request', keepalive: true }),
    { priority: 'low' },
  ],
  FormData: (url) => {
    const body = new FormData()
    body.append('name', 'ä')
    return [url, { method: 'POST', body }]
  },
  'a Request as init': (url) => [url, new Request(url, { method: 'DELETE', headers: { 'X-Name': 'in the init' } })],
}

export type Body = () => RequestInit

/** Bodies that can be sent twice (F77). */
export const bodies: Readonly<Record<string, Body>> = {
  'a string': () => ({ body: 'ä string' }),
  URLSearchParams: () => ({ body: new URLSearchParams({ name: 'ä', other: '1' }) }),
  'FormData with a file': () => {
    const body = new FormData()
    body.append('name', 'ä')
    body.append('file', new File([new Uint8Array(5000).fill(7)], 'seven.bin'))
    return { body }
  },
  'a Blob': () => ({ body: new Blob([new Uint8Array(5000).fill(7)], { type: 'application/x-seven' }) }),
  'an ArrayBuffer': () => ({ body: new Uint8Array([0, 1, 2, 254, 255]).buffer }),
}
