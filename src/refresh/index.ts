export { type Csrf, type RefreshEndpointOptions, refreshEndpoint } from './endpoint.ts'
export { type OAuthRefreshOptions, oauthRefresh } from './oauth-refresh.ts'
