import { canonicalJson } from '#protocol/canonical.ts'
import type { EngineClass } from '#protocol/engine.ts'
import { Bounds, type Rung, rungEnd } from '#protocol/job.ts'
import type { KernelMetric } from '#protocol/kernel.ts'
import { flopsMade } from '#protocol/native.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import { RunReport } from '#protocol/report.ts'
import type { SuccessReport } from '#protocol/scheduler.ts'
import type { HostId, Instant, Sha256 } from '#protocol/units.ts'

/** Why a report does not count. `penal`: an honest client does not get here, so it costs the host trust. */
export interface Refusal {
  readonly code: ProblemCode
  readonly detail?: string
  readonly penal: boolean
}

/** A report that passed everything which can be checked without knowing what was asked. */
export interface ExaminedReport {
  readonly sent: SuccessReport
  readonly run: RunReport
}

/**
 * V0, first half, of a report that the host signed: the digest is that of the text, the text is the one RFC 8785 text of a
 * RunReport, and the report does not contradict itself. Hashing is done by the caller.
 */
export function examine(
  sent: SuccessReport,
  facts: { readonly textSha256: Sha256 },
): ExaminedReport | Refusal {
  if (facts.textSha256 !== sent.digest) return { code: 'report_digest_mismatch', penal: false }
  const value = parseJson(sent.report)
  if (value === undefined || canonicalOf(value) !== sent.report)
    return { code: 'report_malformed', detail: 'report: not the RFC 8785 text of a JSON value', penal: false }
  const parsed = RunReport.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const where = ['report', ...(issue?.path ?? [])].join('.')
    return { code: 'report_malformed', detail: `${where}: ${issue?.message ?? 'invalid'}`, penal: false }
  }
  const reason = selfContradiction(parsed.data)
  if (reason !== undefined) return { code: 'report_inconsistent', detail: reason, penal: true }
  return { sent, run: parsed.data }
}

export const isRefusal = (outcome: ExaminedReport | Refusal): outcome is Refusal => 'code' in outcome

/** How a finished run contradicts itself, or undefined. Both sides are the host's signed words. */
function selfContradiction(run: RunReport): string | undefined {
  for (const [before, after] of pairs(run.curve)) {
    if (after.update < before.update || after.fuel < before.fuel) return 'curve: it runs backwards'
  }
  const lastVal = run.curve.findLast(point => point.val !== null)?.val
  if (run.metric !== null && lastVal !== undefined && lastVal !== run.metric.value)
    return `metric: ${run.metric.value} is not the last validation point of the curve, ${lastVal}`
  return undefined
}

/** What the server knows about a result that a report is about. */
export interface ReportedResult {
  readonly hostId: HostId | null
  readonly state: 'unsent' | 'in_progress' | 'over'
  readonly outcome: 'success' | 'error' | 'no_reply' | 'not_needed' | 'cancelled' | null
  readonly deadline: Instant | null
  readonly graceUntil: Instant | null
  readonly digest: Sha256 | null
  readonly unitOpen: boolean
  readonly job: string
  readonly engineClass: EngineClass
  readonly fuelMax: number
  /** Where the budget counts FLOPs: those of the whole run. */
  readonly flops: number | null
  readonly metric: KernelMetric
  /** No run as asked gives less; null: nobody knows. */
  readonly metricFloor: number | null
}

/** What becomes of a report: taken, known already (the stored answer is `accepted`), or refused. */
export type Reception =
  | { readonly type: 'accept'; readonly late: boolean }
  | { readonly type: 'stored' }
  | ({ readonly type: 'refuse' } & Refusal)

/**
 * V0, second half, and whether the result may still be reported. A report counts while the host holds the lease, and
 * after that while the work unit is open or the result in its grace period.
 */
export function receiveSuccess(
  { sent, run }: ExaminedReport,
  result: ReportedResult | undefined,
  hostId: HostId,
  now: Instant,
): Reception {
  if (result === undefined || result.hostId !== hostId) return refuse('report_unknown')
  if (result.outcome === 'success') {
    if (result.digest === sent.digest) return { type: 'stored' }
    return refuse('report_conflict', `digest ${result.digest} was accepted before`, true)
  }
  if (result.outcome === 'error') return refuse('report_stale', 'an error was reported before')
  const reason = contradictsJob(run, result)
  if (reason !== undefined) return refuse('report_inconsistent', reason, true)
  if (result.state === 'in_progress')
    return { type: 'accept', late: result.deadline !== null && now > result.deadline }
  const inGrace = result.graceUntil !== null && now <= result.graceUntil
  return result.unitOpen || inGrace ? { type: 'accept', late: true } : refuse('report_stale')
}

/** The same for a host that could not finish. Once the lease is lost such news changes nothing. */
export function receiveError(result: ReportedResult | undefined, hostId: HostId): Reception {
  if (result === undefined || result.hostId !== hostId) return refuse('report_unknown')
  if (result.state === 'in_progress') return { type: 'accept', late: false }
  if (result.outcome === 'error') return { type: 'stored' }
  return refuse(result.outcome === 'success' ? 'report_conflict' : 'report_stale')
}

function contradictsJob(run: RunReport, result: ReportedResult): string | undefined {
  const engine = run.engine ?? 'wasm'
  if (engine !== result.engineClass) return `engine: asked of ${result.engineClass}, computed by ${engine}`
  const { limit, rungs } = Bounds.parse(JSON.parse(result.job))
  if (run.engine !== undefined && 'updates' in limit) {
    const reason = contradictsPlan(run, { planned: limit.updates, flops: result.fuelMax })
    if (reason !== undefined) return reason
  }
  // Of a prefix less is paid for at most; what it may execute is what the whole run may.
  const fuelMax = 'fuel' in limit ? limit.fuel : result.fuelMax
  if (run.fuelUsed > fuelMax) return `fuelUsed: ${run.fuelUsed} is more than the limit ${fuelMax}`
  const { name, minimum, maximum } = result.metric
  if (run.metric !== null && run.metric.name !== name)
    return `metric: the kernel's is ${name}, not ${run.metric.name}`
  if (run.metric !== null && (run.metric.value < minimum || run.metric.value > maximum))
    return `metric: ${run.metric.value} is outside ${minimum}…${maximum}`
  const { metricFloor } = result
  if (run.metric !== null && metricFloor !== null && run.metric.value < metricFloor)
    return `metric: ${run.metric.value} is less than the text can be told in`
  if ('updates' in limit && run.curve.some(point => point.update > limit.updates))
    return `curve: more than ${limit.updates} updates`
  return rungs === undefined || run.status !== 'ok' ? undefined : endsElsewhere(run, rungs.until)
}

/** A native run makes all its updates, unless it diverges before, and is paid by those it made. */
function contradictsPlan(
  { status, counters, fuelUsed }: RunReport,
  { planned, flops }: { readonly planned: number; readonly flops: number },
): string | undefined {
  const made = counters.updates ?? 0
  if (!Number.isInteger(made) || made < 0 || made > planned) return `updates: ${made} of ${planned}`
  if (status === 'ok' && made !== planned) return `updates: ended ok after ${made} of ${planned}`
  const due = flopsMade(flops, made, planned)
  return fuelUsed === due
    ? undefined
    : `fuelUsed: ${made} of ${planned} updates are ${due} FLOPs, not ${fuelUsed}`
}

/** What a success is paid by where its unit's budget counts FLOPs; null: by its fuel. */
export function workOf(run: RunReport, { job, flops }: Pick<ReportedResult, 'job' | 'flops'>): number | null {
  if (flops === null) return null
  const { limit } = Bounds.parse(JSON.parse(job))
  if (!('updates' in limit)) return null
  const made = Math.max(0, Math.floor(run.counters.updates ?? 0))
  return flopsMade(flops, made, limit.updates)
}

/** A prefix ends where its own plan says, and is evaluated wherever a rung before it ends. */
function endsElsewhere({ counters, curve }: RunReport, until: Rung): string | undefined {
  const { updates, updatesPlanned = 0 } = counters
  const ends = Array.from({ length: until + 1 }, (_, rung) => rungEnd(updatesPlanned, rung))
  if (updates !== ends.at(-1)) return `updates: rung ${until} of ${updatesPlanned} ends at ${ends.at(-1)}`
  const evaluated = curve.filter(point => point.val !== null).map(point => point.update)
  const missing = ends.find(end => !evaluated.includes(end))
  return missing === undefined ? undefined : `curve: no evaluation at update ${missing}`
}

const refuse = (code: ProblemCode, detail?: string, penal = false): Reception => ({
  type: 'refuse',
  code,
  penal,
  ...(detail === undefined ? {} : { detail }),
})

const pairs = <T>(items: readonly T[]): (readonly [T, T])[] =>
  items.flatMap((item, i) => {
    const next = items[i + 1]
    return next === undefined ? [] : [[item, next] as const]
  })

// RFC 8785 has no text for half a surrogate pair, which JSON can carry.
function canonicalOf(value: unknown): string | undefined {
  try {
    return canonicalJson(value)
  } catch {
    return undefined // a stranger's text, as below
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // a stranger's text: not JSON is an answer, not a failure
  }
}
