import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Provider } from 'oidc-provider'

export const loginPath = '/login/'
const stylePath = `${loginPath}style.css`

/** The provider's sign-in page: a name and a button. Everything under {@link loginPath}. */
export function loginPage(provider: Provider, appOrigins: readonly string[]) {
  // Chromium holds `form-action` against the redirects that follow the form, too, and these end at the app.
  const policy = `default-src 'none'; style-src 'self'; img-src data:; form-action 'self' ${appOrigins.join(' ')}; base-uri 'none'; frame-ancestors 'none'`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === stylePath) return send(response, 'text/css', await page('style.css'))
    if (request.method !== 'POST') {
      await provider.interactionDetails(request, response) // throws without the cookie of a sign-in that has begun
      return send(response.setHeader('content-security-policy', policy), 'text/html', await page('index.html'))
    }
    const name = new URLSearchParams(await text(request)).get('name')?.trim()
    const result = name ? { login: { accountId: name } } : { error: 'access_denied', error_description: 'no name was given' }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false })
  }

  return (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch(() => {
      if (!response.headersSent)
        send(response.writeHead(400), 'text/plain', 'This sign-in has ended. Go back to the app and begin again.\n')
    })
  }
}

function send(response: ServerResponse, type: string, body: string): void {
  if (!response.headersSent) response.setHeader('content-type', `${type}; charset=utf-8`)
  response.end(body)
}

function page(name: string): Promise<string> {
  return readFile(new URL(`login/${name}`, import.meta.url), 'utf8')
}
