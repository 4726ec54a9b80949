import type { DemoApi } from './api.ts'
import type { DemoProvider } from './provider.ts'
import { conditions } from './token-endpoint.ts'
import type { ControlRequest, ServerReport } from './wire.ts'

/** The knobs of the page that turn at the servers. */
export interface Control {
  readonly report: () => ServerReport
  /** Does what a page asks for. `false`: it asked for nothing that there is. */
  readonly obey: (request: unknown) => Promise<boolean>
}

export function createControl(provider: DemoProvider, api: DemoApi): Control {
  return {
    report: () => ({
      settings: { accessTokenLifetime: provider.settings.accessTokenLifetime, condition: provider.settings.condition },
      provider: provider.counters,
      api: api.counters,
    }),
    obey: async (asked) => {
      const request = parseRequest(asked)
      if (!request) return false
      if ('revoke' in request) await provider.revokeEverything()
      else Object.assign(provider.settings, request.set)
      return true
    },
  }
}

function parseRequest(body: unknown): ControlRequest | null {
  const { revoke, set } = fields(body)
  if (revoke === 'everything') return { revoke }

  const { accessTokenLifetime: lifetime, condition: wanted } = fields(set)
  const condition = conditions.find((known) => known === wanted)
  const goodLifetime = typeof lifetime === 'number' && Number.isInteger(lifetime) && lifetime > 0 && lifetime <= 3600
  if (goodLifetime) return { set: { accessTokenLifetime: lifetime } }
  return condition ? { set: { condition } } : null
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {} // every field is checked above
}
