// What one call costs, in µs. Runs in a page that is isolated from other origins, where clocks are finer.

import { createSession, memoryStore } from 'latchkey'

export interface CallCosts {
  readonly isolated: boolean
  readonly calls: number
  /** µs per call of each batch. */
  readonly batches: Readonly<Record<string, readonly number[]>>
}

const batchSize = 1_000
const warmUps = 15
const rounds = 60

const url = 'https://api.example.com/me'
const response = new Response()
const stub: typeof fetch = async () => response

async function measure(): Promise<CallCosts> {
  const session = createSession({
    attachTo: ['https://api.example.com'],
    refresh: () => Promise.reject(new Error('no refresh here')),
    store: memoryStore(),
    fetch: stub,
  })
  await session.signIn({ access_token: 'x'.repeat(800), expires_in: 3600, refresh_token: 'y' })
  localStorage.setItem('token', 'x'.repeat(800))

  const withToken = () => ({ Authorization: `Bearer ${localStorage.getItem('token')}` })
  const contestants: Record<string, () => unknown> = {
    'fetch stub': () => stub(url),
    'session.fetch': () => session.fetch(url),
    'fetch stub, init with headers': () => stub(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }),
    'session.fetch, init with headers': () =>
      session.fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' }),
    'fetch stub, token from localStorage': () => stub(url, { headers: withToken() }),
    'await of a promise': () => Promise.resolve(''),
    'session.getToken': () => session.getToken(),
    'localStorage.getItem': () => localStorage.getItem('token'),
    'performance.now': () => performance.now(),
    'new Request': () => new Request(url),
    'new AbortController': () => new AbortController().signal,
  }

  const names = Object.keys(contestants)
  const batches = Object.fromEntries(names.map((name) => [name, [] as number[]]))
  for (let round = -warmUps; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round + warmUps) % names.length] ?? ''
      const cost = await costOf(contestants[name] ?? (() => {}))
      if (round >= 0) batches[name]?.push(cost)
    }
  }
  localStorage.clear()
  session.close()
  return { isolated: crossOriginIsolated, calls: rounds * batchSize, batches }
}

async function costOf(call: () => unknown): Promise<number> {
  const began = performance.now()
  for (let done = 0; done < batchSize; done++) await call()
  return ((performance.now() - began) * 1000) / batchSize
}

Object.assign(window, { measure })
