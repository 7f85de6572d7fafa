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
import { type Evaluations, giveEvaluations, receiveEvaluations } from './evaluations.ts'
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
  const hostIds = calls.map(call => call.hostId)
  const [reported, locked] = await Promise.all([
    lockReported(trx, calls.flatMap(reportedIds)),
    lockHosts(trx, hostIds, now),
  ])
  const hosts = new Map(locked.map(host => [host.id, host]))
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
  const [copied, odd, borrowed, evaluated] = await Promise.all([
    findCopied(trx, successes),
    findOddFuel(trx, successes),
    findBorrowed(trx, native),
    receiveEvaluations(trx, visits, now),
  ])
  const doubtful = new Set([...copied, ...odd, ...borrowed])
  for (const visit of visits) receiveReports(visit, { results, doubtful, evaluated, trust: edge.trust, now })
  const stored = storeReports(trx, visits, edge, now)
  // Who cheated is put out of play step by step; else what is read for the replies is asked behind what is written, at once.
  if (visits.some(({ cheated }) => cheated !== null)) await stored
  const [replies] = await Promise.all([composeReplies(trx, visits, edge, now), stored])
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
  const asked = successes.filter(
    ({ resultId, metric, weights }) => metric !== null && (weights !== null || isAsked(edge, resultId)),
  )
  const [succeeded, failed] = await Promise.all([
    storeSuccesses(trx, successes, now),
    storeErrors(trx, errors, now),
    requestArtifacts(
      trx,
      asked.map(({ resultId }) => resultId),
      now,
    ),
    edge.wake.workUnits(trx, [...new Set(visits.flatMap(visit => [...visit.touched]))]),
    addHostEvents(
      trx,
      visits.flatMap(visit => visit.events),
      now,
    ),
    excludeHosts(
      trx,
      visits.flatMap(({ host, cheated }) => (cheated === null ? [] : [{ hostId: host.id, reason: cheated }])),
      now,
    ),
    noteProgress(
      trx,
      visits.flatMap(({ host, call }) => call.body.held.map(held => ({ ...held, hostId: host.id }))),
    ),
  ])
  invariant(
    succeeded + failed === successes.length + errors.length,
    'a locked result takes the report it was judged fit for',
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
  const [given, told, wanted, notices, creditOf] = await Promise.all([
    giveLeases(trx, visits, edge, now),
    tellVerdicts(trx, idsOf(visits, 'hasVerdicts')),
    wantedOf(trx, idsOf(visits, 'hasRequests')),
    tellNotices(
      trx,
      visits.flatMap(({ host, events }) => (host.hasNotices || events.length > 0 ? [host.id] : [])),
    ),
    readCredits(
      trx,
      visits.map(visit => visit.host),
    ),
  ])
  const { work, leases, evaluations } = given
  const saved = visits.map((visit): HostCall => {
    const mine = work.get(visit.host.id) ?? NO_WORK
    const idleSince = idleAfter(visit, mine, now)
    const credit = creditOf(visit.host)
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
      credit: { ...credit, pendingMilli: credit.pendingMilli + visit.pendingMilli },
      signsReports: true,
      ...(owesSelfTest(visit) ? { selfTest: true } : {}),
      notices: notices.flatMap(({ hostId, notice }) => (hostId === visit.host.id ? [notice] : [])),
    }
    return callOf(visit, JSON.stringify(reply), idleSince)
  })
  const count = await saveCalls(trx, saved, now)
  invariant(count === visits.length, 'the hosts of a group stay locked')
  return new Map(saved.map(({ id, reply }) => [id, { type: 'reply', text: reply }]))
}

/** What is given to whom: of both kinds of work, and the leases as they are sent. */
async function giveLeases(
  trx: Trx,
  visits: readonly Visit[],
  edge: Edge & { readonly catalogue: Catalogue },
  now: Instant,
): Promise<{
  readonly work: ReadonlyMap<HostId, Work>
  readonly leases: ReadonlyMap<ResultId, Lease>
  readonly evaluations: ReadonlyMap<HostId, Evaluations>
}> {
  const { catalogue } = edge
  const work = await giveWork(trx, visits, dispatchOf(edge, now))
  const given = [...work.values()].flatMap(({ leases }) => leases)
  const leases = await buildLeases(trx, given, catalogue)
  const evaluations = await giveEvaluations(trx, visits, {
    given: hostId => work.get(hostId)?.leases.length ?? 0,
    ...{ catalogue, now },
  })
  return { work, leases, evaluations }
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
