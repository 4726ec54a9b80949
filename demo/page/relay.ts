import type { Line } from './narrate.ts'

/** What the tabs of the demo tell each other: made of diagnostics and events, which carry no secrets. */
export type Message =
  | { readonly type: 'said'; readonly tab: string; readonly line: Line }
  | { readonly type: 'refreshing'; readonly tab: string; readonly refreshing: boolean }
  | { readonly type: 'sign-out-please'; readonly tab: string }

export interface Relay {
  tell(message: Message): void
  listen(listener: (message: Message) => void): void
}

export function createRelay(): Relay {
  const channel = new BroadcastChannel('demo-timeline')
  return {
    tell: (message) => channel.postMessage(message),
    listen: (listener) => channel.addEventListener('message', ({ data }: MessageEvent<Message>) => listener(data)),
  }
}
