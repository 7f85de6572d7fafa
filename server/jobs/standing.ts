import { reopen } from '#domain/reopen.ts'
import { grantOf } from '#domain/settle-pay.ts'
import { spreadExclusion } from '#domain/trust.ts'
import type { HostId } from '#protocol/units.ts'
import { judgedResultsOf, listJoint, partHost } from '#store/claims.ts'
import { retractCorpus } from '#store/corpus.ts'
import { inBusyTransaction, type Trx } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addHostEvents } from '#store/hosts.ts'
import { freeLeases } from '#store/leases.ts'
import { refreshScores } from '#store/scores.ts'
import {
  addExclusions,
  hostsInDoubt,
  lockOwners,
  lockStandings,
  markSpread,
  readExclusions,
  saveStandings,
} from '#store/standing.ts'
import {
  finaliseResults,
  listInDoubt,
  listOrphans,
  lockJudged,
  paidOf,
  readQuietSuccesses,
  unjudgeResults,
} from '#store/verdicts.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { type LoadedWorkUnit, lockWorkUnits, reopenWorkUnits } from '#store/work-units.ts'
import type { HostHandler, JobDeps } from './deps.ts'
import { logExclusions } from './log-exclusions.ts'
import { pay } from './pay.ts'

// One transaction changes at most this many work units: some hundred milliseconds, so that others get their turn.
const UNITS_PER_BATCH = 500

/**
 * What the standing of a host means for its earlier results: an exclusion reaches the owner's other hosts, what is in doubt
 * is open again, what passed is final. Everything is derived from what is stored, batch by batch, so that it may end at
 * any line and go on later.
 */
export const runStanding: HostHandler = async (deps, ids) => {
  const excluded = await inBusyTransaction(deps.knex, trx => spread(trx, deps, ids))
  await inBusyTransaction(deps.knex, trx => release(trx, deps, [...excluded]))
  for (const id of await inBusyTransaction(deps.knex, trx => hostsInDoubt(trx, ids))) {
    await untilDone(deps, trx => reopenSome(trx, deps, id, excluded.has(id)))
    await untilDone(deps, trx => reopenJoint(trx, deps, id))
    await inBusyTransaction(deps.knex, trx => partHost(trx, id))
    await untilDone(deps, trx => reopenOrphans(trx, deps, id))
  }
  await untilDone(deps, trx => finaliseSome(trx, deps, ids))
}

async function untilDone({ knex }: JobDeps, batch: (trx: Trx) => Promise<number>): Promise<void> {
  while ((await inBusyTransaction(knex, batch)) === UNITS_PER_BATCH);
}

/** Exclusions of these hosts that nobody acted on yet: pauses or excludes the others of their owners. Gives all that are excluded. */
async function spread(trx: Trx, deps: JobDeps, ids: readonly HostId[]): Promise<ReadonlySet<HostId>> {
  const now = deps.now()
  const known = await readExclusions(trx, ids)
  const fresh = known.filter(exclusion => !exclusion.isSpread).map(exclusion => exclusion.hostId)
  if (fresh.length === 0) return new Set(known.map(exclusion => exclusion.hostId))
  const owners = await lockOwners(trx, fresh)
  const all = await readExclusions(trx, [...owners.keys()])
  const changed = spreadExclusion([...owners.values()], new Set(all.map(exclusion => exclusion.hostId)))
  await saveStandings(trx, changed)
  const out = changed.filter(host => host.state === 'quarantined')
  const reason = 'a second host of its owner was excluded'
  await addExclusions(
    trx,
    out.map(host => ({ hostId: host.id, reason })),
    now,
  )
  await addHostEvents(
    trx,
    changed.map(host => ({
      ...{ hostId: host.id, event: host.state },
      detail:
        host.state === 'paused'
          ? 'another host of its owner was excluded: its results are checked again'
          : reason,
    })),
    now,
  )
  await logExclusions(
    trx,
    deps,
    [...known.filter(e => fresh.includes(e.hostId)), ...out.map(host => ({ hostId: host.id, reason }))],
    owners,
  )
  await markSpread(trx, [...fresh, ...out.map(host => host.id)], now)
  await deps.enqueue(
    trx,
    'standing',
    changed.map(host => host.id),
  )
  deps.log.warn({ hostIds: fresh, others: changed.length }, 'hosts were excluded')
  return new Set(all.map(exclusion => exclusion.hostId))
}

// In a transaction of its own, because work units are locked before hosts.
async function release(trx: Trx, deps: JobDeps, hostIds: readonly HostId[]): Promise<void> {
  if (hostIds.length > 0) await freeLeases(trx, hostIds, deps.now())
}

/** Units whose answer is in doubt with this host are open again; gives how many were looked at. */
async function reopenSome(trx: Trx, deps: JobDeps, hostId: HostId, isExcluded: boolean): Promise<number> {
  const ids = await listInDoubt(trx, { hostId, everything: isExcluded, limit: UNITS_PER_BATCH })
  if (ids.length === 0) return 0
  const loaded = await lockWorkUnits(trx, ids)
  const successes = await readQuietSuccesses(trx, ids)
  await lockJudged(trx, ids)
  const doubted = await lockStandings(trx, [hostId])
  const reopenings = loaded.flatMap(({ workUnit }) => {
    const mine = successes.filter(success => success.workUnitId === workUnit.id)
    const facts = mine.map(row => ({ ...row, paid: paidOf(row), unreadable: null }))
    const reopening = reopen({ workUnit, successes: facts }, doubted)
    return reopening === undefined ? [] : [reopening]
  })
  const reversals = reopenings.flatMap(reopening => reopening.reversals)
  const opened = new Set(reopenings.map(reopening => reopening.workUnitId))
  await unjudgeResults(
    trx,
    reopenings.flatMap(reopening => reopening.results),
    reversals.map(reversal => reversal.resultId),
  )
  const units = loaded.filter(({ workUnit }) => opened.has(workUnit.id))
  await openAgain(trx, deps, units, `result of host ${hostId} is in doubt and nobody confirmed it`)
  await pay(trx, { reversals, to: 'forfeit' }, deps.now())
  return reopenings.length === 0 ? 0 : ids.length
}

/** Units on whose answer only hosts of one owner agreed, since a claim joined them, are open again; gives how many. */
async function reopenJoint(trx: Trx, deps: JobDeps, hostId: HostId): Promise<number> {
  const loaded = await lockWorkUnits(trx, await listJoint(trx, hostId, UNITS_PER_BATCH))
  if (loaded.length === 0) return 0
  const ids = loaded.map(({ workUnit }) => workUnit.id)
  const joint = new Set(await listJoint(trx, hostId, UNITS_PER_BATCH)) // again, now that nothing changes any more
  const units = loaded.filter(({ workUnit }) => joint.has(workUnit.id))
  const opened = ids.filter(id => joint.has(id))
  await lockJudged(trx, opened)
  await unjudgeResults(trx, await judgedResultsOf(trx, opened), [])
  await openAgain(trx, deps, units, 'only hosts of one owner had agreed')
  return units.length
}

/** Units of other campaigns that were answered with a result which is not valid any more. */
async function reopenOrphans(trx: Trx, deps: JobDeps, hostId: HostId): Promise<number> {
  const loaded = await lockWorkUnits(trx, await listOrphans(trx, hostId, UNITS_PER_BATCH))
  await openAgain(trx, deps, loaded, 'the published result that answered it was retracted')
  return loaded.length
}

async function openAgain(
  trx: Trx,
  deps: JobDeps,
  units: readonly LoadedWorkUnit[],
  detail: string,
): Promise<void> {
  if (units.length === 0) return
  const now = deps.now()
  const ids = units.map(({ workUnit }) => workUnit.id)
  const campaignIds = [...new Set(units.map(({ workUnit }) => workUnit.campaignId))]
  await reopenWorkUnits(trx, ids, now)
  await retractCorpus(trx, ids, now)
  await addCampaignEvents(
    trx,
    units.map(({ workUnit: { id: workUnitId, campaignId } }) => ({
      ...{ campaignId, workUnitId, event: 'reopened' as const, detail },
    })),
    now,
  )
  await touchWorkUnits(trx, ids, now)
  await deps.enqueue(trx, 'propose', campaignIds)
  await refreshScores(
    trx,
    units.map(({ workUnit }) => workUnit.experimentId),
  )
}

/** Results of these hosts whose check has passed since stand for good; gives how many there were. */
async function finaliseSome(trx: Trx, deps: JobDeps, hostIds: readonly HostId[]): Promise<number> {
  // What passed has passed: a fault that is found meanwhile concerns what came after, and finds these units locked.
  const final = await finaliseResults(trx, hostIds, UNITS_PER_BATCH)
  if (final.length === 0) return 0
  const vests = final
    .flatMap(({ hostId: id, userId, ...row }) =>
      grantOf(row, { id: row.id, paid: paidOf(row) }, { id, userId }),
    )
    .filter(grant => !grant.vested)
  await deps.enqueue(trx, 'propose', [...new Set(final.map(({ campaignId }) => campaignId))])
  await pay(trx, { vests }, deps.now())
  return final.length
}
