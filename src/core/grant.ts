import { backOff } from './back-off.ts'
import { clockGrain } from './lifetime.ts'
import { type ActiveRecord, type Grant, type Lifetime, recordVersion } from './record.ts'
import { reveal } from './secret.ts'
import { keyOf, type Policy, type Want } from './state.ts'
import type { Moment, Ms, Now } from './time.ts'
import type { Issued } from './tokens.ts'

/** The record of a session that begins. Its generation and fence are settled where it is written. */
export const arrival = (
  session: string,
  generation: number,
  subject: string | null,
  issuer: string,
  issued: Issued,
  now: Moment,
): ActiveRecord => {
  // What an app has kept for a while before it signed in with it.
  const { sent = now, sessionLasts, sessionExpiry, authAge } = issued
  const kept = now.mono - sent.mono
  return {
    version: recordVersion,
    session,
    generation,
    fence: 0,
    subject: subject ?? issued.subject,
    told: issued.subject,
    bounds: {
      signedInAt: now.wall,
      lasts: sessionLasts === null ? null : Math.max(sessionLasts - kept, 0),
      expiry: sessionExpiry,
      age: (authAge ?? 0) + kept,
    },
    issuer,
    status: 'active',
    claim: null,
    retry: null,
    grant: grantOf(issued, sent, generation, '', sessionLasts, issued.binding),
  }
}

/** What a refresh brings; and whose session it is, where the answer says another than was known. */
export type Renewal = Pick<ActiveRecord, 'grant' | 'retry'> & Partial<Pick<ActiveRecord, 'session' | 'subject' | 'told' | 'bounds'>>

/** What a refresh of `of` has brought. */
export function renewal(
  of: ActiveRecord,
  want: Want,
  issued: Issued,
  sent: Moment,
  now: Now,
  newId: () => string,
  { cookie }: Pick<Policy, 'cookie'>,
): Renewal {
  const key = keyOf(want)
  const { signedInAt, lasts: bound } = of.bounds
  const last = of.grant.access[key]
  // A token of no use, or the one that was to be replaced, with no less of a life than it had: asking again gives it again (F25).
  const { lasts, subject, sessionExpiry: expiry } = issued
  const text = reveal(issued.accessToken)
  const isSame = last && text && reveal(last.token) === text && (lasts ?? Infinity) >= (last.life?.lasts ?? 0)
  // Its life was over on the way: the next may be quicker; the one after that, not for the asking alone.
  const late = backOff(of.retry, now, false)
  const isLate = (lasts ?? Infinity) * 0.9 <= now.mono - sent.mono
  // A cookie may have become another user's, who has signed in on a page of the server: that is another session (F10). Who was unknown counts
  // as another, unless there are tokens: an app signs in with those, and may call their user as it likes, or not at all.
  const isAnothers = cookie && !key && subject && subject !== (text ? (of.told ?? subject) : of.subject)
  const left = isAnothers ? null : bound && Math.max(bound - (sent.wall - signedInAt), 0)
  // An ID token that is sent along again says how much was left when it was made.
  const told = expiry && expiry === of.bounds.expiry ? null : issued.sessionLasts
  return {
    retry: isSame || lasts === 0 ? backOff(of.retry, now, true, null, 40_000) : isLate ? { ...late, wait: of.retry ? late.wait : 0 } : null,
    grant: {
      ...grantOf(issued, sent, of.generation + 1, key, told ?? left, of.grant.binding),
      ...(issued.flaw && last && !isAnothers && { access: {} }), // the one before may still be good
    },
    ...(told !== null && { bounds: { ...of.bounds, lasts: Math.max(sent.wall - signedInAt, 0) + told, expiry } }),
    ...(cookie && !key && subject && { told: subject }),
    ...(of.subject === null && subject && { subject }),
    ...(isAnothers && { subject, session: newId(), bounds: { signedInAt: sent.wall, ...(told !== null && { lasts: told, expiry }) } }),
  }
}

const grantOf = (
  { accessToken, lasts, refreshToken, refreshLasts, scope, isBound }: Issued,
  sent: Moment,
  generation: number,
  key: string,
  bound: Ms | null | undefined,
  binding: string | null | undefined,
): Grant => ({
  refreshToken,
  binding,
  refreshLife: life(sent, refreshLasts, bound),
  access: { [key]: { token: accessToken, life: life(sent, lasts, bound), scope, generation, binding: isBound ? binding : null } },
})

/** Nothing outlasts the bound of its session, but for the second in which limits end it in their own name. */
function life({ wall }: Moment, lasts: Ms | null, bound: Ms | null | undefined): Lifetime | null {
  const span = Math.min(lasts ?? Infinity, typeof bound === 'number' ? bound + clockGrain : Infinity)
  return span < Infinity ? { from: wall, lasts: span } : null
}
