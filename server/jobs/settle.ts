import { isDeepStrictEqual } from 'node:util'
import { invariant } from '#domain/invariant.ts'
import { isFinalBy, type Standing, streakOf } from '#domain/trust.ts'
import type { HostId, WorkUnitId } from '#protocol/units.ts'
import { retractCorpus } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addHostEvents } from '#store/hosts.ts'
import { refreshScores } from '#store/scores.ts'
import { addExclusions, hostsWithProvisional, saveStandings } from '#store/standing.ts'
import { tellHosts, tickVerified } from '#store/stream.ts'
import { confirmResults, doubtResults, giveVerdicts } from '#store/verdicts.ts'
import { acceptWorkUnits, demandChecks, overturnWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'
import { pay } from './pay.ts'
import type { Verdicts } from './validate.ts'

/** Judged work units, and which of them are published in the same breath: nothing can change any more. */
type Judged = Verdicts & { readonly published: ReadonlySet<WorkUnitId> }

/**
 * Applies what was judged, one statement per kind of consequence, but for the credit (`paySettlements`) and for what the
 * units do next.
 */
export async function applySettlements(trx: Trx, deps: JobDeps, facts: Judged): Promise<void> {
  const { judged, settlements, before, after, now } = facts
  const changed = [...after.values()].filter(host => !isDeepStrictEqual(host, before.get(host.id)))
  const accepted = new Set(settlements.flatMap(s => (s.canonicalId === null ? [] : [s.workUnitId])))
  // What was published and is verified only now may lead a leaderboard.
  const shown = judged.filter(unit => unit.state === 'valid' && unit.publishedAt !== null)
  // Sent together, done in this order.
  await Promise.all([
    changeUnits(trx, facts),
    withdraw(trx, deps, facts),
    confirmResults(
      trx,
      settlements.flatMap(s => s.confirmed),
    ),
    doubtResults(
      trx,
      settlements.flatMap(s => s.doubted),
    ),
    addHostEvents(
      trx,
      settlements.flatMap(settlement => settlement.notes),
      now,
    ),
    stand(trx, deps, changed, facts),
    refreshScores(
      trx,
      judged.flatMap(unit => (accepted.has(unit.id) ? [unit.experimentId] : [])),
    ),
    deps.enqueue(trx, 'propose', [...new Set(shown.map(unit => unit.campaignId))]),
    tickVerified(trx, shown, now),
    tellHosts(
      trx,
      settlements.flatMap(s => s.verdicts.map(verdict => verdict.resultId)),
    ),
  ])
}

/** Moves the credit of what was judged: last, since the accounts of campaigns are what batches wait for each other for. */
export const paySettlements = (trx: Trx, { settlements, now }: Verdicts): Promise<void> =>
  pay(
    trx,
    {
      grants: settlements.flatMap(s => s.grants),
      vestNow: new Set(settlements.flatMap(s => s.verdicts.filter(v => !v.provisional).map(v => v.resultId))),
      reversals: settlements.flatMap(s => s.reversals),
      vests: settlements.flatMap(s => s.vests),
    },
    now,
  )

async function changeUnits(trx: Trx, facts: Judged): Promise<void> {
  const { judged, settlements, successes, published, now } = facts
  const metrics = new Map(successes.map(({ id, metric }) => [id, metric]))
  const answers = settlements.flatMap(({ workUnitId: id, canonicalId, overturned }) => {
    if (canonicalId === null) return []
    const metric = metrics.get(canonicalId)
    invariant(metric !== undefined, 'an answer is one of the successes that were judged')
    return [{ id, canonicalId, metric, overturned, isPublished: published.has(id) }]
  })
  const accepted = answers.filter(answer => !answer.overturned)
  const overturned = answers.filter(answer => answer.overturned)
  const demands = settlements.flatMap(({ workUnitId: id, demand }) =>
    demand === null ? [] : [{ id, demand }],
  )
  const settled = new Map(settlements.map(settlement => [settlement.workUnitId, settlement]))
  const given = judged.map(workUnit => ({ workUnit, verdicts: settled.get(workUnit.id)?.verdicts ?? [] }))
  const changed = await Promise.all([
    acceptWorkUnits(trx, accepted, now),
    overturnWorkUnits(trx, overturned, now),
    demandChecks(trx, demands),
    giveVerdicts(trx, given),
  ])
  const expected = answers.length + demands.length + sum(given.map(({ verdicts }) => verdicts.length))
  invariant(sum(changed) === expected, 'what is locked is judged as it was read')
}

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0)

/** What was published of answers that the verifier contradicted is marked; the campaigns have something to publish again. */
async function withdraw(trx: Trx, deps: JobDeps, { judged, settlements, now }: Judged): Promise<void> {
  const ids = settlements.filter(s => s.overturned).map(s => s.workUnitId)
  if (ids.length === 0) return
  await retractCorpus(trx, ids, now)
  const overturned = judged.filter(unit => ids.includes(unit.id))
  const detail = 'a check by the verifier gave another result'
  const events = overturned.map(({ id: workUnitId, campaignId }) => ({
    ...{ campaignId, workUnitId, event: 'overturned' as const, detail },
  }))
  await addCampaignEvents(trx, events, now)
  await deps.enqueue(
    trx,
    'propose',
    overturned.map(unit => unit.campaignId),
  )
}

/** Writes how hosts stand, and has what follows for their earlier results done. */
async function stand(trx: Trx, deps: JobDeps, changed: readonly Standing[], facts: Judged): Promise<void> {
  const { before, settlements, now } = facts
  const notes = settlements.flatMap(settlement => settlement.notes)
  await saveStandings(trx, changed)
  const out = changed.filter(
    host => host.state === 'quarantined' && before.get(host.id)?.state !== 'quarantined',
  )
  const reasonOf = ({ id }: Standing): string =>
    notes.findLast(note => note.hostId === id && note.event === 'quarantined')?.detail ?? 'it lied'
  await addExclusions(
    trx,
    out.map(host => ({ hostId: host.id, reason: reasonOf(host) })),
    now,
  )
  const faulty = changed.filter(({ streaks }) => Object.values(streaks).some(s => s.faultAt === now))
  const outOfPlay = changed.filter(({ state }) => state !== 'active')
  const waiting = await hostsWithProvisional(trx, finalSince(changed, facts))
  await deps.enqueue(trx, 'standing', [
    ...new Set([...[...faulty, ...outOfPlay].map(host => host.id), ...waiting]),
  ])
}

/** Hosts of which something that stood provisionally may be final now: a check passed, or it had passed before the verdict. */
function finalSince(
  changed: readonly Standing[],
  { before, after, successes, settlements }: Judged,
): readonly HostId[] {
  const moved = changed.filter(({ id, streaks }) =>
    Object.entries(streaks).some(
      ([engineClass, { finalUntil }]) => finalUntil !== before.get(id)?.streaks[engineClass]?.finalUntil,
    ),
  )
  const held = new Set(settlements.flatMap(s => s.verdicts.flatMap(v => (v.provisional ? [v.resultId] : []))))
  const late = successes.filter(({ id, hostId, reportedAt, engineClass }) => {
    const host = after.get(hostId)
    return host !== undefined && held.has(id) && isFinalBy(reportedAt, streakOf(host, engineClass))
  })
  return [...new Set([...moved.map(({ id }) => id), ...late.map(({ hostId }) => hostId)])]
}
