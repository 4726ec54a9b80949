// npm start

import { startDemo } from './start.ts'

const port = Number(process.env.PORT ?? 4180)
const demo = await startDemo({ port }).catch(giveUp)

console.log(`
  Latchkey demo   ${demo.url}
  OpenID provider ${demo.provider.issuer}
  API             ${demo.api.origin}

  Open the first address in two windows, side by side. Ctrl+C stops everything.
`)

process.once('SIGINT', demo.close)
process.once('SIGTERM', demo.close)

function giveUp(error: NodeJS.ErrnoException): never {
  const taken = error.code === 'EADDRINUSE'
  console.error(taken ? `Ports ${port} to ${port + 2} must be free. Others: PORT=5180 npm start` : error)
  process.exit(1)
}
