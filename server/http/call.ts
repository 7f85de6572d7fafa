import { z } from 'zod'
import { sha256Bytes, sha256Of } from '#domain/hash.ts'
import { type ExaminedReport, examine, isRefusal, type Refusal } from '#domain/report.ts'
import { REPORTS_HEADER, reportBytes } from '#protocol/host.ts'
import { hashNow } from '#protocol/merkle.ts'
import { proofOf, reportsRoot, treeOfReports } from '#protocol/report-signature.ts'
import { type ErrorReport, HostReport, SchedulerBody, type SuccessReport } from '#protocol/scheduler.ts'
import { type HostId, ResultId, Sha256 } from '#protocol/units.ts'
import { parseJson } from './body.ts'
import type { SignedCall } from './host-call.ts'
import { isSignedBy, type KnownHost } from './host-key.ts'
import { describeIssues, parse, Refused } from './problem.ts'

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
  | ({
      readonly type: 'success'
      /** What proves that the host said so: `isProven`. */
      readonly signature: string
    } & ExaminedReport)
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
  const proofs = proofsOf(serverId, signed, body.reports)
  const reports = body.reports.map(report =>
    parseReport(serverId, host, { report, proof: proofs.get(report) }),
  )
  return { hostId: host.id, call, bodySha256, body, reports }
}

// As much of a report as the call's signature covers: what is wrong with the rest of it is not its neighbours' fault.
const Unsigned = z.object({
  outcome: z.literal('success'),
  resultId: ResultId,
  digest: Sha256,
  signature: z.never().optional(),
})

/**
 * What proves the reports that have no signature of their own, in a call that signs its reports. Where it signed others than
 * came, it is refused as a whole, and its host signs each: an answer to a report would make the host forget it.
 */
function proofsOf(
  serverId: string,
  { host, signs }: SignedCall,
  reports: readonly unknown[],
): ReadonlyMap<unknown, string> {
  if (signs === null) return new Map()
  const unsigned = reports.flatMap(report => {
    const { success, data } = Unsigned.safeParse(report)
    return success ? [{ report, resultId: data.resultId, digest: data.digest }] : []
  })
  const claims = unsigned.map(({ resultId, digest }) => ({ serverId, hostId: host.id, resultId, digest }))
  const tree = hashNow(treeOfReports(claims), sha256Bytes)
  if (reportsRoot(tree) !== signs.root)
    throw new Refused('signature_invalid', `${REPORTS_HEADER} is not the root over the reports that came`)
  return new Map(unsigned.map(({ report }, i) => [report, proofOf(signs.by, tree, i)]))
}

interface Sent {
  readonly report: unknown
  /** The call's signature is that of the report as well. */
  readonly proof: string | undefined
}

function parseReport(serverId: string, host: KnownHost, { report, proof }: Sent): ParsedReport {
  const parsed = HostReport.safeParse(report)
  if (!parsed.success)
    return refused(namedIn(report), {
      ...{ code: 'report_malformed', detail: describeIssues(parsed.error), penal: false },
    })
  const { data: sent } = parsed
  if (sent.outcome === 'error') return { type: 'error', sent }
  const signature = sent.signature === undefined ? proof : ownSignature(serverId, host, sent)
  if (signature === undefined)
    return refused(sent.resultId, { code: 'report_signature_invalid', penal: false })
  const examined = examine(sent, { textSha256: sha256Of(sent.report) })
  return isRefusal(examined) ? refused(sent.resultId, examined) : { type: 'success', signature, ...examined }
}

const refused = (resultId: string, refusal: Refusal): ParsedReport => ({
  type: 'refused',
  resultId,
  refusal,
})

/** The signature of a report, if it is good. */
function ownSignature(
  serverId: string,
  host: KnownHost,
  { resultId, digest, signature = '' }: SuccessReport,
): string | undefined {
  const bytes = reportBytes({ serverId, hostId: host.id, resultId, digest })
  return isSignedBy(host, bytes, signature) ? signature : undefined
}

const Named = z.object({ resultId: z.string().max(100) })

// The answer names the result, so that the host finds its report again, as far as it can be read.
function namedIn(report: unknown): string {
  const named = Named.safeParse(report)
  return named.success ? named.data.resultId : ''
}
