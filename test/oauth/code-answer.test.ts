import { oauth } from 'latchkey/oauth'
import { expect, test } from 'vitest'
import { json } from '../fetch/listen.ts'
import { codeAnswered } from './dpop-scene.ts'
import { scriptedProvider, wellKnown } from './scripted-provider.ts'

test.each([
  { refresh_token: null },
  { refresh_token: '' },
  { scope: null },
  { scope: '' },
  { id_token: null },
  { expires_in: null },
  { expires_in: '' },
  { expires_in: '3600' },
  { expires_in: 0 },
  { token_type: undefined },
])('F50: a code that is answered with %j signs in: it is spent, and a refresh would go on', async (odd) => {
  const { issuer, says } = await scriptedProvider()
  says.metadata = () => json({ ...wellKnown(issuer), authorization_response_iss_parameter_supported: false })
  says.token = () => json({ access_token: 'access-1', token_type: 'Bearer', expires_in: 300, refresh_token: 'refresh-1', ...odd })
  expect(await codeAnswered(oauth({ issuer, clientId: 'spa', scope: 'files' }))).toMatchObject({ claims: null })
})
