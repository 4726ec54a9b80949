import type { Outcome } from './core/outcome.ts'
import type { Grant } from './core/record.ts'
import { reveal, type Secret } from './core/secret.ts'
import type { Refresher, RefreshFunction } from './ports.ts'
import { outcomeOf, outcomeOfError } from './refresh/outcome.ts'
import type { Server } from './refresh-run.ts'
import { attempt } from './shared-record.ts'

/**
 * The authorization server, by way of the app's refresher: here tokens are revealed to be sent. `tokenless`: it gives none away; `patience`: how
 * long an answer is of use, in ms; `report`: told what fails in a strategy's own affairs, which stops nothing here.
 */
export function serverOf(
  refresher: Refresher,
  refresh: RefreshFunction,
  tokenless: boolean,
  fetch: typeof globalThis.fetch,
  patience: number,
  failed: (cause: unknown) => void,
  report: (error: unknown) => void,
): Server {
  const aside = (task: () => void) => void attempt(async () => task()).catch(report)
  const forget = ({ binding }: Pick<Grant, 'binding'>) => {
    if (binding) aside(() => refresher.forget?.(binding))
  }
  return {
    forget,
    prepare: () => aside(() => refresher.prepare?.(fetch)),
    async ask(grant, { resource, scope }, subject): Promise<Outcome> {
      const signal = AbortSignal.timeout(patience)
      let outcome: Outcome | undefined
      try {
        const { refreshToken = null, binding = null } = grant ?? {}
        const returned = await refresh({ refreshToken: shown(refreshToken), resource, scope, signal, fetch, binding })
        outcome = await outcomeOf(returned, tokenless)
        if (outcome.type === 'granted' && refresher.isSameUser?.(returned, subject) === false) outcome = { ...outcome, isOther: true }
      } catch (error) {
        outcome ??= outcomeOfError(error) // a question that fails loses no token (REQ-49)
      }
      if (outcome.type !== 'granted') failed(outcome.cause)
      return outcome
    },
    async revoke(grant, subject) {
      const { refreshToken, access } = grant
      forget(grant)
      const accessTokens = Object.values(access).map(({ token }) => reveal(token))
      try {
        await refresher.revoke?.({ refreshToken: shown(refreshToken), accessTokens, subject, fetch, signal: AbortSignal.timeout(10_000) })
        return refresher.revoke !== undefined
      } catch (error) {
        const outcome = outcomeOfError(error)
        const { status = 0 }: Partial<Response> = Object(error)
        // 429 and 5xx: who answers anything else will not answer otherwise in a minute.
        return outcome.type === 'unavailable' && (!outcome.answered || status >= 429) && outcome
      }
    },
  }
}

const shown = (token: Secret | null): string | null => token && reveal(token)
