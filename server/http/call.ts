import { z } from 'zod'
import { sha256Of } from '#domain/hash.ts'
import { type ExaminedReport, examine, isRefusal, type Refusal } from '#domain/report.ts'
import { reportBytes } from '#protocol/host.ts'
import { type ErrorReport, HostReport, SchedulerBody, type SuccessReport } from '#protocol/scheduler.ts'
import type { HostId, Sha256 } from '#protocol/units.ts'
import { parseJson } from './body.ts'
import type { SignedCall } from './host-call.ts'
import { isSignedBy, type KnownHost } from './host-key.ts'
import { describeIssues, parse } from './problem.ts'

/** A scheduler call after everything that needs no database: what the transaction works on. */
export interface ParsedCall {
  readonly hostId: HostId
  /** The network it came from; null for one that many people share by design. */
  readonly prefix: string | null
  readonly call: number
  readonly bodySha256: Sha256
  readonly body: SchedulerBody
  readonly reports: readonly ParsedReport[]
}

/** One report of a call. A bad one is refused by itself; its neighbours are not its fault. */
export type ParsedReport =
  | ({ readonly type: 'success' } & ExaminedReport)
  | { readonly type: 'error'; readonly sent: ErrorReport }
  | { readonly type: 'refused'; readonly resultId: string; readonly refusal: Refusal }

/** Parses the body of a signed call and examines its reports; throws `Refused` when the call itself is malformed. */
export function parseCall(
  serverId: string,
  signed: SignedCall,
  bytes: Uint8Array,
): Omit<ParsedCall, 'prefix'> {
  const { host, call, bodySha256 } = signed
  const body = parse(SchedulerBody, parseJson(bytes))
  const reports = body.reports.map(report => parseReport(serverId, host, report))
  return { hostId: host.id, call, bodySha256, body, reports }
}

function parseReport(serverId: string, host: KnownHost, report: unknown): ParsedReport {
  const parsed = HostReport.safeParse(report)
  if (!parsed.success) {
    const refusal = { code: 'report_malformed', detail: describeIssues(parsed.error), penal: false } as const
    return { type: 'refused', resultId: namedIn(report), refusal }
  }
  if (parsed.data.outcome === 'error') return { type: 'error', sent: parsed.data }
  return examineSuccess(serverId, host, parsed.data)
}

function examineSuccess(serverId: string, host: KnownHost, sent: SuccessReport): ParsedReport {
  const { resultId, digest, signature } = sent
  const bytes = reportBytes({ serverId, hostId: host.id, resultId, digest })
  const signatureGood = isSignedBy(host, bytes, signature)
  const examined = examine(sent, { textSha256: sha256Of(sent.report), signatureGood })
  if (isRefusal(examined)) return { type: 'refused', resultId, refusal: examined }
  return { type: 'success', ...examined }
}

const Named = z.object({ resultId: z.string().max(100) })

// The answer names the result, so that the host finds its report again, as far as it can be read.
function namedIn(report: unknown): string {
  const named = Named.safeParse(report)
  return named.success ? named.data.resultId : ''
}
