// What the page and the demo's own server say to each other. Types only: the page imports no server code.

import type { ApiCounters } from './api.ts'
import type { Condition, ProviderCounters } from './token-endpoint.ts'

/** `GET /config.json` */
export interface DemoConfig {
  readonly api: string
  readonly issuer: string
  readonly clientId: string
  readonly redirectUri: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly revocationEndpoint: string
}

/** `GET /control`, and the answer to every `POST` */
export interface ServerReport {
  readonly settings: ServerSettings
  readonly provider: Readonly<ProviderCounters>
  readonly api: Readonly<ApiCounters>
}

export interface ServerSettings {
  /** Seconds that the next access tokens live. */
  readonly accessTokenLifetime: number
  readonly condition: Condition
}

/** `POST /control` */
export type ControlRequest = { readonly set: Partial<ServerSettings> } | { readonly revoke: 'everything' }
