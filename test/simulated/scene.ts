import type { Refresher, Session, SessionEnd, SessionEvents, SessionState, TokenResponse } from 'latchkey'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { type Insides, openWorld, type Tab, type World, type WorldOptions } from '../../src/testing/world.ts'
import { isSecret, overseen, type Sightings, sightings } from '../sightings.ts'

export interface Scene<Tabs extends number> extends Insides {
  readonly world: World<Tabs>
  readonly tabs: World<Tabs>['tabs']
  readonly advance: World['advance']
  /** Listens from the start of the scene. */
  readonly earOf: (tab: Tab) => Ear
}

/** What the listeners of one session have heard, in order. */
export interface Ear {
  readonly ended: SessionEnd[]
  readonly expired: SessionEnd[]
  readonly refreshed: SessionEvents['refreshed'][]
  readonly signedIn: SessionEvents['signed-in'][]
  readonly states: SessionState[]
  /** All of them, each by its name and the session that it is about. */
  readonly order: { readonly type: 'signed-in' | 'refreshed' | 'ended'; readonly sessionId: string }[]
}

/** `see`: is shown all that must bear no token. */
export function scene<const Tabs extends number = 1>(
  options: WorldOptions<Tabs> = {},
  { see }: Pick<Sightings, 'see'> = sightings(),
): Scene<Tabs> {
  const { world, insides } = openWorld({ seed: 1, ...options }, (session) => overseen(session, see))
  see('message', insides.browser.messages) // these grow with the scene
  see('URL', insides.server.urls)
  const ears = new Map<Tab, Ear>()
  for (const tab of world.tabs as readonly Tab[]) ears.set(tab, listenTo(tab.session))
  return Object.assign(insides, { world, tabs: world.tabs, advance: world.advance, earOf: (tab: Tab) => ears.get(tab) as Ear })
}

export function listenTo(session: Session): Ear {
  const ear: Ear = { ended: [], expired: [], refreshed: [], signedIn: [], states: [], order: [] }
  session.onSessionEnded((end) => ear.ended.push(end))
  session.onSessionExpired((end) => ear.expired.push(end))
  session.on('refreshed', (news) => ear.refreshed.push(news))
  session.on('signed-in', (news) => ear.signedIn.push(news))
  session.subscribe((state) => ear.states.push(state))
  for (const type of ['signed-in', 'refreshed', 'ended'] as const) session.on(type, ({ sessionId }) => ear.order.push({ type, sessionId }))
  return ear
}

/** How a promise came out: its value, or the `code`, or else the name, of what it was rejected with; and after how long. */
export interface Result {
  value: unknown
  error: unknown
  code: string | null
  took: number
}

/** Moves time until `work` has settled. */
export async function settled(
  { advance, now }: Pick<Scene<number>, 'advance' | 'now'>,
  work: Promise<unknown>,
  limit = 60_000,
  step = 50,
): Promise<Result> {
  const begun = now()
  const watched = watch(work, now)
  await advance(0)
  while (!watched.result && now() - begun < limit) await advance(step)
  if (!watched.result) throw new Error(`Still pending after ${limit} ms.`)
  return { ...watched.result, took: watched.result.took - begun }
}

/** `result`: as soon as there is one. `took` is the moment at which there was. */
export function watch(work: Promise<unknown>, now: () => number): { result: Result | null } {
  const watched: { result: Result | null } = { result: null }
  work.then(
    (value) => {
      watched.result = { value, error: null, code: null, took: now() }
    },
    (error: { code?: unknown; name?: string }) => {
      watched.result = {
        value: undefined,
        error,
        code: typeof error?.code === 'string' ? error.code : (error?.name ?? 'unknown'),
        took: now(),
      }
    },
  )
  return watched
}

/** A call that a signed-in user's page makes. */
export const callFrom = ({ session }: { readonly session: Session }, url = 'https://server.test/me'): Promise<number> =>
  session.fetch(url).then(({ status }) => status)

/** Random delays everywhere, as of slow disks and busy machines: from the seed alone. */
export function roughen({ browser }: Pick<Insides, 'browser'>, seed: number, { store = 20, message = 20, lock = 5 } = {}): () => number {
  const random = seededRandom(seed ^ 0x5bd1e995)
  browser.behaviour.storeDelay = () => random() * store
  browser.behaviour.messageDelay = () => random() * message
  browser.behaviour.lockDelay = () => random() * lock
  return random
}

/** The record as it lies in the store. */
export const storedIn = ({ browser }: Pick<Insides, 'browser'>): Stored | null =>
  JSON.parse(browser.records.values().next().value ?? 'null')

interface Stored {
  readonly session: string
  readonly generation: number
  readonly fence: number
  readonly status: 'active' | 'ended'
  readonly reason?: string
  readonly claim?: { readonly owner: string; readonly locked: boolean } | null
  readonly grant?: { readonly refreshToken: string | null }
}

/** As many as LATCHKEY_SEEDS says. */
export const seeds = (count: number): readonly number[] =>
  Array.from({ length: Number(process.env.LATCHKEY_SEEDS ?? count) }, (_, index) => index + 1)

export const seconds = (count: number) => count * 1_000
export const minutes = (count: number) => count * 60_000
export const hours = (count: number) => count * 3_600_000

/** A refresher that answers as the test says, call by call, and keeps what it was asked. */
export interface Scripted {
  readonly refresher: Refresher
  readonly asked: { readonly at: number; readonly token: string | null }[]
  readonly revoked: (string | null)[]
  /** What the next refreshes come to, and after how long. With nothing left here: new tokens, at once. */
  readonly answers: { readonly after: number; readonly give: TokenResponse | Error | 'nothing' }[]
  /** Set it to the scene that it plays in. */
  stage: Pick<Insides, 'browser' | 'now'> | null
}

export function scripted(overrides: Partial<Refresher> = {}): Scripted {
  let made = 0
  const script: Scripted = {
    asked: [],
    revoked: [],
    answers: [],
    stage: null,
    refresher: {
      id: 'scripted',
      async refresh({ refreshToken }) {
        const stage = script.stage!
        script.asked.push({ at: stage.now(), token: refreshToken })
        const { after, give } = script.answers.shift() ?? { after: 0, give: tokens(`given-${++made}`) }
        if (give === 'nothing') return new Promise(() => {})
        await pause(stage, after)
        if (give instanceof Error) throw give
        return give
      },
      async revoke({ refreshToken }) {
        script.revoked.push(refreshToken)
      },
      ...overrides,
    },
  }
  return script
}

/** Tokens as a server gives them, told apart by name. */
export const tokens = (name: string, more: Partial<TokenResponse> = {}): TokenResponse => ({
  access_token: isSecret(`access-${name}`),
  refresh_token: isSecret(`refresh-${name}`),
  expires_in: 300,
  ...more,
})

/** Simulated time, for what a test's own server or store takes. */
export function pause({ browser }: Pick<Insides, 'browser'>, span: number): Promise<void> {
  const { clock } = browser.openTab(() => Promise.reject(new Error('No network here.'))).ports('pause')
  return new Promise((resolve) => void clock.wakeAt(clock.now().wall + span, resolve))
}

/** Somebody else on the origin takes the lock; gives what lets it go. */
export async function takeLock(s: Pick<Scene<number>, 'browser' | 'advance' | 'now'>, name = 'https://server.test'): Promise<() => void> {
  const { lock } = s.browser.openTab(() => Promise.reject(new Error('No network here.'))).ports(name)
  return (await settled(s, lock.acquire(new AbortController().signal))).value as () => void
}

/** Moves time on, little by little, until `happened`. */
export async function until(s: Pick<World, 'advance'>, happened: () => unknown, step = 10, limit = 600_000): Promise<void> {
  for (let gone = 0; !happened(); gone += step) {
    if (gone > limit) throw new Error('It never happened.')
    await s.advance(step)
  }
}
