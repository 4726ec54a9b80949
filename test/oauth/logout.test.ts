import { isLatchkeyError } from 'latchkey'
import { logoutRedirect, oauth } from 'latchkey/oauth'
import { expect, test } from 'vitest'
import { scriptedProvider } from './scripted-provider.ts'

/** What the app is told, in the words of the error and of its cause. */
async function told(leaving: Promise<never>): Promise<readonly [message: string, cause: unknown]> {
  const error: unknown = await leaving.catch((thrown: unknown) => thrown)
  if (!isLatchkeyError(error, 'sign_in_failed')) throw error
  return [error.message, error.cause]
}

test('a sign-out page that cannot be found is not called a sign-in that failed', async () => {
  const script = await scriptedProvider()
  script.says.metadata = () => ({ status: 503 })
  const [message, cause] = await told(logoutRedirect(oauth({ issuer: script.issuer, clientId: 'spa' })))
  expect(message).toMatch(/sign-out page.*may still know the user.*later/)
  expect(message).not.toMatch(/sign-in|signed in/)
  expect(String(cause)).toMatch(/503/)
})

test('nor is one that is no https address', async () => {
  const metadata = { end_session_endpoint: 'http://login.example.com/logout' }
  const [message, cause] = await told(logoutRedirect(oauth({ issuer: 'https://login.example.com', clientId: 'spa', metadata })))
  expect(message).toMatch(/sign-out page/)
  expect(String(cause)).toMatch(/end_session_endpoint.*not an https URL/)
})

test('a provider without one is told from that', async () => {
  const provider = oauth({ issuer: 'https://login.example.com', clientId: 'spa', metadata: {} })
  expect(await told(logoutRedirect(provider))).toEqual([expect.stringMatching(/has no sign-out page/), undefined])
})
