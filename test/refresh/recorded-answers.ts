/** How a server has been seen to answer a refresh. Tokens and identifiers are invented; what nothing depends on is left out. */
export interface Recorded {
  readonly server: string
  readonly name: string
  /** Where it was documented or reported. */
  readonly source: string
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON unless it is a text. */
  readonly body: unknown
  readonly verdict: Verdict
  /** Where a backend of one's own, or a function, that hands the answer on is judged otherwise. */
  readonly ofOwnBackend?: Verdict['type']
  /** What docs/servers.md says to make of it: with that it is a refusal. */
  readonly isRejected?: (status: number, json: unknown) => boolean
}

type Verdict =
  | { readonly type: 'granted'; readonly lasts: number | null; readonly refreshToken: string | null; readonly refreshLasts?: number }
  | { readonly type: 'rejected' }
  | { readonly type: 'unavailable'; readonly wait?: number }

const granted = (lasts: number | null, refreshToken: string | null, refreshLasts?: number): Verdict => ({
  type: 'granted',
  lasts,
  refreshToken,
  ...(refreshLasts && { refreshLasts }),
})
const rejected = { type: 'rejected' } as const
const unavailable = { type: 'unavailable' } as const

const errorOf = (json: unknown) => (json as { error?: unknown } | null | undefined)?.error

const firebaseEnds = ['TOKEN_EXPIRED', 'USER_DISABLED', 'USER_NOT_FOUND', 'INVALID_REFRESH_TOKEN']
const supabaseEnds = ['refresh_token_not_found', 'refresh_token_already_used', 'session_not_found', 'session_expired', 'user_banned']
const cognitoEnds = ['NotAuthorizedException', 'RefreshTokenReuseException']

const github = (_status: number, json: unknown) => errorOf(json) === 'bad_refresh_token'
const slack = (_status: number, json: unknown) => errorOf(json) === 'invalid_refresh_token'
const firebase = (_status: number, json: unknown) =>
  firebaseEnds.includes((errorOf(json) as { message: string } | undefined)?.message ?? '')
const supabase = (_status: number, json: unknown) => supabaseEnds.includes((json as { error_code: string } | undefined)?.error_code ?? '')
const cognito = (_status: number, json: unknown) => cognitoEnds.includes((json as { __type: string } | undefined)?.__type ?? '')
const wordless = (status: number, json: unknown) => status === 400 && json === undefined

export const recorded: readonly Recorded[] = [
  {
    server: 'Auth0',
    name: 'a refusal, with a 403',
    source:
      'https://support.auth0.com/center/s/article/troubleshoot-refresh-token-unknown-or-invalid-before-expiry-403-unknown-or-invalid-refresh-token',
    status: 403,
    body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
    verdict: rejected,
  },
  {
    server: 'Okta',
    name: 'a refusal',
    source: 'https://github.com/okta/okta-react-native/issues/109',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'The refresh token is invalid or expired.' },
    verdict: rejected,
  },
  {
    server: 'Okta',
    name: 'too many requests',
    source: 'https://github.com/firezone/firezone/issues/6735',
    status: 429,
    headers: { 'X-Rate-Limit-Reset': '1726567200' },
    body: { errorCode: 'E0000047', errorSummary: 'API call exceeded rate limit due to too many requests.' },
    verdict: unavailable,
  },
  {
    server: 'Microsoft Entra ID',
    name: 'the 24 hours of a single-page app are over',
    source: 'https://github.com/AzureAD/microsoft-authentication-library-for-js/issues/6765',
    status: 400,
    body: {
      error: 'invalid_grant',
      error_description: 'AADSTS700084: The refresh token was issued to a single page app (SPA), …',
      error_codes: [700084],
    },
    verdict: rejected,
  },
  {
    server: 'Microsoft Entra ID',
    name: 'multi-factor authentication is due',
    source: 'https://github.com/AzureAD/azure-activedirectory-library-for-nodejs/issues/151',
    status: 400,
    body: {
      error: 'interaction_required',
      error_description: 'AADSTS50079: … you must enroll in multi-factor authentication …',
      claims: '{}',
    },
    verdict: rejected,
  },
  {
    server: 'Microsoft Entra ID',
    name: 'the redirect URI is not of the kind it should be',
    source: 'https://learn.microsoft.com/en-us/answers/questions/1601797/aadsts9002327-tokens-issued-for-the-single-page-ap',
    status: 400,
    body: { error: 'invalid_request', error_description: 'AADSTS9002327: Tokens issued for the ‘Single-Page Application’ client-type …' },
    verdict: unavailable,
  },
  {
    server: 'Azure AD B2C',
    name: 'tokens, with the time that is left to the refresh token',
    source: 'https://www.volcengine.com/article/1186413',
    status: 200,
    body: {
      access_token: 'a',
      token_type: 'Bearer',
      not_before: 1720104657,
      expires_in: 3600,
      expires_on: 1720108257,
      scope: 'app offline_access openid',
      refresh_token: 'r',
      refresh_token_expires_in: 76887,
    },
    verdict: granted(3_600_000, 'r', 76_887_000),
  },
  {
    server: 'Google',
    name: 'a refusal',
    source: 'https://github.com/apache/opendal/issues/3901',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' },
    verdict: rejected,
  },
  {
    server: 'Keycloak',
    name: 'the refresh token has run out',
    source: 'https://github.com/keycloak/keycloak/issues/37961',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'Token is not active' },
    verdict: rejected,
  },
  {
    server: 'Keycloak',
    name: 'the session at the provider is over',
    source: 'https://github.com/s3pweb/keycloak-admin-client-cjs/issues/15',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'Session not active' },
    verdict: rejected,
  },
  {
    server: 'Amazon Cognito',
    name: 'tokens without a refresh token, where none is rotated',
    source: 'https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-refresh-token.html',
    status: 200,
    body: { access_token: 'a', token_type: 'Bearer', expires_in: 3600 },
    verdict: granted(3_600_000, null),
  },
  {
    server: 'Amazon Cognito',
    name: 'a refusal',
    source: 'https://github.com/amazon-archives/amazon-cognito-auth-js/issues/118',
    status: 400,
    body: { error: 'invalid_grant' },
    verdict: rejected,
  },
  {
    server: 'Amazon Cognito',
    name: 'a client that has a secret',
    source: 'https://github.com/amazon-archives/amazon-cognito-auth-js/issues/116',
    status: 400,
    body: { error: 'invalid_client' },
    verdict: unavailable,
  },
  {
    server: 'Amazon Cognito, its API',
    name: 'a refusal',
    source: 'https://github.com/aws/aws-sdk-net/issues/1936',
    status: 400,
    body: { __type: 'NotAuthorizedException', message: 'Refresh Token has been revoked' },
    verdict: unavailable,
    isRejected: cognito,
  },
  {
    server: 'Amazon Cognito, its API',
    name: 'a refresh token that was rotated away',
    source: 'https://docs.aws.amazon.com/botocore/latest/reference/services/cognito-idp/client/exceptions/RefreshTokenReuseException.html',
    status: 400,
    body: { __type: 'RefreshTokenReuseException', message: 'Refresh token has been invalidated' },
    verdict: unavailable,
    isRejected: cognito,
  },
  {
    server: 'Firebase',
    name: 'tokens, with a lifetime that is a text',
    source: 'https://firebase.google.com/docs/reference/rest/auth#section-refresh-token',
    status: 200,
    body: { access_token: 'a', expires_in: '3600', token_type: 'Bearer', refresh_token: 'r', id_token: 'a', user_id: 'u', project_id: '1' },
    verdict: granted(3_600_000, 'r'),
  },
  {
    server: 'Firebase',
    name: 'a refusal, in the manner of Google’s APIs',
    source: 'https://github.com/firebase/firebase-js-sdk/blob/main/packages/auth/src/api/authentication/token.test.ts',
    status: 400,
    body: { error: { code: 400, message: 'TOKEN_EXPIRED', errors: [{ message: 'TOKEN_EXPIRED' }] } },
    verdict: unavailable,
    isRejected: firebase,
  },
  {
    server: 'Supabase',
    name: 'tokens',
    source: 'https://github.com/supabase/auth/blob/master/internal/tokens/service.go',
    status: 200,
    body: { access_token: 'a', token_type: 'bearer', expires_in: 3600, expires_at: 1720108257, refresh_token: 'r', user: { id: 'u' } },
    verdict: granted(3_600_000, 'r'),
  },
  {
    server: 'Supabase',
    name: 'a refusal',
    source: 'https://github.com/supabase/auth/blob/master/internal/tokens/service.go',
    status: 400,
    body: { code: 400, error_code: 'refresh_token_not_found', msg: 'Invalid Refresh Token: Refresh Token Not Found' },
    verdict: unavailable,
    isRejected: supabase,
  },
  {
    server: 'Supabase',
    name: 'a refresh token that was used before',
    source: 'https://github.com/supabase/auth/blob/master/internal/tokens/service.go',
    status: 400,
    body: { code: 400, error_code: 'refresh_token_already_used', msg: 'Invalid Refresh Token: Already Used' },
    verdict: unavailable,
    isRejected: supabase,
  },
  {
    server: 'Supabase',
    name: 'a refusal of an older version',
    source: 'https://github.com/supabase/auth-py/issues/353',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'Invalid Refresh Token: Refresh Token Not Found' },
    verdict: rejected,
  },
  {
    server: 'Supabase',
    name: 'too many requests',
    source: 'https://supabase.com/docs/guides/auth/debugging/error-codes',
    status: 429,
    body: { code: 429, error_code: 'over_request_rate_limit', msg: 'Request rate limit reached' },
    verdict: unavailable,
  },
  {
    server: 'GitHub',
    name: 'tokens',
    source: 'https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/refreshing-user-access-tokens',
    status: 200,
    body: {
      access_token: 'ghu_a',
      expires_in: 28800,
      refresh_token: 'ghr_r',
      refresh_token_expires_in: 15897600,
      scope: '',
      token_type: 'bearer',
    },
    verdict: granted(28_800_000, 'ghr_r', 15_897_600_000),
  },
  {
    server: 'GitHub',
    name: 'tokens as a form, where nobody has asked for JSON',
    source: 'https://github.com/matrix-org/matrix-hookshot/pull/307',
    status: 200,
    headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body: 'access_token=ghu_a&expires_in=28800&refresh_token=ghr_r&scope=&token_type=bearer',
    verdict: unavailable,
  },
  {
    server: 'GitHub',
    name: 'a refusal, with a 200',
    source: 'https://github.com/interlink-hq/interLink/pull/262',
    status: 200,
    body: { error: 'bad_refresh_token', error_description: 'The refresh token passed is incorrect or expired.' },
    verdict: unavailable,
    isRejected: github,
  },
  {
    server: 'GitHub',
    name: 'nothing, with a 200',
    source: 'https://github.com/orgs/community/discussions/24562',
    status: 200,
    body: '',
    verdict: unavailable,
  },
  {
    server: 'GitLab',
    name: 'tokens',
    source: 'https://docs.gitlab.com/api/oauth2',
    status: 200,
    body: { access_token: 'a', token_type: 'Bearer', expires_in: 7200, refresh_token: 'r', created_at: 1607635748 },
    verdict: granted(7_200_000, 'r'),
  },
  {
    server: 'GitLab',
    name: 'a refusal, said in a header as well',
    source: 'https://github.com/Dynatrace/ace-box/issues/580',
    status: 400,
    headers: { 'WWW-Authenticate': 'Bearer realm="Doorkeeper", error="invalid_grant"' },
    body: { error: 'invalid_grant', error_description: 'The provided authorization grant is invalid, expired, revoked, …' },
    verdict: rejected,
  },
  {
    server: 'Salesforce',
    name: 'tokens without a lifetime',
    source: 'https://nango.dev/blog/salesforce-get-access-token-expires-at',
    status: 200,
    body: { access_token: '00Dx!a', signature: 's=', scope: 'id api refresh_token', token_type: 'Bearer', issued_at: '1278448384422' },
    verdict: granted(null, null),
  },
  {
    server: 'Salesforce',
    name: 'a refusal',
    source: 'https://www.nango.dev/blog/salesforce-oauth-refresh-token-invalid-grant',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'expired access/refresh token' },
    verdict: rejected,
  },
  {
    server: 'Slack',
    name: 'a refusal, with a 200',
    source: 'https://github.com/slackapi/node-slack-sdk/issues/2038',
    status: 200,
    body: { ok: false, error: 'invalid_refresh_token' },
    verdict: unavailable,
    isRejected: slack,
  },
  {
    server: 'Spotify',
    name: 'a refusal',
    source: 'https://github.com/home-assistant/core/issues/124333',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'Refresh token revoked' },
    verdict: rejected,
  },
  {
    server: 'Twitch',
    name: 'a refusal in words of its own',
    source: 'https://github.com/twitchdev/issues/issues/1042',
    status: 400,
    body: { status: 400, message: 'Invalid grant' },
    verdict: unavailable,
    isRejected: (_status, json) => (json as { message?: unknown } | undefined)?.message === 'Invalid grant',
  },
  {
    server: 'NetSuite',
    name: 'a client it does not know',
    source: 'https://docs.oracle.com/en/cloud/saas/netsuite/ns-online-help/subsect_161252460252.html',
    status: 401,
    headers: { 'WWW-Authenticate': 'Basic realm="123456"' },
    body: { error: 'invalid_client' },
    verdict: unavailable,
    ofOwnBackend: 'rejected',
  },
  {
    server: 'Better Auth 1.4',
    name: 'a refusal that reads like a mistake of ours',
    source: 'https://github.com/better-auth/better-auth/issues/8099',
    status: 400,
    body: { error_description: 'session not found', error: 'invalid_request' },
    verdict: unavailable,
  },
  {
    server: 'Apereo CAS',
    name: 'a refusal that is no JSON',
    source: 'https://github.com/apereo/cas/issues/2903',
    status: 400,
    body: 'invalid_grant',
    verdict: unavailable,
    isRejected: wordless,
  },
  {
    server: 'glewlwyd',
    name: 'a refusal without a word',
    source: 'test/browser/authorization-servers.test.ts',
    status: 400,
    body: '',
    verdict: unavailable,
    isRejected: wordless,
  },
  {
    server: 'Micronaut',
    name: 'a refusal that is a 500',
    source: 'https://github.com/micronaut-projects/micronaut-security/issues/235',
    status: 500,
    body: { message: 'Internal Server Error' },
    verdict: unavailable,
  },
  {
    server: 'SailPoint',
    name: 'too many requests, and when to come back',
    source: 'https://developer.sailpoint.com/docs/api/rate-limit',
    status: 429,
    headers: { 'Retry-After': '7' },
    body: {},
    verdict: { type: 'unavailable', wait: 7_000 },
  },
  {
    server: 'Laravel',
    name: 'maintenance',
    source: 'https://github.com/laravel/framework/issues/60032',
    status: 503,
    headers: { 'Content-Type': 'text/html' },
    body: '<!DOCTYPE html><title>Service Unavailable</title>',
    verdict: unavailable,
  },
  {
    server: 'Cloudflare',
    name: 'the server behind it is down',
    source: 'https://pastebin.com/YgD9w5HA',
    status: 521,
    headers: { 'Content-Type': 'text/html; charset=UTF-8' },
    body: '<!DOCTYPE html><title>example.com | 521: Web server is down</title>',
    verdict: unavailable,
  },
]
