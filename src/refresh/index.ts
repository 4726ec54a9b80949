export { type BackendForFrontendOptions, backendForFrontend } from './backend-for-frontend.ts'
export type { Csrf } from './csrf.ts'
export { type RefreshEndpointOptions, refreshEndpoint } from './endpoint.ts'
export { type OAuthRefreshOptions, oauthRefresh } from './oauth-refresh.ts'
