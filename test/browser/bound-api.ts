import { text } from 'node:stream/consumers'
import { calculateJwkThumbprint, createRemoteJWKSet, EmbeddedJWK, jwtVerify } from 'jose'
import { onTestFinished } from 'vitest'
import { listen } from '../../demo/listen.ts'
import type { DemoProvider } from '../../demo/provider.ts'

export interface BoundApi {
  readonly origin: string
  /** The keys of the proofs that came with a good token, one for each call. */
  readonly callers: readonly string[]
  /** What was posted, in every attempt. */
  readonly posted: readonly string[]
  /** Calls that were asked for a nonce. */
  readonly nonceless: () => number
  /** Says so of the next token, whatever it is. */
  refuseOnce(): void
}

/** An API on an origin of its own that takes bound tokens only, with a nonce of its own in every proof, checked by another implementation of JOSE. */
export async function startBoundApi({ issuer, audience, jwksUri }: DemoProvider, appOrigin: string): Promise<BoundApi> {
  const web = await listen(0)
  onTestFinished(() => web.close())
  const keys = createRemoteJWKSet(new URL(jwksUri))
  const callers: string[] = []
  const posted: string[] = []
  const seen = new Set<unknown>()
  let noncesAsked = 0
  let refusing = false
  web.serve(async (request, response) => {
    const { method = '', url = '', headers } = request
    const cors = {
      'Access-Control-Allow-Origin': appOrigin,
      'Access-Control-Allow-Headers': 'authorization, dpop',
      'Access-Control-Expose-Headers': 'WWW-Authenticate, DPoP-Nonce',
      'DPoP-Nonce': 'of-the-api',
    }
    if (method === 'OPTIONS') return void response.writeHead(204, cors).end()
    if (method === 'POST') posted.push(`${headers['content-type']} ${headers['content-length']} ${await text(request)}`)
    const refuse = (error: string) => void response.writeHead(401, { ...cors, 'WWW-Authenticate': `DPoP error="${error}"` }).end()
    try {
      const { payload: proof, protectedHeader } = await jwtVerify(String(headers.dpop), EmbeddedJWK, { typ: 'dpop+jwt' })
      if (proof.nonce !== 'of-the-api') {
        noncesAsked++
        return refuse('use_dpop_nonce')
      }
      const token = String(headers.authorization).replace(/^DPoP /, '')
      const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: 'at+jwt' })
      const thumbprint = await calculateJwkThumbprint(protectedHeader.jwk ?? {})
      const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url')
      const isRight =
        (payload.cnf as { jkt?: string } | undefined)?.jkt === thumbprint &&
        proof.ath === digest &&
        proof.htm === method &&
        proof.htu === web.origin + url.replace(/\?.*/, '') &&
        !seen.has(proof.jti)
      seen.add(proof.jti)
      if (!isRight) return refuse('invalid_dpop_proof')
      if (refusing) {
        refusing = false
        return refuse('invalid_token')
      }
      callers.push(thumbprint)
      response.writeHead(200, cors).end('for you')
    } catch {
      refuse('invalid_token')
    }
  })
  return {
    origin: web.origin,
    callers,
    posted,
    nonceless: () => noncesAsked,
    refuseOnce() {
      refusing = true
    },
  }
}
