import type { ControlRequest, ServerReport } from '../wire.ts'
import { show } from './find.ts'

const rhythm = 1000

/** The demo's servers, seen from the page: what they count, and the knobs they have. */
export interface ServerControl {
  send(request: ControlRequest): Promise<void>
  /** Calls `listener` with every report, about once a second while the page is visible. */
  listen(listener: (report: ServerReport) => void): void
}

export function controlServers(): ServerControl {
  const listeners: ((report: ServerReport) => void)[] = []

  async function ask(init?: RequestInit): Promise<void> {
    const response = await fetch('/control', init)
    if (!response.ok) throw new Error(`The demo server answered ${response.status}.`)
    const report: ServerReport = await response.json() // from our own server
    for (const listener of listeners) listener(report)
  }

  setInterval(() => {
    if (document.visibilityState === 'visible')
      ask().catch(() => show('server-trouble', 'The demo server does not answer. Has it been stopped?'))
  }, rhythm)

  return {
    send: (request) => ask({ method: 'POST', body: JSON.stringify(request) }),
    listen: (listener) => {
      listeners.push(listener)
    },
  }
}
