import type { ServerReport } from '../wire.ts'
import { find, show } from './find.ts'

export function showServers({ api, provider }: ServerReport): void {
  show('server-trouble', '')
  show('server-refreshes', provider.refreshes)
  show('server-granted', provider.granted)
  show('server-revocations', provider.revocations)
  show('server-requests', api.answered + api.refused)

  showNought('server-reused', provider.reused)
  showNought('server-expired', api.expired)
  showNought('server-anonymous', api.anonymous)
}

/** A number that the library keeps at nought. */
function showNought(id: string, count: number): void {
  show(id, count)
  find(id, HTMLElement).dataset.kept = String(count === 0)
}
