import { reveal } from './core/secret.ts'
import type { Clock, Refresher } from './ports.ts'
import { outcomeOf, outcomeOfError } from './refresh/outcome.ts'
import type { Server } from './refresh-run.ts'

/** The authorization server, by way of the app's refresher: here tokens are revealed to be sent. `patience`: how long an answer is of use, in ms. */
export const serverOf = ({ refresh, revoke }: Refresher, fetch: typeof globalThis.fetch, clock: Clock, patience: number): Server => ({
  ask(refreshToken, { resource, scope }) {
    const waiting = new AbortController()
    return new Promise((resolve) => {
      const fail = (error: unknown) => resolve(outcomeOfError(error))
      const cancel = clock.wakeAt(clock.now().wall + patience, () => {
        waiting.abort()
        fail(waiting.signal.reason)
      })
      try {
        const request = {
          refreshToken: refreshToken && reveal(refreshToken),
          resource,
          scope,
          signal: waiting.signal,
          fetch,
          binding: null,
        }
        refresh(request).then(outcomeOf).then(resolve, fail).finally(cancel)
      } catch (error) {
        fail(error)
      }
    })
  },
  async revoke({ refreshToken, access }) {
    const accessTokens = Object.values(access).map(({ token }) => reveal(token))
    try {
      await revoke?.({ refreshToken: refreshToken && reveal(refreshToken), accessTokens, fetch, signal: AbortSignal.timeout(10_000) })
      return revoke !== undefined
    } catch {
      return false // best effort: the session is over here, whatever the server says
    }
  },
})
