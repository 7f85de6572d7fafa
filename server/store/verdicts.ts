import { z } from 'zod'
import type { Decided } from '#domain/settle.ts'
import type { WorkUnit } from '#domain/types.ts'
import { EngineClass } from '#protocol/engine.ts'
import { CampaignId, ExperimentId, HostId, ResultId, Sha256, UserId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { IS_PROVISIONAL, IS_UNCONFIRMED, IS_VESTED } from './provisional.ts'
import { column, execute, executeOf, select, Timestamp } from './rows.ts'

const SuccessRow = z.object({
  id: ResultId,
  workUnitId: WorkUnitId,
  experimentId: ExperimentId,
  hostId: HostId,
  ownerKey: z.string(),
  trusted: z.boolean(),
  proven: z.boolean(),
  draw: z.enum(['none', 'replica', 'verifier']),
  verdict: z.enum(['pending', 'valid', 'invalid', 'inconclusive']),
  confirmed: z.boolean(),
  provisional: z.boolean(),
  decision: z.int(),
  grantedMilli: z.int(),
  grantedDecision: z.int().nullable(),
  vested: z.boolean(),
  reportedAt: Timestamp,
  fuelUsed: z.int(),
  work: z.int().nullable(),
  metric: z.number().nullable(),
  copied: z.boolean(),
  digest: Sha256,
  report: z.string(),
  engineClass: EngineClass,
  weights: z.enum(['awaited', 'equal', 'different', 'missing']).nullable(),
  kernelSha256: Sha256,
  priceMilliPerGfuel: z.int(),
  payerId: UserId,
})
/** A success with its report and what judging it needs of its campaign. */
export type SuccessRow = z.infer<typeof SuccessRow>

/** The successes of work units that are locked. Reports are large: ask for few units at a time. */
export const readSuccesses = (trx: Trx, workUnitIds: readonly WorkUnitId[]): Promise<SuccessRow[]> =>
  select(trx, SuccessRow, READ_SUCCESSES, { workUnitIds })

const QuietRow = SuccessRow.omit({ report: true })
/** The same without its report, for decisions that do not compare. */
export type QuietSuccessRow = z.infer<typeof QuietRow>

export const readQuietSuccesses = (
  trx: Trx,
  workUnitIds: readonly WorkUnitId[],
): Promise<QuietSuccessRow[]> => select(trx, QuietRow, READ_QUIET, { workUnitIds })

/** What a result was paid, as the domain wants it. */
export function paidOf(row: Pick<SuccessRow, 'grantedMilli' | 'grantedDecision' | 'vested'>) {
  const { grantedMilli: amountMilli, grantedDecision: decision, vested } = row
  return decision === null ? null : { amountMilli, decision, vested }
}

/** Gives successes of these locked units their verdict and what they earned; returns how many. The hosts hear of it. */
export function giveVerdicts(
  trx: Trx,
  given: readonly { readonly workUnit: WorkUnit; readonly verdicts: readonly Decided[] }[],
): Promise<number> {
  const verdicts = given.flatMap(({ workUnit, verdicts }) =>
    verdicts.map(verdict => ({ ...verdict, workUnit })),
  )
  return executeOf(trx, verdicts, GIVE_VERDICTS, {
    campaigns: column(verdicts, v => v.workUnit.campaignId),
    classes: column(verdicts, v => v.workUnit.engineClass),
    ids: column(verdicts, v => v.resultId),
    verdicts: column(verdicts, v => v.verdict),
    amounts: column(verdicts, v => v.amountMilli),
    confirmed: column(verdicts, v => v.confirmed),
    provisional: column(verdicts, v => v.provisional),
  })
}

/** Valid results that somebody vouches for now; what was provisional is made final by the job `standing`. Returns how many. */
export const confirmResults = (trx: Trx, ids: readonly ResultId[]): Promise<number> =>
  executeOf(trx, ids, CONFIRM, { ids })

/** Pending results count as a stranger's from now on. */
export const doubtResults = (trx: Trx, ids: readonly ResultId[]): Promise<number> =>
  executeOf(trx, ids, DOUBT, { ids })

/**
 * Locks the hosts that gave these locked units something to judge, before `unjudgeResults`: whoever tells them their verdicts holds
 * their rows too, and would else wait for each other.
 */
export const lockJudged = (trx: Trx, unitIds: readonly WorkUnitId[]): Promise<number> =>
  execute(trx, LOCK_JUDGED, { unitIds })

/** Judged results are pending again; those in `reversed` lost their pay. Returns how many. */
export const unjudgeResults = (
  trx: Trx,
  ids: readonly ResultId[],
  reversed: readonly ResultId[],
): Promise<number> => execute(trx, UNJUDGE, { ids, reversed })

const HostUnitRow = z.object({ id: WorkUnitId })

/** Units with a valid result of this host that is to be judged again, oldest first; `everything`: and of a paused host in any case. */
export async function listInDoubt(
  trx: Trx,
  of: { hostId: HostId; everything: boolean; limit: number },
): Promise<WorkUnitId[]> {
  return (await select(trx, HostUnitRow, LIST_IN_DOUBT, { ...of })).map(row => row.id)
}

/** Units that the corpus answered with a result which was in one unit with a result of this host and is not valid any more. */
export async function listOrphans(trx: Trx, hostId: HostId, limit: number): Promise<WorkUnitId[]> {
  return (await select(trx, HostUnitRow, LIST_ORPHANS, { hostId, limit })).map(row => row.id)
}

const FinalRow = z.object({
  id: ResultId,
  campaignId: CampaignId,
  hostId: HostId,
  userId: UserId.nullable(),
  grantedMilli: z.int(),
  grantedDecision: z.int().nullable(),
  vested: z.boolean(),
})
/** A result that stands for good, and what it was granted until now. */
export type FinalRow = z.infer<typeof FinalRow>

/**
 * Provisional results of these hosts that are final by now stand for good, up to `limit`, oldest units first. Their units are locked, which
 * is all that judging waits for.
 */
export async function finaliseResults(
  trx: Trx,
  hostIds: readonly HostId[],
  limit: number,
): Promise<FinalRow[]> {
  const units = (await select(trx, HostUnitRow, LOCK_FINAL, { hostIds, limit })).map(row => row.id)
  return units.length === 0 ? [] : select(trx, FinalRow, FINALISE, { hostIds, units })
}

/**
 * Which of these results give the digest of another run. That proves nothing by itself: runs whose recipes differ only in
 * what has no effect, as momentum has none beside adamw, give the same bits. It is a reason to ask the verifier.
 */
export async function findCopied(
  trx: Trx,
  reports: readonly { readonly id: ResultId; readonly digest: Sha256; readonly runKey: Sha256 }[],
): Promise<ReadonlySet<ResultId>> {
  if (reports.length === 0) return new Set()
  const rows = await select(trx, z.object({ id: ResultId }), FIND_COPIED, {
    ids: column(reports, r => r.id),
    digests: column(reports, r => r.digest),
    runKeys: column(reports, r => r.runKey),
  })
  // Among themselves as well: a lazy host gives the same answer to a whole call's leases.
  const sameDigest = Map.groupBy(reports, r => r.digest).values()
  const amongThem = [...sameDigest].filter(same => new Set(same.map(r => r.runKey)).size > 1).flat()
  return new Set([...rows, ...amongThem].map(({ id }) => id))
}

/** Which of these native results commit to weights that another run was reported with. */
export async function findBorrowed(
  trx: Trx,
  reports: readonly { readonly resultId: ResultId; readonly artifactSha256: Sha256 }[],
): Promise<ReadonlySet<ResultId>> {
  if (reports.length === 0) return new Set()
  const rows = await select(trx, z.object({ id: ResultId }), FIND_BORROWED, {
    ids: column(reports, r => r.resultId),
    artifacts: column(reports, r => r.artifactSha256),
  })
  return new Set(rows.map(row => row.id))
}

// One look for each: of both in one PostgreSQL reads what has the same weights also where they do not count. Its own unit has its own run
// key, and is left out before it is looked up.
const sameElsewhere = (
  match: string,
): string => `exists (select from results o join work_units ow on ow.id = o.work_unit_id
    where ${match} and o.work_unit_id <> r.work_unit_id and o.metric is not null and ow.run_key <> w.run_key)`

const COLUMNS = `
  r.id, r.work_unit_id as "workUnitId", w.experiment_id as "experimentId", r.host_id as "hostId",
  r.owner_key as "ownerKey", r.trusted, r.proven, r.draw, r.verdict,
  r.confirmed and r.verdict = 'valid' as confirmed, r.verdict = 'valid' and ${IS_PROVISIONAL} as provisional, r.decision,
  r.granted_milli as "grantedMilli", r.granted_decision as "grantedDecision", ${IS_VESTED} as vested,
  r.reported_at as "reportedAt", r.fuel_used as "fuelUsed", r.work, r.metric, r.digest, w.engine_class as "engineClass", r.weights,
  w.kernel_sha256 as "kernelSha256",
  r.metric is not null and (${sameElsewhere('o.digest = r.digest')}
    or r.weights is not null and ${sameElsewhere('o.artifact_sha256 = r.artifact_sha256')}) as copied,
  coalesce(w.price_milli, c.price_milli_per_gfuel) as "priceMilliPerGfuel", c.owner_id as "payerId"`
const OF_UNITS = `
  from results r join work_units w on w.id = r.work_unit_id join campaigns c on c.id = w.campaign_id
  where r.work_unit_id = any(:workUnitIds) and r.outcome = 'success' order by r.id`
const READ_SUCCESSES = `select ${COLUMNS}, r.report ${OF_UNITS}`
const READ_QUIET = `select ${COLUMNS} ${OF_UNITS}`

// A verdict that is given again for the same reason keeps its grant: what it was paid for stays written down. That the host is to hear
// of the first one was written with the report. No index names what this changes, but for `confirmed`,
// which is also set of what nobody need vouch for since it is not valid: a new version stays in its page. One result of a unit stands alone,
// and the unit is locked; none did before its first verdict.
const GIVE_VERDICTS = `
  with judged as (
    update results r set verdict = x.verdict, granted_milli = x.amount,
    confirmed = x.confirmed or x.verdict <> 'valid', decision = r.decision + 1,
    granted_decision = case when x.amount = 0 then null else coalesce(r.granted_decision, r.decision) end,
    vested = x.amount > 0 and (${IS_VESTED} or not x.provisional)
  from unnest(:ids::text[], :verdicts::verdict[], :amounts::bigint[], :confirmed::boolean[],
    :provisional::boolean[], :campaigns::text[], :classes::text[])
    as x (id, verdict, amount, confirmed, provisional, campaign_id, engine_class)
    where r.id = x.id and r.outcome = 'success'
    returning r.host_id, r.id, r.decision, r.work_unit_id, r.reported_at, x.provisional, x.campaign_id, x.engine_class),
  alone as (
    insert into provisional_results (work_unit_id, result_id, host_id, campaign_id, engine_class, reported_at)
    select work_unit_id, id, host_id, campaign_id, engine_class, reported_at from judged j where provisional
      and not exists (select from provisional_results p where p.work_unit_id = j.work_unit_id)),
  joined as (
    delete from provisional_results p using judged j
    where p.work_unit_id = j.work_unit_id and p.result_id = j.id and not j.provisional and j.decision > 1),
  again as (
    insert into unsettled_results (host_id, result_id) select host_id, id from judged where decision > 1 order by host_id, id
    on conflict (host_id, result_id) do update set told = false)
  select from judged`

const CONFIRM = `update results set confirmed = true where id = any(:ids) and verdict = 'valid'`

const DOUBT = `update results set proven = false where id = any(:ids)`

const LOCK_JUDGED = `
  select id from hosts where not trusted
    and id in (select host_id from results where work_unit_id = any(:unitIds) and outcome = 'success')
  order by id for no key update`

// Nothing is to be said until they are judged again, also not by who tells this very moment.
const UNJUDGE = `
  with pending as (
    insert into unsettled_results (host_id, result_id, told) select host_id, id, true from results
    where id = any(:ids) and verdict in ('valid', 'inconclusive') order by host_id, id
    on conflict (host_id, result_id) do update set told = true),
  alone as (
    delete from provisional_results p using results r where r.id = any(:ids) and p.work_unit_id = r.work_unit_id and p.result_id = r.id)
  update results r set verdict = 'pending', confirmed = false,
    granted_milli = case when id = any(:reversed) then 0 else granted_milli end,
    granted_decision = case when id = any(:reversed) then null else granted_decision end,
    vested = ${IS_VESTED} and not id = any(:reversed)
  where id = any(:ids) and verdict in ('valid', 'inconclusive')`

// The moment bounds the walk of results_unconfirmed: of a host that never erred it has no rows.
const LIST_IN_DOUBT = `
  select distinct w.id from hosts h
  left join streaks s on s.host_id = h.id
  join results r on r.host_id = h.id and ${IS_UNCONFIRMED}
    and r.reported_at <= case when :everything or h.state = 'paused' then 'infinity' else s.fault_at end
  join work_units w on w.id = r.work_unit_id
  where h.id = :hostId and w.state = 'valid'
    and (:everything or h.state = 'paused' or w.engine_class = s.engine_class)
  order by w.id limit :limit`

const LIST_ORPHANS = `
  select distinct w.id from unsettled_results u join results mine on mine.id = u.result_id
  join results r on r.work_unit_id = mine.work_unit_id and r.verdict <> 'valid'
  join work_units w on w.answered_by = r.id
  where u.host_id = :hostId and mine.verdict <> 'valid' and w.state = 'valid' order by w.id limit :limit`

// The rule is isFinalBy of the domain.
const IS_FINAL = `
  s.host_id = any(:hostIds) and p.host_id = s.host_id and p.engine_class = s.engine_class and p.reported_at <= s.final_until`

const LOCK_FINAL = `
  select w.id from work_units w where w.id in (
    select p.work_unit_id from streaks s join provisional_results p on ${IS_FINAL} order by 1 limit :limit)
  order by w.id for no key update`

// Looked up again: whoever held a unit may have judged it meanwhile.
const FINALISE = `
  with final as (
    delete from provisional_results p using streaks s where p.work_unit_id = any(:units) and ${IS_FINAL}
    returning p.result_id, p.campaign_id)
  select r.id, f.campaign_id as "campaignId", h.id as "hostId", h.user_id as "userId",
    r.granted_milli as "grantedMilli", r.granted_decision as "grantedDecision", r.vested
  from final f join results r on r.id = f.result_id join hosts h on h.id = r.host_id`

// The weights of another run under a report of one's own.
const FIND_BORROWED = `
  select r.id from results r join work_units w on w.id = r.work_unit_id
  where r.id = any(:ids) and exists (
    select from unnest(:ids::text[], :artifacts::text[]) as x (id, artifact)
    join results o on o.artifact_sha256 = x.artifact join work_units ow on ow.id = o.work_unit_id
    where x.id = r.id and o.id <> r.id and ow.run_key <> w.run_key)`

const FIND_COPIED = `
  select x.id from unnest(:ids::text[], :digests::text[], :runKeys::text[]) as x (id, digest, run_key)
  where exists (select from results o join work_units ow on ow.id = o.work_unit_id
    where o.digest = x.digest and o.metric is not null and ow.run_key <> x.run_key)`
