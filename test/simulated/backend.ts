import { backendForFrontend } from 'latchkey/refresh'
import type { Tab, WorldOptions } from '../../src/testing/world.ts'
import { type Scene, scene, settled } from './scene.ts'

/** A backend for frontend on the scripted server's origin, and the one cookie that all tabs of the browser share. */
export interface Backend {
  /** Whose session the cookie is; `null`: there is no cookie, or it has run out. `undefined`: the backend does not say. */
  user: string | null | undefined
  /** Seconds; `null`: it does not say. */
  lasts: number | null
  /** What the backend does instead, once for each. */
  readonly instead: (() => Promise<Response>)[]
  /** Whom each call was answered for; `null`: refused. */
  readonly calls: (string | null)[]
  readonly counted: { asked: number; logouts: number; forged: number }
}

const origin = 'https://server.test'

export const api = `${origin}/api/me`

export const callFrom = ({ session }: Pick<Tab, 'session'>): Promise<number> => session.fetch(api).then(({ status }) => status)

/** Tabs whose session a backend keeps; signed in as `user`, unless told otherwise. */
export async function backendScene<const Tabs extends number = 1>(
  options: WorldOptions<Tabs> = {},
  user: string | null = 'ann',
): Promise<{ readonly s: Scene<Tabs>; readonly backend: Backend }> {
  const backend: Backend = { user, lasts: 300, instead: [], calls: [], counted: { asked: 0, logouts: 0, forged: 0 } }
  const refresh = backendForFrontend({ session: `${origin}/bff/session`, logout: `${origin}/bff/logout` })
  const s = scene({ ...options, session: { attachTo: [`${origin}/api`], refresh, ...options.session } })
  s.server.onRequest((request) => answer(backend, request))
  for (const { session } of s.tabs as readonly Tab[]) await settled(s, session.ready)
  return { s, backend }
}

async function answer(backend: Backend, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  const { counted } = backend
  if (request.headers.get('X-Requested-With') !== 'latchkey' || request.credentials !== 'include' || request.headers.has('Authorization')) {
    counted.forged++
    return Response.json({}, { status: 403 })
  }
  if (pathname === '/bff/session') {
    counted.asked++
    const { user, lasts } = backend
    return (
      backend.instead.shift()?.() ?? (user === null ? Response.json({}, { status: 401 }) : Response.json({ expires_in: lasts, sub: user }))
    )
  }
  if (pathname === '/bff/logout') {
    counted.logouts++
    backend.user = null
    return new Response(null, { status: 204 })
  }
  const of = backend.user ?? null
  backend.calls.push(of)
  return Response.json({ of }, { status: of ? 200 : 401 })
}
