import { z } from 'zod'
import { Credit } from './credits.ts'
import { EngineClass, EngineRates } from './engine.ts'
import { SignedRelease } from './kernel.ts'
import {
  CLIENT_CHARS_MAX,
  CORES_MAX,
  DETAIL_CHARS_MAX,
  FILES_TOLD_MAX,
  JOB_BYTES_MAX,
  LEASES_PER_CALL_MAX,
  MEMORY_MIB_MAX,
  NOTICES_PER_REPLY_MAX,
  REPORTS_PER_CALL_MAX,
} from './limits.ts'
import { ReportText, RunErrorCode } from './report.ts'
import { SignatureText } from './signature.ts'
import { line, lines } from './text.ts'
import { CampaignId, ResultId, Sha256, WireInstant, WorkUnitId } from './units.ts'

/** What a host says about one result. Times are for statistics only: nothing is decided by them. */
export const SuccessReport = z.strictObject({
  resultId: ResultId,
  outcome: z.literal('success'),
  /** RFC 8785 text of a RunReport, exactly the bytes under the digest. */
  report: ReportText,
  digest: Sha256,
  /** Ed25519 over `reportBytes`; absent in a call that signs its reports: see `xeenet-reports`. */
  signature: SignatureText.optional(),
  cpuMs: z.int().min(0),
})
export type SuccessReport = z.infer<typeof SuccessReport>

export const ErrorReport = z.strictObject({
  resultId: ResultId,
  outcome: z.literal('error'),
  code: RunErrorCode,
  detail: lines(DETAIL_CHARS_MAX),
  cpuMs: z.int().min(0),
})
export type ErrorReport = z.infer<typeof ErrorReport>

/** A report as its host keeps it: signed, so that it can be sent in either form, and to any server. */
export const KeptReport = z.discriminatedUnion('outcome', [
  SuccessReport.extend({ signature: SignatureText }),
  ErrorReport,
])
export type KeptReport = z.infer<typeof KeptReport>

export const HostReport = z.discriminatedUnion('outcome', [SuccessReport, ErrorReport])
export type HostReport = z.infer<typeof HostReport>

/** How a self-test that the server demanded went. */
export const SelfTestAnswer = z.strictObject({ passed: z.boolean(), detail: lines(DETAIL_CHARS_MAX) })
export type SelfTestAnswer = z.infer<typeof SelfTestAnswer>

/** POST /api/v1/scheduler: one round trip. A malformed report refuses itself, not its neighbours: see `reports`. */
export const SchedulerBody = z.strictObject({
  client: line(CLIENT_CHARS_MAX),
  engineClasses: z.array(EngineClass).min(1).max(EngineClass.options.length),
  /** Of those that the host has measured. */
  engineRates: EngineRates.optional(),
  cores: z.int().min(1).max(CORES_MAX),
  memoryMiB: z.int().min(64).max(MEMORY_MIB_MAX),
  /** Parsed one by one as HostReport by the server. */
  reports: z.array(z.unknown()).max(REPORTS_PER_CALL_MAX),
  /** Every lease the host holds; leases the server has and the host does not list are sent again. */
  held: z
    .array(z.strictObject({ resultId: ResultId, fraction: z.number().min(0).max(1) }))
    .max(LEASES_PER_CALL_MAX * 4),
  want: z.int().min(0).max(LEASES_PER_CALL_MAX),
  /** Kernels and data that the host has at hand, the last used ones first: of the work in line it is given what needs no download. */
  files: z.array(Sha256).max(FILES_TOLD_MAX).optional(),
  /** The answer to `selfTest` of a reply. */
  selfTest: SelfTestAnswer.optional(),
})
export type SchedulerBody = z.infer<typeof SchedulerBody>

export const Lease = z.object({
  resultId: ResultId,
  workUnitId: WorkUnitId,
  campaign: z.object({ id: CampaignId, title: z.string() }),
  /** The exact bytes of slot 0. */
  job: z.string().max(JOB_BYTES_MAX),
  runKey: Sha256,
  kernel: z.object({ name: z.string(), version: z.int(), release: SignedRelease }),
  /** What computes it, and every other result of its work unit. */
  engineClass: EngineClass.default('wasm'),
  /** Of a native class: closed-form training FLOPs of the whole run, which is what it is paid by. */
  flops: z.int().positive().optional(),
  /** Files for slots 1…, in order, by hash: GET /api/v1/files/:sha256. */
  data: z.array(z.object({ sha256: Sha256, bytes: z.int().min(0) })).max(9),
  /** The most instructions that the kernel may execute; in a native run it draws the first weights and judges the last ones. */
  fuelMax: z.int().positive(),
  memoryPagesMax: z.int().positive(),
  deadline: WireInstant,
})
export type Lease = z.infer<typeof Lease>

/** `accepted` is a promise: the report is on disk and will be judged. */
export const ReportReply = z.object({
  resultId: z.string(),
  outcome: z.enum(['accepted', 'refused']),
  /** Of a refusal: a ProblemCode. */
  code: z.string().optional(),
  detail: z.string().optional(),
  hint: z.string().optional(),
})
export type ReportReply = z.infer<typeof ReportReply>

export const SchedulerReply = z.object({
  serverNow: WireInstant,
  retryAfterMs: z.int().min(0),
  reports: z.array(ReportReply),
  leases: z.array(Lease),
  abort: z.array(z.object({ resultId: ResultId, reason: z.string() })),
  /** Artifacts the server asks this host for: PUT /api/v1/files/:sha256. */
  wanted: z.array(z.object({ resultId: ResultId, sha256: Sha256 })),
  /** What changed since the last call about this host's results: verdicts and credit, newest last, at most 64. */
  verdicts: z.array(
    z.object({ resultId: ResultId, verdict: z.enum(['valid', 'invalid', 'inconclusive']), milli: z.int() }),
  ),
  /** Of the payee: its balance and what is held; pending of this host, from the moment its report is accepted. */
  credit: Credit,
  /** The server takes calls that sign their reports; an older one refuses them (`signature_invalid`). */
  signsReports: z.boolean().optional(),
  /** Nothing is leased until the host has tested itself and said how it went. */
  selfTest: z.literal(true).optional(),
  /** Sentences to the owner, oldest first: what was found about this host and what follows. */
  notices: z.array(z.string()).max(NOTICES_PER_REPLY_MAX),
})
export type SchedulerReply = z.infer<typeof SchedulerReply>

/** PUT /api/v1/files/:sha256: how much of an upload has arrived. */
export const UploadReply = z.object({ sha256: Sha256, received: z.int().min(0), complete: z.boolean() })
export type UploadReply = z.infer<typeof UploadReply>
