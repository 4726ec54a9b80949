import { createSession } from 'latchkey'
import { createApi } from 'latchkey/ky'
import { oauthRefresh } from 'latchkey/refresh'
import type { DemoConfig } from '../wire.ts'
import { showCalls } from './calls.ts'
import { followClockOffset, shiftClock } from './clock.ts'
import { showCountdown } from './countdown.ts'
import { onClick, show } from './find.ts'
import { connectKnobs } from './knobs.ts'
import type { Line } from './narrate.ts'
import { connectNetwork } from './network.ts'
import { clearProblem, showProblem } from './problem.ts'
import { createRelay } from './relay.ts'
import { controlServers } from './server-control.ts'
import { showServers } from './servers-view.ts'
import { showSession } from './session-view.ts'
import { beginSignIn, finishSignIn } from './sign-in.ts'
import { takeLetter } from './tabs.ts'
import { showTabs } from './tabs-view.ts'
import { showTimeline } from './timeline.ts'
import { witness } from './witness.ts'

shiftClock()
followClockOffset()
connectNetwork()
const tab = await takeLetter()
const config: DemoConfig = await fetch('/config.json').then((response) => response.json()) // from our own server
const relay = createRelay()
const servers = controlServers()
const timeline = showTimeline()

// What an app needs of Latchkey.
const { clientId, revocationEndpoint, tokenEndpoint } = config
const session = createSession({
  attachTo: [config.api],
  refresh: oauthRefresh({ tokenEndpoint, clientId, revocationEndpoint }),
})
const api = createApi(session, { baseUrl: `${config.api}/` })

// The rest shows what it does, and makes it hard.
const { noteRefreshing } = showSession(session)
const otherTab = showTabs(tab)
showCountdown(session)
showCalls(session, api)
connectKnobs(servers)
servers.listen(showServers)

witness(session, {
  say,
  noteGeneration: (generation) => show('generation', generation),
  noteRefreshing: (refreshing) => {
    noteRefreshing(tab, refreshing)
    relay.tell({ type: 'refreshing', tab, refreshing })
  },
})
relay.listen((message) => {
  if (message.type === 'said') timeline.add(message.tab, message.line)
  if (message.type === 'refreshing') noteRefreshing(message.tab, message.refreshing)
  if (message.type === 'sign-out-please' && message.tab === tab) session.signOut()
})

function say(line: Line): void {
  timeline.add(tab, line)
  relay.tell({ type: 'said', tab, line })
}

session.subscribe((state) => {
  if (state.status === 'signed-in' && !state.trouble) clearProblem() // it has passed
})
onClick('sign-in', () => beginSignIn(config))
onClick('switch-user', () => beginSignIn(config))
onClick('sign-out', () => session.signOut())
onClick('sign-out-elsewhere', () => {
  const other = otherTab()
  if (other) relay.tell({ type: 'sign-out-please', tab: other })
})
onClick('refresh-now', () => attempt(session.refresh()))
onClick('revoke', () => attempt(servers.send({ revoke: 'everything' })))
attempt(finishSignIn(config).then((tokens) => tokens && session.signIn(tokens)))

async function attempt(action: Promise<unknown>): Promise<void> {
  clearProblem()
  await action.catch(showProblem)
}

// For the browser's console, and for tests.
Object.assign(window, { latchkeyDemo: { session } })
