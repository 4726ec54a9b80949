import type { Rotation } from '../../src/testing/test-server.ts'
import { type Failure, type Tokens, tokensOf } from './live-tab.ts'

/** What the server knows: by user, the number of the refresh token that is good. */
export interface ServerState {
  readonly good: Readonly<Record<string, number>>
  readonly revoked: readonly string[]
  readonly grants: number
  /** Refresh tokens that it has refused. */
  readonly refused: readonly string[]
}

export const newServer: ServerState = { good: { one: 0, two: 0 }, revoked: [], grants: 0, refused: [] }

export const userOf = (token: string | null): string => token?.split('.')[0] ?? ''

/** Takes a refresh. `grace` knows no time: the token spent last always gets its successor again, so that only the order of things counts. */
export function takeRefresh(
  server: ServerState,
  rotation: Rotation,
  token: string | null,
  time: number,
): { readonly server: ServerState; readonly answer: Tokens | Failure } {
  const user = userOf(token)
  const number = Number(token?.split('.')[1])
  const good = server.good[user] ?? -1
  const revoked = server.revoked.includes(user)
  const access = `${server.grants + 1}@${time}`
  if (!revoked && (number === good || (rotation === 'grace' && number === good - 1))) {
    const next = rotation === 'static' ? good : number + 1
    return {
      server: { ...server, grants: server.grants + 1, good: { ...server.good, [user]: next } },
      answer: tokensOf(user, rotation === 'static' ? null : next, access),
    }
  }
  return {
    server: {
      ...server,
      revoked: revoked ? server.revoked : [...server.revoked, user].sort(),
      refused: [...new Set([...server.refused, token ?? ''])].sort(),
    },
    answer: { failure: 'refused' },
  }
}

/** Is it the token that the session goes on with? */
export const isGood = ({ good, revoked }: ServerState, token: string | null): boolean =>
  !revoked.includes(userOf(token)) && Number(token?.split('.')[1]) === good[userOf(token)]

/** Only the token that is good revokes: what a client revokes shall be what it was given last. */
export const takeRevocation = (server: ServerState, token: string | null): ServerState =>
  isGood(server, token) ? { ...server, revoked: [...server.revoked, userOf(token)].sort() } : server
