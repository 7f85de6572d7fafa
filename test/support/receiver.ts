import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { generate } from 'selfsigned'

/** What a webhook was sent. */
export interface Received {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A real https server on loopback that receives webhooks; its certificate is its own authority. */
export interface Receiver {
  readonly port: number
  readonly ca: string
  readonly received: Received[]
  /** How it answers from now on; by default 204. */
  answer(how: (response: ServerResponse) => void): void
  close(): Promise<void>
}

/** @param name the DNS name in its certificate */
export async function startReceiver(name: string): Promise<Receiver> {
  const made = await generate([{ name: 'commonName', value: name }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: name },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  })
  const received: Received[] = []
  let respond = (response: ServerResponse): void => void response.writeHead(204).end()
  const server = createServer({ key: made.private, cert: made.cert }, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', chunk => {
      body += chunk
    })
    request.on('end', () => {
      received.push({ path: request.url ?? '', headers: request.headers, body })
      respond(response)
    })
  })
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    ca: made.cert,
    received,
    answer: how => {
      respond = how
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
