import { inspect } from 'node:util'
import type { Session } from 'latchkey'
import { tokenMark } from '../src/testing/test-server.ts'

/** Where no token may ever be seen. */
type Place = 'console' | 'error' | 'event' | 'message' | 'URL'

/** What one scene, or one test, has let out. */
export interface Sightings {
  readonly see: (place: Place, value: unknown) => void
  /** The places at which a token was seen, and the beginning of what was there. */
  readonly leaks: () => readonly string[]
}

const watched = new Set<() => readonly string[]>()
const tokens = new Set<string>([tokenMark])

/** From now on nothing that says this may be seen anywhere. */
export function isSecret<Token extends string>(token: Token): Token {
  tokens.add(token)
  return token
}

/** All that the test has let out so far; then it is forgotten. */
export function leaksSoFar(): readonly string[] {
  const found = [...watched].flatMap((leaks) => leaks())
  watched.clear()
  tokens.clear()
  tokens.add(tokenMark)
  return found
}

export function sightings(): Sightings {
  const seen: (readonly [Place, unknown])[] = []
  const leaks = () => seen.filter(([, value]) => isLeak(value)).map(([place, value]) => `${place}: ${inspect(value).slice(0, 300)}`)
  watched.add(leaks)
  return { see: (place, value) => void seen.push([place, value]), leaks }
}

/** A quick look, by what JSON and `String` make of it: for scenes that are made by the thousand. */
export const isLeakAtAGlance = (those: readonly unknown[]): boolean => holdsToken(JSON.stringify(those) + those.map(String))

const holdsToken = (text: string): boolean => [...tokens].some((token) => text.includes(token))

const isLeak = (value: unknown): boolean => ways.some((print) => holdsToken(print(value)))

/** How people print things. An error in JSON is what an error tracker makes of it: its message, its stack and those of its causes, too. */
const ways: readonly ((value: unknown) => string)[] = [
  (value) => inspect(value, { depth: 9, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null }),
  (value) => JSON.stringify(value) ?? '',
  (value) => trackedText(value),
]

const trackedText = (value: unknown): string =>
  value instanceof Error ? `${value} ${value.message} ${value.stack} ${JSON.stringify(value)} ${trackedText(value.cause)}` : String(value)

/** The same session, which shows what it lets out: events, states, and the errors of its promises. */
export function overseen(session: Session, see: Sightings['see']): Session {
  for (const type of ['signed-in', 'refreshed', 'expired', 'ended', 'diagnostic'] as const) session.on(type, (event) => see('event', event))
  session.subscribe((state) => see('event', state))
  const watch = <Work extends Promise<unknown>>(work: Work): Work => {
    work.then(undefined, (error: unknown) => see('error', error))
    return work
  }
  return Object.freeze<Session>({
    ...session,
    get state() {
      return session.state
    },
    fetch: (input, init) => watch(session.fetch(input, init)),
    getToken: (options) => watch(session.getToken(options)),
    refresh: (options) => watch(session.refresh(options)),
    signIn: (input, options) => watch(session.signIn(input, options)),
    signOut: (options) => watch(session.signOut(options)),
  })
}
