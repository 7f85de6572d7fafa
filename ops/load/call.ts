// One scheduler call of a simulated host: signed, over HTTP, and what came of it.

import { createHash, sign } from 'node:crypto'
import { type Agent, request } from 'node:http'
import { z } from 'zod'
import { CALL_HEADER, callBytes, HOST_HEADER, reportBytes, SIGNATURE_HEADER } from '#protocol/host.ts'
import { ResultId, Sha256 } from '#protocol/units.ts'
import { CLIENT, CORES, type FleetHost, MEMORY_MIB } from './fleet.ts'
import { noopReport, weightsOf } from './noop.ts'

// The generator shares the machine with the server: it reads of a reply what it needs, no more.
const Reply = z.object({
  retryAfterMs: z.number(),
  reports: z.array(z.object({ outcome: z.string(), code: z.string().optional() })),
  leases: z.array(z.object({ resultId: ResultId, job: z.string() })),
  abort: z.array(z.object({ resultId: ResultId })),
  wanted: z.array(z.object({ resultId: ResultId, sha256: Sha256 })),
})
type Reply = z.infer<typeof Reply>
export type Held = Reply['leases'][number]

export interface Server {
  readonly url: URL
  readonly serverId: string
  readonly agent: Agent
}

interface Call {
  readonly method: 'POST' | 'PUT'
  readonly path: string
  readonly body: string | Uint8Array
}

/** Reports what is finished, names what it is still at, and asks for so much more. @throws Error naming the status of any answer but 200 */
export async function schedule(
  server: Server,
  host: FleetHost,
  {
    done,
    want,
    held = [],
  }: { readonly done: readonly Held[]; readonly want: number; readonly held?: readonly Held[] },
): Promise<Reply> {
  const body = {
    ...{ client: CLIENT, engineClasses: ['wasm'], cores: CORES, memoryMiB: MEMORY_MIB },
    ...{ reports: done.map(each => reportOf(server, host, each)), want },
    held: held.map(({ resultId }) => ({ resultId, fraction: 0 })),
  }
  const text = await send(server, host, {
    ...{ method: 'POST', path: '/api/v1/scheduler', body: JSON.stringify(body) },
  })
  return Reply.parse(JSON.parse(text))
}

/** Delivers the weights of a run that the server asked for. */
export async function deliver(server: Server, host: FleetHost, sha256: Sha256, job: string): Promise<void> {
  await send(server, host, { method: 'PUT', path: `/api/v1/files/${sha256}`, body: weightsOf(job) })
}

function reportOf({ serverId }: Server, host: FleetHost, { resultId, job }: Held) {
  const { text, digest } = noopReport(job)
  const bytes = reportBytes({ serverId, hostId: host.id, resultId, digest: Sha256.parse(digest) })
  const signature = sign(null, bytes, host.privateKey).toString('base64url')
  return { resultId, outcome: 'success', report: text, digest, signature, cpuMs: 1 }
}

function send({ url, serverId, agent }: Server, host: FleetHost, asked: Call): Promise<string> {
  const { method, path, body } = asked
  host.call += 1
  const signed = callBytes({
    ...{ serverId, hostId: host.id, call: host.call, method, path },
    bodySha256: Sha256.parse(createHash('sha256').update(body).digest('hex')),
  })
  const headers = {
    authorization: `Bearer ${host.token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    [HOST_HEADER]: host.id,
    [CALL_HEADER]: String(host.call),
    [SIGNATURE_HEADER]: sign(null, signed, host.privateKey).toString('base64url'),
  }
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const sent = request(new URL(path, url), { method, headers, agent }, response => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('error', reject)
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString()
      const { statusCode = 0 } = response
      if (statusCode >= 200 && statusCode < 300) resolve(text)
      else reject(new Error(`${method} ${path}: ${statusCode} ${text.slice(0, 300)}`))
    })
  })
  sent.on('error', reject)
  sent.end(body)
  return promise
}
