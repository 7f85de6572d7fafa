import { invariant } from '#domain/invariant.ts'
import type { Settlement } from '#domain/settle.ts'
import type { Standing } from '#domain/trust.ts'
import type { WorkUnit } from '#domain/types.ts'
import type { HostId, Instant } from '#protocol/units.ts'
import { retractCorpus } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import { addCampaignEvents } from '#store/events.ts'
import { addHostEvents } from '#store/hosts.ts'
import { refreshScores } from '#store/scores.ts'
import { addExclusions, hostsWithProvisional, saveStandings } from '#store/standing.ts'
import { tellHosts, tickVerified } from '#store/stream.ts'
import { confirmResults, doubtResults, giveVerdicts } from '#store/verdicts.ts'
import { acceptWorkUnits, demandChecks, overturnWorkUnits, touchWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'
import { pay } from './pay.ts'

interface Judged {
  readonly judged: readonly WorkUnit[] // locked
  readonly settlements: readonly Settlement[]
  readonly before: ReadonlyMap<HostId, Standing> // locked
  readonly after: ReadonlyMap<HostId, Standing>
  readonly now: Instant
}

/** Applies what was judged, one statement per kind of consequence. */
export async function applySettlements(trx: Trx, deps: JobDeps, facts: Judged): Promise<void> {
  const { judged, settlements, before, after, now } = facts
  await changeUnits(trx, settlements, now)
  await withdraw(trx, deps, facts)
  await confirmResults(
    trx,
    settlements.flatMap(s => s.confirmed),
  )
  await doubtResults(
    trx,
    settlements.flatMap(s => s.doubted),
  )
  const notes = settlements.flatMap(settlement => settlement.notes)
  await addHostEvents(trx, notes, now)
  await stand(
    trx,
    deps,
    [...after.values()].filter(host => host !== before.get(host.id)),
    facts,
  )
  await pay(
    trx,
    {
      grants: settlements.flatMap(s => s.grants),
      vestNow: new Set(settlements.flatMap(s => s.verdicts.filter(v => !v.provisional).map(v => v.resultId))),
      reversals: settlements.flatMap(s => s.reversals),
      vests: settlements.flatMap(s => s.vests),
    },
    now,
  )
  const accepted = new Set(settlements.flatMap(s => (s.canonicalId === null ? [] : [s.workUnitId])))
  await refreshScores(
    trx,
    judged.flatMap(unit => (accepted.has(unit.id) ? [unit.experimentId] : [])),
  )
  const ids = judged.map(unit => unit.id)
  await touchWorkUnits(trx, ids, now)
  await deps.enqueue(trx, 'transition', ids)
  // What was published and is verified only now may lead a leaderboard.
  const shown = judged.filter(unit => unit.state === 'valid' && unit.publishedAt !== null)
  await deps.enqueue(trx, 'propose', [...new Set(shown.map(unit => unit.campaignId))])
  await tickVerified(trx, shown, now)
  await tellHosts(
    trx,
    settlements.flatMap(s => s.verdicts.map(verdict => verdict.resultId)),
  )
}

async function changeUnits(trx: Trx, settlements: readonly Settlement[], now: Instant): Promise<void> {
  const answers = settlements.flatMap(({ workUnitId: id, canonicalId, overturned }) =>
    canonicalId === null ? [] : [{ id, canonicalId, overturned }],
  )
  const accepted = answers.filter(answer => !answer.overturned)
  const overturned = answers.filter(answer => answer.overturned)
  const demands = settlements.flatMap(({ workUnitId: id, demand }) =>
    demand === null ? [] : [{ id, demand }],
  )
  const verdicts = settlements.flatMap(settlement => settlement.verdicts)
  const changed =
    (await acceptWorkUnits(trx, accepted, now)) +
    (await overturnWorkUnits(trx, overturned, now)) +
    (await demandChecks(trx, demands)) +
    (await giveVerdicts(trx, verdicts))
  invariant(
    changed === answers.length + demands.length + verdicts.length,
    'what is locked is judged as it was read',
  )
}

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
async function stand(
  trx: Trx,
  deps: JobDeps,
  changed: readonly Standing[],
  { before, settlements, now }: Judged,
): Promise<void> {
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
  const waiting = await hostsWithProvisional(
    trx,
    changed.map(host => host.id),
  )
  await deps.enqueue(trx, 'standing', [...new Set([...faulty.map(host => host.id), ...waiting])])
}
