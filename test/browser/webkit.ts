import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { webKitPrograms } from '../../scripts/ensure-browser.ts'
import { newProfile, removeProfile } from './chromium.ts'
import type { EngineBrowser } from './engine.ts'
import { freePort, type Program, startProgram } from './program.ts'
import { type Command, commandsTo, openSession } from './web-driver.ts'

/** WebKitGTK's own small browser, which has no mode without a display: it is given one that nobody sees. */
export async function launchWebKit(): Promise<EngineBrowser> {
  const programs = webKitPrograms()
  if (!programs) throw new Error('There is no WebKit here.')
  const home = await newProfile()
  const started: Program[] = []
  const start = (...args: Parameters<typeof startProgram>) => {
    const program = startProgram(...args)
    started.unshift(program)
    return program
  }
  // The last one first: the browser may outlive its driver, but not its display.
  const close = async () => {
    for (const program of started) await program.stop()
    await removeProfile(home)
  }

  try {
    const display = start(programs.display, ['-displayfd', '3', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    const [number] = await Promise.race([once(display.child.stdio[3] as Readable, 'data'), display.ended]) // it is a pipe, as asked for

    const port = await freePort()
    const driver = start(programs.driver, [`--port=${port}`, '--host=127.0.0.1'], {
      stdio: 'ignore',
      env: {
        ...process.env,
        DISPLAY: `:${String(number).trim()}`,
        GDK_BACKEND: 'x11',
        LIBGL_ALWAYS_SOFTWARE: '1',
        WEBKIT_DISABLE_COMPOSITING_MODE: '1',
        NO_AT_BRIDGE: '1', // else GTK looks for the accessibility bus, which no server has
        HOME: home,
        XDG_CACHE_HOME: home,
        XDG_CONFIG_HOME: home,
        XDG_DATA_HOME: home,
      },
    })
    const send = commandsTo(`http://127.0.0.1:${port}`)
    await Promise.race([untilReady(send), driver.ended])
    return { openProfile: () => openSession(send, 'MiniBrowser'), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function untilReady(send: Command): Promise<void> {
  const deadline = Date.now() + 30_000
  while (Date.now() < deadline) {
    if (await send('GET', '/status').catch(() => false)) return
    await pause(20)
  }
  throw new Error('The WebDriver of WebKit did not answer within half a minute.')
}
