import { createHash } from 'node:crypto'
import { payGrants } from '#domain/grants.ts'
import { invariant } from '#domain/invariant.ts'
import { escrowAccount, heldAccount } from '#domain/ledger.ts'
import { type Case, type Settlement, type Standing, settle } from '#domain/settle.ts'
import { isWanted, transition } from '#domain/transition.ts'
import type { WorkUnit } from '#domain/types.ts'
import type { HostId, Instant, ResultId, WorkUnitId } from '#protocol/units.ts'
import { inTransaction, type Trx } from '#store/database.ts'
import { addHostEvents } from '#store/hosts.ts'
import { freeLeases } from '#store/leases.ts'
import { lockBalances, post } from '#store/ledger.ts'
import { giveVerdicts, readSuccesses, type SuccessRow } from '#store/results.ts'
import { lockStandings, saveStandings } from '#store/standing.ts'
import { acceptWorkUnits, disputeWorkUnits, lockWorkUnits, touchWorkUnits } from '#store/work-units.ts'
import { type ExactOutput, whereTheyPart } from '#validators/exact.ts'
import { validatorOf } from '#validators/registry.ts'
import type { JobDeps, WorkUnitHandler } from './deps.ts'

/**
 * Judges pending successes, pays for the valid ones in the same transaction, and quarantines who lied three times. What
 * need not, or must not yet, be judged when it is looked at is left alone.
 */
export const runValidate: WorkUnitHandler = async (deps, ids) => {
  const excluded = await inTransaction(deps.knex, trx => validateLocked(trx, deps, ids))
  if (excluded.length > 0) await releaseLeases(deps, excluded)
}

async function validateLocked(trx: Trx, deps: JobDeps, ids: readonly WorkUnitId[]): Promise<HostId[]> {
  const now = deps.now()
  const judged = (await lockWorkUnits(trx, ids))
    .filter(({ workUnit, results }) => isWanted('request_validation', transition(workUnit, results, now)))
    .map(({ workUnit }) => workUnit)
  const successes = await readSuccesses(
    trx,
    judged.map(workUnit => workUnit.id),
  )
  const before = await lockStandings(
    trx,
    successes.map(success => success.hostId),
  )
  const settlements: Settlement[] = []
  let standings = before
  for (const workUnit of judged) {
    const mine = successes.filter(success => success.workUnitId === workUnit.id)
    const outcome = settle(caseOf(workUnit, mine), standings)
    settlements.push(outcome.settlement)
    standings = outcome.standings
  }
  await applySettlements(trx, deps, settlements, now)
  await saveStandings(
    trx,
    [...standings.values()].filter(standing => standing !== before.get(standing.id)),
  )
  await pay(trx, settlements, now)
  return [...standings.values()].filter(standing => isNewlyOut(standing, before)).map(({ id }) => id)
}

const isNewlyOut = (standing: Standing, before: ReadonlyMap<HostId, Standing>): boolean =>
  standing.state === 'quarantined' && before.get(standing.id)?.state !== 'quarantined'

/** The facts about one work unit: every report is read once, and its digest is checked again. */
function caseOf(workUnit: WorkUnit, rows: readonly SuccessRow[]): Case {
  const outputs = new Map<ResultId, ExactOutput>()
  const [first] = rows
  invariant(first !== undefined, 'a judged work unit has successes')
  const validator = validatorOf(first.engineClass)
  const successes = rows.map(({ report, digest, ...success }) => {
    const output = validator.read(report)
    if ('unreadable' in output) return { ...success, unreadable: output.unreadable }
    if (sha256Hex(report) !== digest)
      return { ...success, unreadable: 'the digest is not that of the report' }
    outputs.set(success.id, output)
    return { ...success, unreadable: null }
  })
  const outputOf = (id: ResultId): ExactOutput => {
    const output = outputs.get(id)
    invariant(output !== undefined, 'only readable reports are compared')
    return output
  }
  return {
    workUnit,
    successes,
    priceMilliPerGfuel: first.priceMilliPerGfuel,
    same: (a, b) => validator.same(outputOf(a), outputOf(b)),
    whereTheyPart: (a, b) => whereTheyPart(outputOf(a).report, outputOf(b).report),
  }
}

const sha256Hex = (text: string): string => createHash('sha256').update(text).digest('hex')

async function applySettlements(
  trx: Trx,
  deps: JobDeps,
  settlements: readonly Settlement[],
  now: Instant,
): Promise<void> {
  if (settlements.length === 0) return
  const verdicts = settlements.flatMap(settlement => settlement.verdicts)
  const accepted = settlements.flatMap(({ workUnitId: id, canonicalId }) =>
    canonicalId === null ? [] : [{ id, canonicalId }],
  )
  const disputed = settlements.filter(s => s.becomesDisputed).map(s => s.workUnitId)
  const changed =
    (await acceptWorkUnits(trx, accepted, now)) +
    (await disputeWorkUnits(trx, disputed)) +
    (await giveVerdicts(trx, verdicts))
  invariant(
    changed === accepted.length + disputed.length + verdicts.length,
    'what is locked is judged as it was read',
  )
  await addHostEvents(
    trx,
    settlements.flatMap(settlement => settlement.notes),
    now,
  )
  const judged = settlements.map(settlement => settlement.workUnitId)
  await touchWorkUnits(trx, judged, now)
  await deps.enqueue(trx, 'transition', judged)
}

async function pay(trx: Trx, settlements: readonly Settlement[], now: Instant): Promise<void> {
  const grants = settlements.flatMap(settlement => settlement.grants)
  if (grants.length === 0) return
  const accounts = grants.flatMap(({ campaignId, payee }) => [
    ...[escrowAccount(campaignId), payee, heldAccount(payee)],
  ])
  const { transfers } = payGrants(grants, await lockBalances(trx, accounts), {
    vestNow: new Set(grants.map(grant => grant.resultId)),
    overrunLeftMilli: Number.MAX_SAFE_INTEGER,
  })
  const posted = await post(trx, transfers, now)
  invariant(posted === transfers.length, 'a verdict that was pending has not been paid')
}

// In a transaction of its own, because the work units are others: should it be lost, the leases end at their deadlines.
async function releaseLeases(deps: JobDeps, hostIds: readonly HostId[]): Promise<void> {
  await inTransaction(deps.knex, async trx => {
    await deps.enqueue(trx, 'transition', await freeLeases(trx, hostIds, deps.now()))
  })
  deps.log.warn({ hostIds }, 'hosts were quarantined: their results differed from trusted re-runs')
}
