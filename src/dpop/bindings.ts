import { type AuthorizationServer, DPoP, type DPoPHandle, modifyAssertion } from 'oauth4webapi'
import { type ProofKey, proofKeys } from '../adapters/proof-keys.ts'
import { LatchkeyError } from '../errors.ts'
import { type ProofClock, proofClock } from './proof-clock.ts'

/** What the tokens of one session are bound to (RFC 9449). */
export interface Binding {
  readonly key: ProofKey
  readonly atProvider: Prover
  readonly atApis: Prover
}

/** Makes proofs of one key. */
export interface Prover {
  readonly handle: DPoPHandle
  /** By origin. Servers give them to a device, not to a key: with those of the key before, a new sign-in saves itself the demand. */
  readonly nonces: Map<string, string>
  /** As this, but for the one request that was given a nonce: of many that were sent together each has its own, which may be good once. */
  readonly given: (nonce: string | null) => Prover
}

/** One key for each session, shared by the tabs, for as long as the session lasts (REQ-93). */
export interface Bindings {
  /** For a sign-in: resolves with its thumbprint, or with `null` where it cannot be made, and we may do without. This page has it, until it is kept. */
  readonly make: (server: AuthorizationServer, isRequired: boolean) => Promise<string | null>
  /** For all tabs and the next page. Resolves with `false` where the browser refuses: then for this page. */
  readonly keep: (thumbprint: string) => Promise<boolean>
  /**
   * `null` if the browser has it no more: nothing can be proved any more, in no tab.
   * @throws LatchkeyError `refresh_unavailable` where the browser cannot be asked
   */
  readonly find: (thumbprint: string) => Promise<Binding | null>
  readonly forget: (thumbprint: string) => Promise<void>
  readonly clock: ProofClock
}

/** What all browsers can sign with, best first (REQ-95). */
const algorithms = ['ES256', 'Ed25519', 'EdDSA'] as const

export function bindings(): Bindings {
  const stored = proofKeys()
  const known = new Map<string, Promise<Binding | null>>()
  const clock = proofClock()
  /** Those of the provider and of the APIs are kept apart, even where they share an origin (REQ-89). */
  const [providerNonces, apiNonces] = [new Map<string, string>(), new Map<string, string>()]

  const bindingOf = (key: ProofKey): Binding => ({
    key,
    atProvider: proverOf(key, clock, providerNonces, false),
    atApis: proverOf(key, clock, apiNonces, true),
  })

  async function load(thumbprint: string): Promise<Binding | null> {
    const key = await stored.find(thumbprint).catch((cause) => {
      throw new LatchkeyError(
        'refresh_unavailable',
        'The browser did not give out the key that the session is bound to. Nothing was sent and the session stays; try again later.',
        { cause },
      )
    })
    return key ? bindingOf(key) : null
  }

  function find(thumbprint: string): Promise<Binding | null> {
    const asked = known.get(thumbprint) ?? load(thumbprint)
    const drop = () => known.delete(thumbprint)
    known.set(thumbprint, asked)
    asked.then((found) => found ?? drop(), drop)
    return asked
  }

  return {
    clock,
    async make({ dpop_signing_alg_values_supported: theirs }, isRequired) {
      const algorithm = algorithms.find((ours) => (theirs ? theirs.includes(ours) : isRequired))
      try {
        if (!algorithm)
          throw new Error('The provider knows no algorithm for DPoP that browsers can sign with (`dpop_signing_alg_values_supported`).')
        const pair = await stored.generate(algorithm)
        const thumbprint = await DPoP({}, pair).calculateThumbprint()
        known.set(thumbprint, Promise.resolve(bindingOf({ thumbprint, algorithm, pair })))
        return thumbprint
      } catch (error) {
        if (isRequired) throw error
        return null
      }
    },
    async keep(thumbprint) {
      const binding = await find(thumbprint)
      return (
        binding !== null &&
        stored.keep(binding.key).then(
          () => true,
          () => false,
        )
      )
    },
    find,
    async forget(thumbprint) {
      known.delete(thumbprint)
      await stored.remove(thumbprint).catch(() => {}) // then it was in memory only
    },
  }
}

const proverOf = (key: ProofKey, clock: ProofClock, nonces: Prover['nonces'], withToken: boolean, given: string | null = null): Prover => ({
  nonces,
  given: (nonce) => proverOf(key, clock, nonces, withToken, nonce),
  handle: DPoP({}, key.pair, {
    [modifyAssertion](header, payload) {
      const url = payload.htu as string // oauth4webapi has put it there, and the moment
      header.alg = key.algorithm
      payload.iat = (payload.iat as number) + clock.behind(url)
      payload.nonce = given || nonces.get(new URL(url).origin)
      if (!withToken) delete payload.ath
    },
  }),
})
