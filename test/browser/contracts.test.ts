import { afterAll, beforeAll, describe, test } from 'vitest'
import type { EngineBrowser, Profile, Tab } from './engine.ts'
import { installedEngines } from './installed-engines.ts'
import { contracts } from './page/contracts.ts'
import { type ScriptedServer, startScriptedServer } from './scripted-server.ts'

describe.each(installedEngines)('$name', ({ launch }) => {
  let browser: EngineBrowser
  let profile: Profile
  let server: ScriptedServer
  let tab: Tab

  beforeAll(async () => {
    browser = await launch()
    server = await startScriptedServer()
    profile = await browser.openProfile()
    tab = await profile.open(server.origin)
  })

  afterAll(async () => {
    await profile?.close()
    await browser?.close()
    await server?.close()
  })

  describe.each(Object.entries(contracts))('the %s', (port, cases) => {
    // Here only the names are of interest: the cases run in the page.
    for (const { name } of cases) test(name, () => tab.evaluate(([of, one]) => window.app.runContract(of, one), [port, name] as const))
  })
})
