import { retryAfter } from '#domain/dispatch.ts'
import { drawWeights } from '#domain/evidence.ts'
import { invariant } from '#domain/invariant.ts'
import { drawn, owesSelfTest } from '#domain/trust.ts'
import type { ProblemCode } from '#protocol/problem.ts'
import type { Lease, SchedulerReply } from '#protocol/scheduler.ts'
import { type HostId, type Instant, type ResultId, toWire } from '#protocol/units.ts'
import type { Trx } from '#store/database.ts'
import { type LeaseRow, noteProgress } from '#store/dispatch.ts'
import { requestArtifacts, wantedOf } from '#store/files.ts'
import { addHostEvents, type HostCall, type LockedHost, lockHosts, saveCalls } from '#store/hosts.ts'
import { tellNotices } from '#store/notices.ts'
import { findOddFuel, lockReported, storeErrors, storeSuccesses, tellVerdicts } from '#store/reports.ts'
import { excludeHosts } from '#store/standing.ts'
import { findBorrowed, findCopied } from '#store/verdicts.ts'
import type { ParsedCall } from './call.ts'
import { type Catalogue, slotFiles } from './catalogue.ts'
import { readCredits } from './credits.ts'
import type { Edge } from './edge.ts'
import { giveEvaluations, receiveEvaluations } from './evaluations.ts'
import { noteHosts } from './host-notes.ts'
import { receiveReports } from './reception.ts'
import { nativeIn, newVisit, reportedIds, successesIn, type Visit } from './visit.ts'
import { giveWork, type Work } from './work.ts'

/** The answer to a call: the text of a SchedulerReply, kept byte for byte for a repeated call, or a refusal. */
export type Answer =
  | { readonly type: 'reply'; readonly text: string }
  | { readonly type: 'refused'; readonly code: ProblemCode; readonly detail?: string }

/**
 * Answers scheduler calls of different hosts in one transaction. Locks are taken in the order work unit, result, host;
 * what is locked after the hosts (candidates, verdicts, progress) is skipped when somebody else holds it.
 */
export async function answerCalls(
  trx: Trx,
  calls: readonly ParsedCall[],
  edge: Edge & { readonly catalogue: Catalogue },
): Promise<Answer[]> {
  const now = edge.now()
  const reported = await lockReported(trx, calls.flatMap(reportedIds))
  const hosts = new Map(
    (
      await lockHosts(
        trx,
        calls.map(call => call.hostId),
        now,
      )
    ).map(host => [host.id, host]),
  )
  const early = calls.map(call => answerEarly(call, hosts.get(call.hostId)))
  const visits = calls.flatMap((call, i) => {
    const host = hosts.get(call.hostId)
    return host === undefined || early[i] !== undefined ? [] : [newVisit(call, host)]
  })
  await noteHosts(trx, visits, now)
  const results = new Map(reported.map(result => [String(result.id), result]))
  const successes = visits
    .flatMap(visit => successesIn(visit.call))
    .flatMap(({ resultId, ...said }) => {
      const result = results.get(resultId)
      return result === undefined ? [] : [{ ...result, ...said }]
    })
  const native = visits.flatMap(visit => nativeIn(visit.call))
  const doubtful = new Set([
    ...(await findCopied(trx, successes)),
    ...(await findOddFuel(trx, successes)),
    ...(await findBorrowed(trx, native)),
  ])
  const evaluated = await receiveEvaluations(trx, visits, now)
  for (const visit of visits) receiveReports(visit, { results, doubtful, evaluated, trust: edge.trust, now })
  await storeReports(trx, visits, edge, now)
  const replies = await composeReplies(trx, visits, edge, now)
  return calls.map((call, i) => {
    const answer = early[i] ?? replies.get(call.hostId)
    invariant(answer !== undefined, 'every call is answered')
    return answer
  })
}

/** The answer to a call that goes no further: a repeated one gets the last reply again. */
function answerEarly(call: ParsedCall, host: LockedHost | undefined): Answer | undefined {
  if (host === undefined || host.state === 'retired') return { type: 'refused', code: 'host_retired' }
  if (call.call === host.lastCall && call.bodySha256 === host.lastBodySha256 && host.lastReply !== null)
    return { type: 'reply', text: host.lastReply }
  if (call.call <= host.lastCall) return { type: 'refused', code: 'call_replayed' }
  if (host.state !== 'quarantined') return undefined
  return {
    type: 'refused',
    code: 'host_quarantined',
    ...(host.lastNotice === null ? {} : { detail: host.lastNotice }),
  }
}

async function storeReports(trx: Trx, visits: readonly Visit[], edge: Edge, now: Instant): Promise<void> {
  const successes = visits.flatMap(visit => visit.successes)
  const errors = visits.flatMap(visit => visit.errors)
  const stored = (await storeSuccesses(trx, successes, now)) + (await storeErrors(trx, errors, now))
  invariant(
    stored === successes.length + errors.length,
    'a locked result takes the report it was judged fit for',
  )
  const asked = successes.filter(
    ({ resultId, metric, weights }) => metric !== null && (weights !== null || isAsked(edge, resultId)),
  )
  await requestArtifacts(
    trx,
    asked.map(({ resultId }) => resultId),
    now,
  )
  await edge.wake.workUnits(trx, [...new Set(visits.flatMap(visit => [...visit.touched]))])
  await addHostEvents(
    trx,
    visits.flatMap(visit => visit.events),
    now,
  )
  await excludeHosts(
    trx,
    visits.flatMap(({ host, cheated }) => (cheated === null ? [] : [{ hostId: host.id, reason: cheated }])),
    now,
  )
  await noteProgress(
    trx,
    visits.flatMap(({ host, call }) => call.body.held.map(held => ({ ...held, hostId: host.id }))),
  )
}

/** Whether the weights of a finished run are asked for: drawn under the secret, when its report is accepted. */
const isAsked = ({ trust }: Edge, resultId: ResultId): boolean =>
  drawWeights(drawn(trust.secret, 'weights', resultId)) !== 'none'

const dispatchOf = (
  {
    settings: { pairMs, starveMs },
    trust: { rules },
    random,
    wake,
    catalogue,
  }: Edge & { readonly catalogue: Catalogue },
  now: Instant,
) => ({
  ...{ now, random, wake, catalogue, rules, pairMs, starveMs },
})

async function composeReplies(
  trx: Trx,
  visits: readonly Visit[],
  edge: Edge & { readonly catalogue: Catalogue },
  now: Instant,
): Promise<Map<HostId, Answer>> {
  if (visits.length === 0) return new Map()
  const work = await giveWork(trx, visits, dispatchOf(edge, now))
  const leases = await buildLeases(
    trx,
    [...work.values()].flatMap(w => w.leases),
    edge.catalogue,
  )
  const evaluations = await giveEvaluations(trx, visits, {
    given: hostId => work.get(hostId)?.leases.length ?? 0,
    ...{ catalogue: edge.catalogue, now },
  })
  const told = await tellVerdicts(trx, idsOf(visits, 'hasVerdicts'))
  const wanted = await wantedOf(trx, idsOf(visits, 'hasRequests'))
  const notices = await tellNotices(
    trx,
    visits.flatMap(({ host, events }) => (host.hasNotices || events.length > 0 ? [host.id] : [])),
  )
  const creditOf = await readCredits(
    trx,
    visits.map(visit => visit.host),
  )
  const saved = visits.map((visit): HostCall => {
    const mine = work.get(visit.host.id) ?? NO_WORK
    const idleSince = idleAfter(visit, mine, now)
    const reply: SchedulerReply = {
      serverNow: toWire(now),
      retryAfterMs: retryAfter(
        { idleMs: now - (idleSince ?? now), retryMinMs: edge.settings.retryMinMs },
        edge.random,
      ),
      reports: visit.reports,
      leases: [
        ...mine.leases.flatMap(({ resultId }) => leases.get(resultId) ?? []),
        ...(evaluations.get(visit.host.id)?.leases ?? []),
      ],
      abort: mine.abort.filter(({ resultId }) => evaluations.get(visit.host.id)?.ids.has(resultId) !== true),
      wanted: wanted.flatMap(({ hostId, ...file }) => (hostId === visit.host.id ? [file] : [])),
      verdicts: told.flatMap(({ hostId, resultId, verdict, milli }) =>
        hostId === visit.host.id ? [{ resultId, verdict, milli }] : [],
      ),
      credit: creditOf(visit.host),
      ...(owesSelfTest(visit) ? { selfTest: true } : {}),
      notices: notices.flatMap(({ hostId, notice }) => (hostId === visit.host.id ? [notice] : [])),
    }
    return callOf(visit, JSON.stringify(reply), idleSince)
  })
  const count = await saveCalls(trx, saved, now)
  invariant(count === visits.length, 'the hosts of a group stay locked')
  return new Map(saved.map(({ id, reply }) => [id, { type: 'reply', text: reply }]))
}

const idsOf = (visits: readonly Visit[], fact: 'hasVerdicts' | 'hasRequests'): HostId[] =>
  visits.flatMap(({ host }) => (host[fact] ? [host.id] : []))

const NO_WORK: Work = { leases: [], isNew: false, abort: [] }

/** Since when the host was given nothing although it wanted something; null when it just was, or wants nothing. */
function idleAfter({ call, host }: Visit, work: Work, now: Instant): Instant | null {
  if (work.isNew || call.body.want === 0) return null
  return host.idleSince ?? now
}

function callOf({ call, dailyQuota, usedToday }: Visit, reply: string, idleSince: Instant | null): HostCall {
  const { client, engineClasses, cores, memoryMiB } = call.body
  return {
    ...{ id: call.hostId, call: call.call, reply, bodySha256: call.bodySha256 },
    ...{ client, engineClasses, cores, memoryMiB, dailyQuota, usedToday, idleSince },
  }
}

async function buildLeases(
  trx: Trx,
  rows: readonly LeaseRow[],
  catalogue: Catalogue,
): Promise<Map<ResultId, Lease>> {
  const leases = new Map<ResultId, Lease>()
  for (const row of rows) {
    const kernel = await catalogue.kernel(trx, row.kernelSha256)
    const dataset = await catalogue.dataset(trx, row.datasetSha256)
    const { statement, signature, manifest } = kernel
    leases.set(row.resultId, {
      resultId: row.resultId,
      workUnitId: row.workUnitId,
      campaign: { id: row.campaignId, title: row.title },
      job: row.job,
      runKey: row.runKey,
      engineClass: row.engineClass,
      kernel: { name: manifest.name, version: manifest.version, release: { statement, signature } },
      data: slotFiles(manifest, dataset),
      ...(row.engineClass === 'wasm'
        ? { fuelMax: row.fuelMax }
        : { fuelMax: manifest.bounds.fuelMax, flops: row.fuelMax }),
      memoryPagesMax: manifest.memoryPagesMax,
      deadline: toWire(row.deadline),
    })
  }
  return leases
}
