import type { Outcome } from '../../src/core/outcome.ts'
import type { Refresher, RefreshRequest, RevokeRequest } from '../../src/ports.ts'
import { outcomeOf, outcomeOfError } from '../../src/refresh/outcome.ts'

/** What a session asks a strategy with. */
export const asking = (overrides: Partial<RefreshRequest> = {}): RefreshRequest => ({
  refreshToken: 'refresh-1',
  resource: null,
  scope: null,
  signal: new AbortController().signal,
  fetch: globalThis.fetch,
  binding: null,
  ...overrides,
})

export const leaving = (overrides: Partial<RevokeRequest> = {}): RevokeRequest => ({
  refreshToken: 'refresh-1',
  accessTokens: ['access-1'],
  subject: null,
  signal: new AbortController().signal,
  fetch: globalThis.fetch,
  ...overrides,
})

/** What a session makes of it. */
export const outcome = ({ refresh, presents, send }: Refresher, request = asking()): Promise<Outcome> =>
  refresh(request).then((answer) => outcomeOf(answer, presents === 'cookie' && send !== undefined), outcomeOfError)
