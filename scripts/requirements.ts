/**
 * What stands between a requirement of docs/references.md and its whole. Whoever builds the rest of one deletes its line; a requirement that
 * neither a test names nor a line here explains is printed as not shown.
 */
export type Reservation =
  /** We do otherwise, and a record says why. */
  | { readonly kind: 'deviates'; readonly record: string; readonly reason: string }
  | { readonly kind: 'not yet'; readonly reason: string }
  | { readonly kind: 'does not apply'; readonly reason: string }

const deviates = (record: string, reason: string): Reservation => ({ kind: 'deviates', record, reason })
const notYet = (reason: string): Reservation => ({ kind: 'not yet', reason })
const doesNotApply = (reason: string): Reservation => ({ kind: 'does not apply', reason })

const where = '012-where-a-session-differs-from-the-standards.md'
const otherNumbers = '007-scenarios-with-other-numbers.md'
const bound = '014-dpop.md'
const stepUp = '016-step-up-signals-and-incidents.md'

export const reservations: Readonly<Record<string, Reservation>> = {
  'REQ-01': deviates(where, 'the default store keeps them on the device, sealed; `memoryStore()` does not'),
  'REQ-02': deviates(where, 'no store of ours does; one that an app brings is not asked where it keeps things'),
  'REQ-04': notYet('comes with the vault; until then a cookie strategy keeps the refresh token from the page'),
  'REQ-06': deviates(where, 'the default store persists, sealed; `memoryStore()` does not'),
  'REQ-08': doesNotApply('there is no mode in which a service worker holds tokens for pages'),
  'REQ-10': deviates(where, 'the functions of the platform are looked up when they are used'),
  'REQ-11': deviates(
    where,
    'the tombstone says whose it was, and the key that seals it stays; an ID token stays in memory for the provider’s sign-out',
  ),
  'REQ-12': deviates(where, 'a damaged record is discarded without an event of its own'),
  'REQ-13': deviates(where, 'on an http origin of a LAN a session lives in memory'),
  'REQ-18': deviates(where, 'a token that the app itself puts into an address is not warned of'),
  'REQ-19': deviates(where, 'a request with a credential of its own is left as it is; there is no event'),
  'REQ-21': deviates(where, 'a redirect off the list takes no token along; there is no event'),
  'REQ-24': deviates(where, 'asked for with `no-store`; an answer without it is not complained about'),
  'REQ-27': deviates(where, 'where an answer has no `expires_in`, `exp − iat` of a JWT is read'),
  'REQ-30': deviates(where, '`getToken` hands out an access token, for what is not fetch; nothing hands out a refresh token'),
  'REQ-32': deviates(where, 'one refresh, without a hint at what the server should expose'),
  'REQ-36': deviates(where, 'the caller gets the second 401; there is no event'),
  'REQ-38': deviates(where, 'the caller gets the 403; there is no event'),
  'REQ-42': deviates(where, '`invalid_client` and its like keep the session'),
  'REQ-45': deviates(where, 'the times in an ID token are compared with no clock, so no skew is too much'),
  'REQ-49': deviates('010-an-answer-for-somebody-else.md', '`auth_time` is not compared'),
  'REQ-50': deviates(where, '`exp` and `iat` are compared with no clock: the nonce ties the token to the sign-in'),
  'REQ-51': notYet('a scope that has become narrower is stored, and not announced'),
  'REQ-52': deviates(
    where,
    'one transaction, with the durability that the browser gives: a power cut may take it back, as it takes back an answer',
  ),
  'REQ-57': deviates(
    where,
    'told of as an end, in one tab as its own doing; the generation is in the diagnostics, and nothing says how old the token was',
  ),
  'REQ-58': deviates(where, 'the record of another provider is never sent elsewhere, and stays until nobody needs it'),
  'REQ-63': deviates(where, 'the app is told when the device is erased, and the server after that'),
  'REQ-66': deviates(where, 'no `state`: what comes back from a sign-out is not acted upon'),
  'REQ-67': deviates(where, '`signOut` revokes, and the app calls it before `logoutRedirect`'),
  'REQ-68': notYet('nothing is exported for it; docs/signing-out.md has a page to copy, and says where it cannot work'),
  'REQ-70': deviates(stepUp, 'no `sid` is compared: the backend tells the pages of the session that it is about'),
  'REQ-71': deviates(where, 'a tab that is alive writes a cleared record back'),
  'REQ-74': deviates('017-what-is-over-is-erased.md', 'what the same user has replaced is not revoked'),
  'REQ-75': notYet('nothing does it by itself; docs/signing-out.md has the line'),
  'REQ-76': deviates(where, 'no token is stored; what all tabs have agreed upon is'),
  'REQ-77': deviates(where, 'by default the access token is kept on the device, sealed; with `memoryStore()` it is not'),
  'REQ-79': deviates(where, 'the cookie is read at each request; a 403 is not asked about again, and no name is warned of'),
  'REQ-85': deviates(where, 'the guide says which cookie to set; there is no `diagnose()`'),
  'REQ-90': deviates(bound, 'the second demand for a nonce is the caller’s 401, not an error of its own'),
  'REQ-91': deviates(bound, 'the clock is put right when a proof is refused, and not measured ahead of that'),
  'REQ-92': deviates(bound, 'the error of the sign-in says it, and a refresh shows as trouble; there is no event'),
  'REQ-94': deviates(bound, 'never sent as Bearer: there is no `bearer-compat` for one resource'),
  'REQ-95': deviates(bound, 'ES256 and EdDSA; no RSA keys are made'),
  'REQ-101': deviates(where, 'the caller gets the 401; there is no event'),
  'REQ-102': deviates(stepUp, 'a stronger sign-in replaces the tokens of the session'),
  'REQ-105': deviates(where, 'a signal that nobody knows is ignored, without an event'),
  'REQ-106': deviates(where, 'the state says that somebody is signed in, and nothing of who is there'),
  'REQ-113': deviates(where, 'the guide says it; there is no `diagnose()`'),
  'REQ-117': deviates(where, 'a number of milliseconds, and a function to hand them to'),
  'REQ-119': notYet('nothing counts anomalies; docs/monitoring.md says which events to count'),
  'REQ-125': deviates(where, 'the claims of the record; there is no `diagnose()` that says so'),
  'REQ-127': deviates(where, 'who listens hears at once of what a refresh has brought, a moment before its lock is let go'),
  'REQ-128': deviates(otherNumbers, 'a fifth of a pause is left to chance, not all of it'),
  'REQ-132': deviates(where, 'a cold start after an eviction cannot be told from a first visit, and has no reason'),
  'REQ-134': notYet('nothing tells whether a frame is partitioned; two partitions are two sessions'),
}
