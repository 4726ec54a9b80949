import type { Condition } from '../token-endpoint.ts'
import type { ServerSettings } from '../wire.ts'
import { clockOffset, setClockOffset } from './clock.ts'
import { show } from './find.ts'
import { cutNetwork, isCut } from './network.ts'
import type { ServerControl } from './server-control.ts'

const conditionHelp: Readonly<Record<Condition, string>> = {
  well: 'Answers at once.',
  slow: 'Rotates the refresh token at once and answers 3 s later.',
  failing: 'Answers 503 to everything. The session must outlive this.',
  unreachable: 'Cuts every connection before it has done anything. The session must outlive this, too.',
  'losing-answers':
    'Rotates the refresh token, then cuts the connection. Under strict rotation that costs the session, whatever the client does.',
}

/** The knobs that turn at the servers show what the servers say, so that all tabs agree about them. */
export function connectKnobs(servers: ServerControl): void {
  onChoice('lifetime', (value) => servers.send({ set: { accessTokenLifetime: Number(value) } }))
  onChoice('condition', (value) => servers.send({ set: { condition: value as Condition } })) // index.html has no others
  servers.listen(({ settings }) => showSettings(settings))

  onChoice('clock', (value) => setClockOffset(Number(value)))
  choose('clock', String(clockOffset()))

  onChoice('network', (value) => cutNetwork(value === 'cut'))
  const showNetwork = () => choose('network', isCut() ? 'cut' : 'up')
  for (const event of ['offline', 'online']) window.addEventListener(event, showNetwork)
  showNetwork()
}

function showSettings({ accessTokenLifetime, condition }: ServerSettings): void {
  choose('lifetime', String(accessTokenLifetime))
  choose('condition', condition)
  show('condition-help', conditionHelp[condition])
}

function onChoice(name: string, choose: (value: string) => unknown): void {
  for (const radio of radios(name)) radio.addEventListener('change', () => choose(radio.value))
}

function choose(name: string, value: string): void {
  for (const radio of radios(name)) radio.checked = radio.value === value
}

function radios(name: string): NodeListOf<HTMLInputElement> {
  return document.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`)
}
