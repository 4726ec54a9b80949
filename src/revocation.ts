import type { Unavailable } from './core/outcome.ts'
import { isSame } from './core/secret.ts'
import { after, left, type Ms } from './core/time.ts'
import type { Revocable, Tools } from './refresh-run.ts'
import { within } from './within.ts'

/** With pauses that grow to ten minutes, half an hour in all: then the token is kept no longer. */
const tries = 12
const longestPause: Ms = 600_000

/**
 * Revokes what a session had, unless its user has signed in again: a server may have one grant for a user and this client, and with a refresh
 * token all of it goes (RFC 7009 §2.1). A token that a server could not revoke for now is still good (§2.2.1, REQ-62): it is tried again, at once
 * when the network is back, until the session object is closed. Resolves with whether the server has confirmed it; where it cannot be reached,
 * with `false` without waiting for that. Never rejects.
 */
export const revoke = (of: Revocable, tools: Tools): Promise<boolean> => new Promise((tell) => void persist(of, tools, tell))

async function persist(
  { grant, subject }: Revocable,
  { policy, server, clock, state, now, look, change, note }: Tools,
  tell: (confirmed: boolean) => void,
): Promise<void> {
  let outcome: boolean | Unavailable = false
  for (let attempt = 1, isKnown = true; ; ) {
    const { held } = state()
    // A cookie is that of whoever has signed in since, and some servers give the same token again.
    const isSpared =
      held.kind === 'signed-in' &&
      ((subject !== null && held.record.subject === subject) || isSame(held.record.grant.refreshToken, grant.refreshToken))
    if (isSpared) {
      if (held.record.grant.binding !== grant.binding) server.forget(grant)
      return tell(false)
    }
    if (isKnown) {
      outcome = await server.revoke(grant, subject)
      note({ type: 'revocation', confirmed: outcome === true })
    }
    if (typeof outcome === 'boolean' || attempt === tries) return tell(outcome === true)
    const { answered, wait } = outcome
    if (!answered) tell(false)
    const { onlineAt } = state()
    const due = after(now(), Math.min(Math.max(500 * 2 ** attempt, wait ?? 0), longestPause))
    const isEarly = () => left(due, now()) > 0 && (answered || state().onlineAt === onlineAt)
    while (!state().closed && isEarly()) await within(clock, left(due, now()), change())
    if (left(due, now()) <= 0) attempt++ // a network that comes and goes uses up none
    // As long as it is not known who is signed in, it waits.
    isKnown = await look().then(
      () => !(policy.cookie && state().refreshing),
      () => false,
    )
    if (state().closed) return tell(false)
  }
}
