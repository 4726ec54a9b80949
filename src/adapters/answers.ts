/**
 * How a window hands the provider's answer to the one that opened it. A BroadcastChannel, not `postMessage`: it reaches our own origin
 * and nobody else, and is not cut when a page on the way has a Cross-Origin-Opener-Policy. Its name is the sign-in's `state`.
 */
export function hearAnswer(state: string): { readonly answer: Promise<string>; readonly stop: () => void } {
  const channel = new BroadcastChannel(nameOf(state))
  const answer = new Promise<string>((resolve) => {
    channel.onmessage = ({ data }) => {
      if (typeof data !== 'string' || data === heard) return
      channel.postMessage(heard)
      resolve(data)
    }
  })
  return { answer, stop: () => channel.close() }
}

/** Resolves when somebody has heard it; and never if nobody is there. */
export function tellAnswer(state: string, answer: string): { readonly heard: Promise<true>; readonly stop: () => void } {
  const channel = new BroadcastChannel(nameOf(state))
  const told = new Promise<true>((resolve) => {
    channel.onmessage = ({ data }) => {
      if (data === heard) resolve(true)
    }
  })
  channel.postMessage(answer)
  return { heard: told, stop: () => channel.close() }
}

const heard = 'heard'

const nameOf = (state: string): string => `latchkey:sign-in:${state}`
