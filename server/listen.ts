import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Listening {
  readonly url: string
  /** Takes no new calls, gives those in hand `drainMs` to end, then cuts what is left. */
  close(drainMs: number): Promise<void>
}

/** Listens on `host` and `port` (0: any free one). Throws the system's error, such as EADDRINUSE. */
export async function listen(
  app: RequestListener,
  { host, port }: { host: string; port: number },
): Promise<Listening> {
  const server = createServer(app)
  server.listen(port, host)
  await once(server, 'listening') // rejects on `error`
  return {
    url: urlOf(server.address(), host),
    close: async drainMs => {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const cut = setTimeout(() => server.closeAllConnections(), drainMs)
      await closed
      clearTimeout(cut)
    },
  }
}

const EVERYWHERE = ['0.0.0.0', '::']

function urlOf(address: AddressInfo | string | null, host: string): string {
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const name = EVERYWHERE.includes(host) ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
