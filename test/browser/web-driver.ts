import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import type { Profile, Tab } from './engine.ts'

/** Sends one command of the WebDriver protocol (W3C). Rejects with what the driver calls an error. */
export type Command = (method: 'GET' | 'POST' | 'DELETE', path: string, parameters?: object) => Promise<unknown>

export const commandsTo =
  (address: string): Command =>
  async (method, path, parameters = {}) => {
    const init: RequestInit = {
      method,
      signal: AbortSignal.timeout(30_000),
      ...(method === 'POST' && { body: JSON.stringify(parameters) }),
    }
    const response = await fetch(address + path, init).catch((cause) => {
      throw new Error(`driver: no answer to ${method} ${path}`, { cause }) // that of WebKit forgets it now and then
    })
    const { value } = (await response.json()) as { value: unknown } // so the protocol has it
    if (response.ok) return value
    const { error, message } = value as { error: string; message: string } // and this
    throw new Error(`${method} ${path}: ${error}: ${message}`)
  }

/** What came of a function in the page, as soon as that is known. */
type Outcome = { readonly value?: string } | { readonly error: string } | 'pending' | 'gone'

/** A profile of a browser that is started for it. Its tabs are windows: of tabs in one window, WebKit hides all but one. */
export async function openSession(send: Command, browserName: string): Promise<Profile> {
  const { sessionId } = (await send('POST', '/session', { capabilities: { alwaysMatch: { browserName } } })) as { sessionId: string }
  const command: Command = (method, path, parameters) => send(method, `/session/${sessionId}${path}`, parameters)

  // Commands go to the current window: to choose one and to use it must not come apart.
  let current: unknown = await command('GET', '/window')
  let last: Promise<unknown> = Promise.resolve()
  function inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const done = last.then(task)
    last = done.catch(() => {})
    return done
  }
  const inWindow = <Result>(handle: unknown, task: () => Promise<Result>): Promise<Result> =>
    inTurn(async () => {
      if (current !== handle) await command('POST', '/window', { handle })
      current = handle
      return task()
    })

  let tasks = 0

  function tabOf(handle: unknown): Tab {
    const execute = (script: string, ...args: unknown[]) =>
      inWindow(handle, () => command('POST', '/execute/sync', { script, args })) as Promise<Outcome> // both scripts see to it

    // The driver does one thing at a time, and a task may wait for what another tab does: it is begun, and then asked after.
    async function evaluate(task: unknown, argument: unknown): Promise<unknown> {
      const id = tasks++
      await execute(
        `const [id, argument] = arguments
        const outcomes = window.outcomes ??= {}
        outcomes[id] = 'pending'
        new Promise((resolve) => resolve((${task})(argument))).then(
          (value) => { outcomes[id] = { value: JSON.stringify(value) } },
          (error) => { outcomes[id] = { error: String(error) } },
        )`,
        id,
        argument,
      )
      for (;;) {
        const outcome = await execute(`return window.outcomes?.[arguments[0]] ?? 'gone'`, id)
        if (outcome === 'gone') throw new Error('The page went away before the task was done.')
        if (outcome === 'pending') await pause(10)
        else if ('error' in outcome) throw new Error(outcome.error)
        else return outcome.value && JSON.parse(outcome.value)
      }
    }

    return {
      evaluate: evaluate as Page['evaluate'], // the types of the task are the caller's
      goto: (url) => inWindow(handle, () => command('POST', '/url', { url })),
      reload: () => inWindow(handle, () => command('POST', '/refresh')),
      // By the driver, which waits until the page is there: WebKit never answers what is asked of a page that is on its way out.
      back: () => inWindow(handle, () => command('POST', '/back')),
      close: () =>
        inWindow(handle, async () => {
          await command('DELETE', '/window')
          current = undefined
        }),
    }
  }

  let unused: unknown = current
  return {
    async open(url) {
      const handle = unused ?? ((await inTurn(() => command('POST', '/window/new', { type: 'window' }))) as { handle: string }).handle
      unused = undefined
      const tab = tabOf(handle)
      await tab.goto(url)
      return tab
    },
    close: async () => {
      await inTurn(() => command('DELETE', ''))
    },
  }
}
