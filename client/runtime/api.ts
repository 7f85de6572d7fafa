// The server over HTTP. `unknown` becomes typed here and nowhere else in the client.

import { z } from 'zod'
import { sha256, utf8 } from '#protocol/canonical.ts'
import {
  CALL_HEADER,
  callBytes,
  callWithReportsBytes,
  type EnrolBody,
  EnrolReply,
  HOST_HEADER,
  REPORTS_HEADER,
  SIGNATURE_HEADER,
} from '#protocol/host.ts'
import { FILE_BYTES_MAX } from '#protocol/limits.ts'
import { hashLater } from '#protocol/merkle.ts'
import { Problem } from '#protocol/problem.ts'
import { reportsRoot, treeOfReports } from '#protocol/report-signature.ts'
import { type HostReport, type KeptReport, type SchedulerBody, SchedulerReply } from '#protocol/scheduler.ts'
import { signBytes } from '#protocol/signature.ts'
import type { HostId, Sha256 } from '#protocol/units.ts'

/** The server could not be asked, or did not answer in its language: try again later. */
export class Unreachable extends Error {
  /** Something answered after all, a proxy say, with this status and no reason. */
  readonly status: number | undefined

  constructor(message: string, status?: number) {
    super(message)
    this.name = 'Unreachable'
    this.status = status
  }
}

/** The server refused, and said why. */
export class Refusal extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.detail === undefined ? problem.title : `${problem.title}: ${problem.detail}`)
    this.name = 'Refusal'
    this.problem = problem
  }
}

export interface Endpoint {
  readonly server: string // origin, with or without a path
  readonly fetch: typeof fetch
  readonly token?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** Who signs the calls of an enrolled host. */
export interface Identity {
  readonly serverId: string
  readonly hostId: HostId
  readonly token: string
  readonly privateKey: string
}

export interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
  readonly headers?: Readonly<Record<string, string>>
}

/** No answer of a live server takes longer; downloads have their own, generous bound below. */
const ANSWER_MS = 60_000
const DOWNLOAD_MS = 15 * 60_000

/**
 * One call; its parsed reply.
 * @throws Refusal for an RFC 9457 problem, Unreachable for everything that is not an answer
 */
export async function ask<Reply>(endpoint: Endpoint, schema: z.ZodType<Reply>, asked: Asked): Promise<Reply> {
  return (await askBoth(endpoint, schema, asked)).reply
}

/** The same, with the body as it came: what `--json` prints. */
export async function askBoth<Reply>(
  endpoint: Endpoint,
  schema: z.ZodType<Reply>,
  asked: Asked,
): Promise<{ readonly reply: Reply; readonly text: string }> {
  const response = await send(endpoint, asked, ANSWER_MS)
  const text = await whole(() => response.text())
  const parsed = schema.safeParse(parseJson(text))
  if (parsed.success) return { reply: parsed.data, text }
  throw new Unreachable(
    `${asked.path} answered in another form: ${z.prettifyError(parsed.error).slice(0, 300)}`,
  )
}

/** The text of a reply that is not one JSON value (an export). Throws as `ask` does. */
export async function askText(endpoint: Endpoint, asked: Asked): Promise<string> {
  return (await send(endpoint, asked, DOWNLOAD_MS)).text()
}

/** The bytes of a reply that may be large, as they come. Throws as `ask` does, also in the middle. */
export async function* askChunks(endpoint: Endpoint, asked: Asked): AsyncGenerator<Uint8Array> {
  const response = await send(endpoint, asked, DOWNLOAD_MS)
  const reader = response.body?.getReader()
  if (reader === undefined) return
  for (;;) {
    const { done, value } = await whole(() => reader.read())
    if (done) return
    yield value
  }
}

/** POST /api/v1/hosts. The endpoint's token is the enrolment token, or absent. */
export const enrol = (endpoint: Endpoint, body: EnrolBody): Promise<EnrolReply> =>
  ask(endpoint, EnrolReply, { method: 'POST', path: '/api/v1/hosts', body: JSON.stringify(body) })

export interface Scheduled {
  readonly call: number
  readonly body: SchedulerBody & { readonly reports: readonly KeptReport[] }
  /** One signature for the call and its reports: only where the server's last reply said that it takes that. */
  readonly signsReports: boolean
}

/** POST /api/v1/scheduler under the given call number; repeating number and body repeats the reply. */
export async function schedule(
  endpoint: Endpoint,
  identity: Identity,
  { call, body, signsReports }: Scheduled,
): Promise<SchedulerReply> {
  const root = signsReports ? await rootOver(identity, body.reports) : undefined
  const said = root === undefined ? body : { ...body, reports: body.reports.map(withoutSignature) }
  const asked = { method: 'POST', path: '/api/v1/scheduler', body: JSON.stringify(said) } as const
  const headers = await signed(identity, call, asked, root)
  return ask({ ...endpoint, token: identity.token }, SchedulerReply, { ...asked, headers })
}

async function rootOver(
  { serverId, hostId }: Identity,
  reports: readonly KeptReport[],
): Promise<Sha256 | undefined> {
  const claims = reports.flatMap(report =>
    report.outcome === 'success'
      ? [{ serverId, hostId, resultId: report.resultId, digest: report.digest }]
      : [],
  )
  return reportsRoot(await hashLater(treeOfReports(claims)))
}

function withoutSignature(report: KeptReport): HostReport {
  if (report.outcome === 'error') return report
  const { signature: _, ...unsigned } = report
  return unsigned
}

/** A signed call about the host itself under the given number, and its body as it came. What only reads may repeat a number. */
export async function askAsHost<Reply>(
  endpoint: Endpoint,
  identity: Identity,
  { schema, call, ...asked }: Asked & { readonly schema: z.ZodType<Reply>; readonly call: number },
): Promise<{ readonly reply: Reply; readonly text: string }> {
  const headers = { ...asked.headers, ...(await signed(identity, call, asked)) }
  return askBoth({ ...endpoint, token: identity.token }, schema, { ...asked, headers })
}

/** GET /api/v1/files/:sha256, not checked: see fetchByHash. */
export async function download(endpoint: Endpoint, hash: Sha256): Promise<Uint8Array> {
  const response = await send(endpoint, { method: 'GET', path: `/api/v1/files/${hash}` }, DOWNLOAD_MS)
  if (Number(response.headers.get('content-length') ?? 0) > FILE_BYTES_MAX)
    throw new Unreachable(`${hash.slice(0, 12)}… is larger than any file may be`)
  return whole(() => response.bytes())
}

/** PUT /api/v1/files/:sha256: an artifact that the server asked for. */
export async function upload(
  endpoint: Endpoint,
  identity: Identity,
  file: { call: number; hash: Sha256; bytes: Uint8Array<ArrayBuffer> },
): Promise<void> {
  const asked = { method: 'PUT', path: `/api/v1/files/${file.hash}`, body: file.bytes } as const
  const headers = await signed(identity, file.call, asked)
  await send({ ...endpoint, token: identity.token }, { ...asked, headers }, DOWNLOAD_MS)
}

async function signed(
  identity: Identity,
  call: number,
  asked: Asked,
  reports?: Sha256,
): Promise<Record<string, string>> {
  const { serverId, hostId, privateKey } = identity
  const body = typeof asked.body === 'string' ? utf8(asked.body) : (asked.body ?? new Uint8Array())
  const { method, path } = asked
  const own = callBytes({ serverId, hostId, call, method, path, bodySha256: await sha256(body) })
  const bytes = reports === undefined ? own : callWithReportsBytes({ call: await sha256(own), reports })
  return {
    [HOST_HEADER]: hostId,
    [CALL_HEADER]: String(call),
    [SIGNATURE_HEADER]: await signBytes(privateKey, bytes),
    ...(reports === undefined ? {} : { [REPORTS_HEADER]: reports }),
  }
}

async function send(endpoint: Endpoint, asked: Asked, timeoutMs: number): Promise<Response> {
  const { method, path, body } = asked
  const timeout = AbortSignal.timeout(timeoutMs)
  const signal = endpoint.signal === undefined ? timeout : AbortSignal.any([endpoint.signal, timeout])
  const headers = {
    ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
    ...(body instanceof Uint8Array ? { 'content-type': 'application/octet-stream' } : {}),
    ...(endpoint.token === undefined ? {} : { authorization: `Bearer ${endpoint.token}` }),
    ...asked.headers,
  }
  const url = new URL(path, endpoint.server)
  const response = await whole(() =>
    endpoint.fetch(url, {
      method,
      headers,
      signal,
      redirect: 'error',
      ...(body === undefined ? {} : { body }),
    }),
  )
  if (response.ok) return response
  throw await refusalOf(response)
}

/** Anything that breaks on the way is one kind of failure. */
async function whole<T>(transfer: () => Promise<T>): Promise<T> {
  try {
    return await transfer()
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
    throw new Unreachable(`${error instanceof Error ? error.message : error}${cause}`)
  }
}

async function refusalOf(response: Response): Promise<Refusal | Unreachable> {
  const text = await whole(() => response.text())
  const problem = Problem.safeParse(parseJson(text))
  if (problem.success) return new Refusal(problem.data)
  return new Unreachable(`status ${response.status} without a reason: ${text.slice(0, 200)}`, response.status)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a proxy's page, say
  }
}
