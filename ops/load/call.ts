// One scheduler call of a simulated host: signed, over HTTP, and what came of it.

import { sign } from 'node:crypto'
import { type Agent, request } from 'node:http'
import { z } from 'zod'
import { sha256Bytes, sha256Of } from '#domain/hash.ts'
import {
  CALL_HEADER,
  callBytes,
  callWithReportsBytes,
  HOST_HEADER,
  REPORTS_HEADER,
  reportBytes,
  SIGNATURE_HEADER,
} from '#protocol/host.ts'
import { hashNow } from '#protocol/merkle.ts'
import { reportsRoot, treeOfReports } from '#protocol/report-signature.ts'
import { ResultId, Sha256 } from '#protocol/units.ts'
import { CLIENT, CORES, type FleetHost, MEMORY_MIB } from './fleet.ts'
import { noopReport, weightsOf } from './noop.ts'

// The generator shares the machine with the server: it reads of a reply what it needs, no more.
const Reply = z.object({
  retryAfterMs: z.number(),
  reports: z.array(z.object({ outcome: z.string(), code: z.string().optional() })),
  leases: z.array(z.object({ resultId: ResultId, job: z.string() })),
  abort: z.array(z.object({ resultId: ResultId })),
  signsReports: z.boolean().optional(),
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
  /** The root over reports that the call signs. */
  readonly reports?: Sha256 | undefined
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
  const finished = done.map(reportOf)
  const body = {
    ...{ client: CLIENT, engineClasses: ['wasm'], cores: CORES, memoryMiB: MEMORY_MIB },
    ...{ reports: host.signsReports ? finished : finished.map(each => signed(server, host, each)), want },
    held: held.map(({ resultId }) => ({ resultId, fraction: 0 })),
  }
  const text = await send(server, host, {
    ...{ method: 'POST', path: '/api/v1/scheduler', body: JSON.stringify(body) },
    reports: host.signsReports ? rootOver(server, host, finished) : undefined,
  })
  const reply = Reply.parse(JSON.parse(text))
  host.signsReports = reply.signsReports === true
  return reply
}

/** Delivers the weights of a run that the server asked for. */
export async function deliver(server: Server, host: FleetHost, sha256: Sha256, job: string): Promise<void> {
  await send(server, host, { method: 'PUT', path: `/api/v1/files/${sha256}`, body: weightsOf(job) })
}

function reportOf({ resultId, job }: Held) {
  const { text, digest } = noopReport(job)
  return { resultId, outcome: 'success', report: text, digest: Sha256.parse(digest), cpuMs: 1 }
}
type Finished = ReturnType<typeof reportOf>

const claimOf = ({ serverId }: Server, { id }: FleetHost, { resultId, digest }: Finished) => ({
  ...{ serverId, hostId: id, resultId, digest },
})

function signed(server: Server, host: FleetHost, report: Finished) {
  const bytes = reportBytes(claimOf(server, host, report))
  return { ...report, signature: sign(null, bytes, host.privateKey).toString('base64url') }
}

function rootOver(server: Server, host: FleetHost, reports: readonly Finished[]): Sha256 | undefined {
  const claims = reports.map(each => claimOf(server, host, each))
  return reportsRoot(hashNow(treeOfReports(claims), sha256Bytes))
}

function send({ url, serverId, agent }: Server, host: FleetHost, asked: Call): Promise<string> {
  const { method, path, body, reports } = asked
  host.call += 1
  const own = callBytes({
    ...{ serverId, hostId: host.id, call: host.call, method, path, bodySha256: sha256Of(body) },
  })
  const bytes = reports === undefined ? own : callWithReportsBytes({ call: sha256Of(own), reports })
  const headers = {
    authorization: `Bearer ${host.token}`,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    [HOST_HEADER]: host.id,
    [CALL_HEADER]: String(host.call),
    [SIGNATURE_HEADER]: sign(null, bytes, host.privateKey).toString('base64url'),
    ...(reports === undefined ? {} : { [REPORTS_HEADER]: reports }),
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
