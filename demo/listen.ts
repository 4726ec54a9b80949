import { createServer, type RequestListener } from 'node:http'

const host = '127.0.0.1'

/** A server on loopback that has its address already, and is given what to answer with `serve`. */
export interface Listening {
  readonly port: number
  readonly origin: string
  serve(handler: RequestListener): void
  close(): Promise<void>
}

/**
 * Takes a port first and a handler later: the servers of the demo name each other's addresses, so all of them must have one before any
 * of them can answer.
 */
export async function listen(port: number): Promise<Listening> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })

  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('A server that listens on a host and a port has an address.')

  return {
    port: address.port,
    origin: `http://${host}:${address.port}`,
    serve: (handler) => server.on('request', handler),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
