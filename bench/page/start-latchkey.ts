import { createSession } from 'latchkey'
import { refreshEndpoint } from 'latchkey/refresh'
import { report } from './report.ts'

const session = createSession({
  attachTo: ['/api'],
  refresh: refreshEndpoint('/auth/refresh'),
  fetch: async (input, init) => {
    report()
    return fetch(input, init)
  },
})
Object.assign(window, { signIn: (token: string) => session.signIn({ access_token: token, expires_in: 3600, refresh_token: 'unused' }) })
session.fetch('/api/first').catch(() => {}) // the first visit has no session yet
