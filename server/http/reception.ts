import { type Reception, type Refusal, receiveError, receiveSuccess } from '#domain/report.ts'
import { PROBLEMS } from '#protocol/problem.ts'
import type { ReportReply } from '#protocol/scheduler.ts'
import type { Instant } from '#protocol/units.ts'
import type { LockedResult } from '#store/reports.ts'
import type { ParsedReport } from './call.ts'
import { holdAgainst, type Visit } from './visit.ts'

/**
 * Decides every report of a call, in order, against the locked results, and notes on the visit what is to be stored. A
 * result that is accepted changes in `results`, so that a second report on it in the same call meets the first.
 */
export function receiveReports(visit: Visit, results: Map<string, LockedResult>, now: Instant): void {
  for (const report of visit.call.reports) visit.reports.push(receive(visit, report, results, now))
}

function receive(
  visit: Visit,
  report: ParsedReport,
  results: Map<string, LockedResult>,
  now: Instant,
): ReportReply {
  if (report.type === 'refused') return refuse(visit, report.resultId, report.refusal)
  const { resultId } = report.sent
  const result = results.get(resultId)
  const { id: hostId } = visit.host
  const reception =
    report.type === 'success' ? receiveSuccess(report, result, hostId, now) : receiveError(result, hostId)
  if (reception.type === 'refuse') return refuse(visit, resultId, reception)
  if (reception.type === 'accept' && result !== undefined) {
    visit.touched.add(result.workUnitId)
    results.set(resultId, accept(visit, report, result, reception))
  }
  return { resultId, outcome: 'accepted' }
}

function accept(
  visit: Visit,
  report: Exclude<ParsedReport, { type: 'refused' }>,
  result: LockedResult,
  { late }: Extract<Reception, { type: 'accept' }>,
): LockedResult {
  const { id: hostId } = visit.host
  if (report.type === 'error') {
    const { resultId, code, detail, cpuMs } = report.sent
    visit.errors.push({ resultId, hostId, code, detail, cpuMs })
    // A task given back in good order is no failure of the machine, but it counts like one: work went out in vain.
    holdAgainst(visit, code === 'host_stopped' ? 'abort' : 'error', `error:${code}`, `${resultId}: ${detail}`)
    return { ...result, state: 'over', outcome: 'error' }
  }
  const { resultId, digest, report: text, signature, cpuMs } = report.sent
  const { artifactSha256, fuelUsed } = report.run
  visit.successes.push({
    ...{ resultId, hostId, digest, report: text, signature },
    ...{ artifactSha256, fuelUsed, cpuMs, late },
  })
  return { ...result, state: 'over', outcome: 'success', digest }
}

function refuse(visit: Visit, resultId: string, { code, detail, penal }: Refusal): ReportReply {
  if (penal) holdAgainst(visit, 'invalid', code, `${resultId}: ${detail ?? ''}`)
  const [, , title, hint] = PROBLEMS[code]
  return { resultId, outcome: 'refused', code, detail: detail ?? title, hint }
}
