// @vitest-environment happy-dom
import { createSession, type RefreshFunction } from 'latchkey'
import { expect, test } from 'vitest'

test('F61, REQ-69: from start to end, no element is made, least of all a frame; and a refusal is the end after one question', async () => {
  const made: string[] = []
  for (const name of ['createElement', 'createElementNS'] as const) {
    const make = document[name].bind(document) as (...given: unknown[]) => Element
    Object.assign(document, {
      [name]: (...given: unknown[]) => {
        made.push(given.join())
        return make(...given)
      },
    })
  }
  document.createElement('iframe')
  expect(made.splice(0)).toContain('iframe') // it would be noticed

  let asked = 0
  let refusing = false
  const refresh: RefreshFunction = async () => {
    asked++
    return refusing
      ? new Response('{"error":"invalid_grant"}', { status: 400 })
      : { access_token: `access-${asked}`, refresh_token: 'r', expires_in: 300 }
  }
  const session = createSession({
    attachTo: ['https://api.example.com'],
    refresh,
    fetch: async () => new Response('fine'),
  })
  const reasons: string[] = []
  session.onSessionEnded(({ reason }) => reasons.push(reason))
  await session.ready
  await session.signIn({ access_token: 'first', refresh_token: 'r', expires_in: 0 })
  expect(await session.getToken()).toBe('access-1')
  expect(await (await session.fetch('https://api.example.com/me')).text()).toBe('fine')
  document.dispatchEvent(new Event('visibilitychange'))
  refusing = true
  const begun = performance.now()
  await expect(session.refresh()).rejects.toMatchObject({ code: 'session_ended', reason: 'rejected' })
  expect(performance.now() - begun).toBeLessThan(1_000)
  expect(asked).toBe(2)
  await session.signIn({ access_token: 'again', refresh_token: 'r', expires_in: 300 })
  await session.signOut()
  session.close()
  expect(reasons).toEqual(['rejected', 'signed-out'])
  expect([made, document.querySelectorAll('iframe').length, document.body.childElementCount]).toEqual([[], 0, 0])
})
