import { isThrottled, nextQuota, type QuotaEvent } from '#domain/quota.ts'
import type { ReportReply } from '#protocol/scheduler.ts'
import type { ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import type { HostEvent, LockedHost } from '#store/hosts.ts'
import type { AcceptedError, AcceptedSuccess } from '#store/reports.ts'
import type { ParsedCall } from './call.ts'

/** One call on its way through the transaction: what it asked, its locked host, and what came of it so far. */
export interface Visit {
  readonly call: ParsedCall
  readonly host: LockedHost
  readonly reports: ReportReply[]
  readonly successes: AcceptedSuccess[]
  readonly errors: AcceptedError[]
  /** What it may earn with these successes. */
  pendingMilli: number
  readonly touched: Set<WorkUnitId>
  readonly events: HostEvent[]
  dailyQuota: number
  usedToday: number
  selfTest: LockedHost['selfTest']
  /** Its self-test failed once too often in this call. */
  isBroken: boolean
  /** How the host cheated in this call; null: it did not. */
  cheated: string | null
}

export const newVisit = (call: ParsedCall, host: LockedHost): Visit => ({
  call,
  host,
  reports: [],
  successes: [],
  errors: [],
  pendingMilli: 0,
  touched: new Set(),
  events: [],
  dailyQuota: host.dailyQuota,
  usedToday: host.usedToday,
  selfTest: host.selfTest,
  isBroken: false,
  cheated: null,
})

/** Notes something that speaks against the host: its quota changes, and the operator can read why. */
export function holdAgainst(visit: Visit, quota: QuotaEvent, event: string, detail: string): void {
  const before = visit.dailyQuota
  visit.dailyQuota = nextQuota(before, quota)
  visit.events.push({ hostId: visit.host.id, event, detail })
  if (isThrottled(before, visit.dailyQuota))
    visit.events.push({ hostId: visit.host.id, event: 'throttled', detail: `after ${event}` })
}

/** Every result id that the host named in its reports. */
export const reportedIds = (call: ParsedCall): ResultId[] =>
  call.reports.flatMap(report => (report.type === 'refused' ? [] : [report.sent.resultId]))

/** The native runs that the host reports, by the weights that they commit to. */
export const nativeIn = (call: ParsedCall): { resultId: ResultId; artifactSha256: Sha256 }[] =>
  call.reports.flatMap(report => {
    if (report.type !== 'success' || report.run.engine === undefined) return []
    const { artifactSha256 } = report.run
    return artifactSha256 === null ? [] : [{ resultId: report.sent.resultId, artifactSha256 }]
  })

/** The finished runs that the host reports; `fuelUsed` is null of those that did not end ok. */
export const successesIn = (
  call: ParsedCall,
): { resultId: ResultId; digest: Sha256; fuelUsed: number | null }[] =>
  call.reports.flatMap(report => {
    if (report.type !== 'success') return []
    const { sent, run } = report
    const fuelUsed = run.status === 'ok' ? run.fuelUsed : null
    return [{ resultId: sent.resultId, digest: sent.digest, fuelUsed }]
  })
