import type { Renewal } from './grant.ts'
import type { ActiveRecord, Claim, EndedRecord, EndReason, Retry, SessionRecord } from './record.ts'
import type { EpochMs, Now } from './time.ts'

/**
 * A change of the shared record, and what it names: it happens only to a record that still is what it names (protocol, rule 1).
 * - `claim`, `retry`: session, generation and fence
 * - `grant`: session and generation, whatever the fence; `anew` also where no record is left
 * - `end`: session and generation; or, where somebody wants it ended, the session only
 * - `sign-in`: nothing but that it is another session, or none that has gone on; the last one wins; or, where nobody wants it, that nothing has been written since
 * - `restore`: absence, or an older generation of the same session
 */
export type Write =
  | { readonly type: 'claim'; readonly of: ActiveRecord; readonly claim: Claim }
  | { readonly type: 'retry'; readonly of: ActiveRecord; readonly retry: Retry | null }
  | { readonly type: 'grant'; readonly of: ActiveRecord; readonly next: Renewal; readonly anew: boolean }
  | { readonly type: 'end'; readonly of: ActiveRecord; readonly reason: EndReason; readonly wanted: boolean; readonly answerLost?: boolean }
  | { readonly type: 'sign-in'; readonly of: ActiveRecord; readonly wanted: boolean }
  | { readonly type: 'restore'; readonly of: SessionRecord; readonly claim: Claim }

/** The record after `write`, or `null` if what was found is not what the write names. */
export function amend(found: SessionRecord | null, write: Write, now: Now): SessionRecord | null {
  const { of } = write
  const fence = found?.fence ?? Math.floor(now.chance * 2 ** 40) // after an eviction nobody knows how far the fences had come
  const active = found?.status === 'active' ? found : null
  const same = active?.session === of.session ? active : null
  switch (write.type) {
    case 'claim':
      return same?.generation === of.generation && fence === of.fence ? { ...same, fence: fence + 1, claim: write.claim } : null
    case 'retry':
      return same?.generation === of.generation && fence === of.fence ? { ...same, retry: write.retry, claim: null } : null
    case 'grant': {
      // An older generation of the session can only be what some tab has written back from its memory: the grant is newer.
      if (found ? !same || same.generation > of.generation : !write.anew) return null
      const { refreshToken, refreshLife, access } = write.next.grant
      const kept = (same ?? write.of).grant
      return {
        ...(same ?? write.of),
        ...write.next,
        generation: of.generation + 1,
        fence,
        claim: null,
        grant: {
          // What did not come with it stays: a refresh token (RFC 6749 §6, F52), what it is bound to, and this user's tokens for other resources.
          ...kept,
          refreshToken: refreshToken ?? kept.refreshToken,
          refreshLife: refreshLife ?? (refreshToken ? null : kept.refreshLife),
          access: { ...(write.next.session ? {} : kept.access), ...access },
        },
      }
    }
    case 'end':
      if (found ? !same || !(write.wanted || same.generation === of.generation) : !write.wanted) return null
      return endOf(same ?? write.of, write.reason, now.wall, write.answerLost)
    case 'sign-in':
      // A sealed sign-in that was given before, in another session object: what has become of it since stays.
      return (!write.wanted && (active || (found?.generation ?? 0) >= of.generation)) ||
        (found?.session === of.session && (found.generation > of.generation || (found.status === 'active' && found.claim)))
        ? null
        : { ...write.of, fence, generation: Math.max(found?.generation ?? 0, of.generation - 1) + 1 }
    case 'restore':
      if (found && (found.session !== of.session || found.generation >= of.generation)) return null
      return write.of.status === 'ended' ? write.of : { ...write.of, fence, claim: same?.claim ?? write.claim }
  }
}

export function endOf(
  { claim, retry, grant, ...kept }: ActiveRecord,
  reason: EndReason,
  endedAt: EpochMs,
  answerLost = false,
): EndedRecord {
  return { ...kept, generation: kept.generation + 1, status: 'ended', reason, endedAt, answerLost, binding: grant.binding }
}
