import { awaitsWeights } from '#domain/evidence.ts'
import { earned } from '#domain/prices.ts'
import { type Reception, type Refusal, receiveError, receiveSuccess, workOf } from '#domain/report.ts'
import { drawCheck, drawn, mayCompute, provenFuel, streakOf } from '#domain/trust.ts'
import type { Draw } from '#domain/types.ts'
import { PROBLEMS } from '#protocol/problem.ts'
import type { ReportReply } from '#protocol/scheduler.ts'
import type { Instant, ResultId } from '#protocol/units.ts'
import type { LockedResult } from '#store/reports.ts'
import type { ParsedReport } from './call.ts'
import type { Edge } from './edge.ts'
import { holdAgainst, type Visit } from './visit.ts'

/**
 * Decides every report of a call, in order, against the locked results, and notes on the visit what is to be stored. A
 * result that is accepted changes in `results`, so that a second report on it in the same call meets the first.
 */
export function receiveReports(visit: Visit, desk: Desk): void {
  for (const report of visit.call.reports) visit.reports.push(receive(visit, report, desk))
}

/** What is known of the results that a group of calls reports on. */
export interface Desk {
  readonly results: Map<string, LockedResult>
  /** Results that are reported with the digest of another run, or with a fuel that cannot be. */
  readonly doubtful: ReadonlySet<ResultId>
  /** Evaluations of weights, which others have taken already. */
  readonly evaluated: ReadonlyMap<string, ReportReply>
  readonly trust: Edge['trust']
  readonly now: Instant
}

function receive(visit: Visit, report: ParsedReport, desk: Desk): ReportReply {
  const { results, now } = desk
  if (report.type === 'refused') return refuse(visit, report.resultId, report.refusal)
  const { resultId } = report.sent
  const evaluated = desk.evaluated.get(resultId)
  if (evaluated !== undefined) return evaluated
  const result = results.get(resultId)
  const { id: hostId } = visit.host
  const reception =
    report.type === 'success' ? receiveSuccess(report, result, hostId, now) : receiveError(result, hostId)
  if (reception.type === 'refuse') return refuse(visit, resultId, reception)
  if (reception.type === 'accept' && result !== undefined) {
    visit.touched.add(result.workUnitId)
    results.set(resultId, accept(visit, report, result, { ...reception, desk }))
  }
  return { resultId, outcome: 'accepted' }
}

function accept(
  visit: Visit,
  report: Exclude<ParsedReport, { type: 'refused' }>,
  result: LockedResult,
  { late, desk }: Extract<Reception, { type: 'accept' }> & { readonly desk: Desk },
): LockedResult {
  const { id: hostId } = visit.host
  if (report.type === 'error') {
    const { resultId, code, detail, cpuMs } = report.sent
    visit.errors.push({ resultId, hostId, code, detail, cpuMs })
    // A task given back in good order is no failure of the machine, but it counts like one: work went out in vain.
    holdAgainst(visit, code === 'host_stopped' ? 'abort' : 'error', `error:${code}`, `${resultId}: ${detail}`)
    return { ...result, state: 'over', outcome: 'error' }
  }
  const { signature } = report
  const { resultId, digest, report: text, cpuMs } = report.sent
  const { artifactSha256, fuelUsed, metric } = report.run
  const work = workOf(report.run, result)
  if (!visit.host.trusted) {
    const { flops, fuelMax, priceMilliPerGfuel } = result
    visit.pendingMilli += earned({
      fuelUsed: work ?? fuelUsed,
      fuelMax: flops ?? fuelMax,
      priceMilliPerGfuel,
    })
  }
  visit.successes.push({
    ...{ resultId, hostId, digest, report: text, signature },
    ...{ artifactSha256, fuelUsed, cpuMs, late, work },
    ...{ metric: metric?.value ?? null, ...standingOf(visit, report.run.status === 'ok', result, desk) },
    weights: awaitsWeights(report.run) ? 'awaited' : null,
  })
  return { ...result, state: 'over', outcome: 'success', digest }
}

/** Whether the host is proven at this moment, and the check that is drawn for the report: before anyone sees it. */
function standingOf(
  { host }: Visit,
  ok: boolean,
  result: LockedResult,
  { doubtful, trust: { rules, secret } }: Desk,
): { proven: boolean; draw: Draw } {
  if (host.trusted) return { proven: false, draw: 'none' }
  const streak = streakOf(host, result.engineClass)
  const proven = mayCompute(host) && provenFuel(streak, host.exclusions, rules) >= result.fuelMax
  const facts = { unit: result, ok, proven, streak: streak.count }
  // The verifier says whether it was computed here as well.
  if (ok && doubtful.has(result.id)) return { proven, draw: 'verifier' }
  return { proven, draw: drawCheck(facts, drawn(secret, 'check', result.id), rules) }
}

function refuse(visit: Visit, resultId: string, { code, detail, penal }: Refusal): ReportReply {
  if (penal) holdAgainst(visit, 'invalid', code, `${resultId}: ${detail ?? ''}`)
  const [, , title, hint] = PROBLEMS[code]
  return { resultId, outcome: 'refused', code, detail: detail ?? title, hint }
}
