import type { Ms } from './time.ts'
import type { Issued } from './tokens.ts'

/** How a refresh came out. */
export type Outcome =
  /** `isOther`: to somebody else than it was asked for. */
  | { readonly type: 'granted'; readonly issued: Issued; readonly isOther?: boolean }
  /** The server refuses the refresh token for good. */
  | { readonly type: 'rejected'; readonly cause: unknown }
  | Unavailable

/** For now. `answered`: the server spoke, and the token was not spent; `wait`: what it asked for; `denied`: it is about the resource or scope alone. */
export interface Unavailable {
  readonly type: 'unavailable'
  readonly answered: boolean
  readonly wait: Ms | null
  readonly cause: unknown
  readonly denied?: boolean
}
