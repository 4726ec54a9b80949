import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import type { APIRequestContext } from 'playwright-core'
import type { Glewlwyd } from '../../scripts/ensure-glewlwyd.ts'
import { freePort, type Program, startProgram } from './program.ts'

/** glewlwyd with one user, one public client, PKCE, and refresh tokens that are good for one use: a second one takes the chain along. */
interface AuthorizationServer {
  readonly issuer: string
  readonly clientId: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
  /** In the browser of `request`: the user has signed in there, and consented. */
  signIn(request: APIRequestContext): Promise<void>
  stop(): Promise<void>
}

const clientId = 'spa'
const user = { username: 'alice', password: 'pw-alice-1' }

export async function startGlewlwyd(glewlwyd: Glewlwyd, redirectUri: string): Promise<AuthorizationServer> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-glewlwyd-'))
  const started: Program[] = []
  const stop = async () => {
    for (const program of started) await program.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const database = join(folder, 'glewlwyd.db')
    const tables = new DatabaseSync(database)
    tables.exec(gunzipSync(await readFile(glewlwyd.schema)).toString())
    tables.close()
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const config = join(folder, 'glewlwyd.conf')
    await writeFile(config, configuration(glewlwyd, port, database))
    const program = startProgram(glewlwyd.program, ['--config-file', config], { stdio: 'ignore', env: glewlwyd.env })
    started.push(program)
    await Promise.race([untilReady(`${origin}/api/auth/`), program.ended])
    await setUp(origin, redirectUri)

    const issuer = `${origin}/api/oidc`
    return {
      issuer,
      clientId,
      tokenEndpoint: `${issuer}/token`,
      revocationEndpoint: `${issuer}/revoke`,
      async signIn(request) {
        const signedIn = await request.post(`${origin}/api/auth/`, { data: user })
        const granted = await request.put(`${origin}/api/auth/grant/${clientId}/`, { data: { scope: 'openid api' } })
        if (!signedIn.ok() || !granted.ok()) throw new Error('glewlwyd did not sign its user in.')
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Without `use_secure_connection`: 2.7.5 wants certificates where the key is present, even when it is false. */
function configuration({ root }: Glewlwyd, port: number, database: string): string {
  const modules = join(root, 'usr/lib/glewlwyd')
  const settings = {
    port,
    bind_address: '127.0.0.1',
    external_url: `http://127.0.0.1:${port}`,
    login_url: 'login.html',
    api_prefix: 'api',
    static_files_path: join(root, 'usr/share/glewlwyd/webapp/'),
    allow_origin: '*',
    allow_methods: 'GET, POST, PUT, DELETE, OPTIONS',
    allow_headers: 'Origin, X-Requested-With, Content-Type, Accept, Bearer, Authorization',
    expose_headers: 'Content-Encoding, Authorization',
    log_mode: 'console',
    log_level: 'ERROR',
    cookie_domain: '127.0.0.1',
    cookie_secure: 0,
    session_expiration: 2_419_200,
    session_key: 'GSESS',
    admin_scope: 'g_admin',
    profile_scope: 'g_profile',
    user_module_path: join(modules, 'user'),
    user_middleware_module_path: join(modules, 'user_middleware'),
    client_module_path: join(modules, 'client'),
    user_auth_scheme_module_path: join(modules, 'scheme'),
    plugin_module_path: join(modules, 'plugin'),
    hash_algorithm: 'SHA512',
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
  return `${lines.join('\n')}\ndatabase = { type = "sqlite3"; path = "${database}"; };\n`
}

async function untilReady(url: string): Promise<void> {
  const deadline = Date.now() + 30_000
  while (Date.now() < deadline) {
    if (await fetch(url).catch(() => null)) return
    await pause(20)
  }
  throw new Error('glewlwyd did not answer within half a minute.')
}

/** By its own administration, as one does it by hand. */
async function setUp(origin: string, redirectUri: string): Promise<void> {
  let cookie = ''
  const post = async (path: string, body: unknown) => {
    const headers = { 'Content-Type': 'application/json', cookie }
    const response = await fetch(`${origin}/api${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!response.ok) throw new Error(`glewlwyd refused to be set up: ${path} ${response.status} ${await response.text()}`)
    cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
  }
  await post('/auth/', { username: 'admin', password: 'password' }) // as its database comes
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await post('/mod/plugin/', {
    module: 'oidc',
    name: 'oidc',
    display_name: 'oidc',
    enabled: true,
    parameters: {
      iss: `${origin}/api/oidc`,
      'jwt-type': 'ecdsa',
      'jwt-key-size': '256',
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: publicKey.export({ type: 'spki', format: 'pem' }),
      'code-duration': 60,
      'access-token-duration': 300,
      'refresh-token-duration': 3_600,
      'refresh-token-rolling': true,
      'refresh-token-one-use': 'always',
      'allow-non-oidc': true,
      'auth-type-code-enabled': true,
      'auth-type-code-revoke-replayed': true,
      'auth-type-id-token-enabled': true,
      'auth-type-refresh-enabled': true,
      'pkce-allowed': true,
      'pkce-required': true,
      'pkce-required-public-client': true,
      'introspection-revocation-allowed': true,
      'introspection-revocation-allow-target-client': true,
      'subject-type': 'public',
      'jwks-show': true,
      'secret-type': 'public',
    },
  })
  await post('/scope/', { name: 'api', display_name: 'api', description: 'api', password_required: true, password_max_age: 0, scheme: {} })
  await post('/user/', { ...user, name: 'Alice', enabled: true, scope: ['api', 'openid', 'g_profile'] })
  await post('/client/', {
    client_id: clientId,
    name: clientId,
    confidential: false,
    enabled: true,
    redirect_uri: [redirectUri],
    authorization_type: ['code', 'refresh_token', 'delete_token'],
    scope: [],
  })
}
