import { z } from 'zod'
import type { Demand } from '#domain/judge.ts'
import type { FailureReason, Result, WorkUnit, WorkUnitState } from '#domain/types.ts'
import { EngineClass } from '#protocol/engine.ts'
import { CampaignId, ExperimentId, type Instant, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { readResultsOf } from './results.ts'
import { column, execute, executeOf, select, Timestamp, toDb } from './rows.ts'

export interface LoadedWorkUnit {
  readonly workUnit: WorkUnit
  readonly results: readonly Result[]
}

/**
 * Locks work units, ids ascending, and reads them and their results. Waits for whoever holds one: what they change is
 * seen, so that a wake-up which collapsed into the caller's is not lost.
 */
export async function lockWorkUnits(trx: Trx, ids: readonly WorkUnitId[]): Promise<LoadedWorkUnit[]> {
  const [, loaded] = await Promise.all([
    execute(trx, LOCK, { ids }), // so that the next statement sees what whoever held them committed, also of their campaigns
    readLocked(trx, ids),
  ])
  return loaded
}

/** Reads work units that an earlier statement of the transaction locked, and their results. */
export async function readLocked(trx: Trx, ids: readonly WorkUnitId[]): Promise<LoadedWorkUnit[]> {
  if (ids.length === 0) return []
  const [rows, resultsOf] = await Promise.all([
    select(trx, WorkUnitRow, READ, { ids }),
    readResultsOf(trx, ids),
  ])
  const workUnits = rows.map(asWorkUnit)
  return workUnits.map(workUnit => ({ workUnit, results: resultsOf.get(workUnit.id) ?? [] }))
}

/** Open work units of a campaign, locked, oldest first; not those that had an answer and wait for another. */
export async function lockOpenWorkUnits(
  trx: Trx,
  campaignId: CampaignId,
  limit: number,
): Promise<LoadedWorkUnit[]> {
  const open = await select(trx, IdRow, LIST_OPEN, { campaignId, limit })
  return lockWorkUnits(
    trx,
    open.map(row => row.id),
  )
}

/** Closes open work units without an answer; returns how many. */
export function giveUpWorkUnits(
  trx: Trx,
  closings: readonly { readonly id: WorkUnitId; readonly failure: FailureReason | null }[],
  now: Instant,
): Promise<number> {
  return execute(trx, GIVE_UP, {
    ids: column(closings, closing => closing.id),
    failures: column(closings, closing => closing.failure),
    now: toDb(now),
  })
}

/** Closes open work units with an answer, and ends the embargo of some at once; returns how many. */
export function acceptWorkUnits(
  trx: Trx,
  answers: readonly {
    readonly id: WorkUnitId
    readonly canonicalId: ResultId
    /** Of the canonical result. */
    readonly metric: number | null
    readonly isPublished: boolean
  }[],
  now: Instant,
): Promise<number> {
  return executeOf(trx, answers, ACCEPT, {
    published: column(answers, answer => answer.isPublished),
    ids: column(answers, answer => answer.id),
    canonicalIds: column(answers, answer => answer.canonicalId),
    metrics: column(answers, answer => answer.metric),
    now: toDb(now),
  })
}

/** Only the verifier settles these units from now on, or confirms the answer they have; returns how many. */
export function demandChecks(
  trx: Trx,
  demands: readonly { readonly id: WorkUnitId; readonly demand: Demand | 'audit' | 'hurry' }[],
  auditedAt: Instant | null = null, // of those drawn at random
): Promise<number> {
  return executeOf(trx, demands, DEMAND, {
    auditedAt: toDb(auditedAt),
    ids: column(demands, demand => demand.id),
    demands: column(demands, demand => demand.demand),
  })
}

/** Valid units are open again, and only the verifier settles them; returns how many. */
export const reopenWorkUnits = (trx: Trx, ids: readonly WorkUnitId[], now: Instant): Promise<number> =>
  execute(trx, REOPEN, { ids, now: toDb(now) })

/** Valid units get another canonical result, which is not published yet; returns how many. */
export function overturnWorkUnits(
  trx: Trx,
  answers: readonly { readonly id: WorkUnitId; readonly canonicalId: ResultId }[],
  now: Instant,
): Promise<number> {
  return executeOf(trx, answers, OVERTURN, {
    ids: column(answers, answer => answer.id),
    canonicalIds: column(answers, answer => answer.canonicalId),
    now: toDb(now),
  })
}

/** Ends the embargo of closed work units, which wait for nothing more; returns how many. */
export const publishWorkUnits = (trx: Trx, ids: readonly WorkUnitId[], now: Instant): Promise<number> =>
  execute(trx, PUBLISH, { ids, now: toDb(now) })

const IdRow = z.object({ id: WorkUnitId })

const WorkUnitRow = z.object({
  id: WorkUnitId,
  campaignId: CampaignId,
  experimentId: ExperimentId,
  state: z.enum(['open', 'valid', 'failed', 'cancelled']),
  failure: z
    .enum(['too_many_errors', 'too_many_results', 'too_many_successes', 'no_eligible_host'])
    .nullable(),
  engineClass: EngineClass,
  policy: z.enum(['adaptive', 'fixed']),
  disputed: z.boolean(),
  check: z.enum(['none', 'sample', 'verifier']),
  canary: z.boolean(),
  auditedAt: Timestamp.nullable(),
  canonicalId: ResultId.nullable(),
  publishedAt: Timestamp.nullable(),
  minQuorum: z.int(),
  targetResults: z.int(),
  maxErrorResults: z.int(),
  maxTotalResults: z.int(),
  maxSuccessResults: z.int(),
  deadlineMs: z.int(),
  graceMs: z.int(),
  giveUpMs: z.int(),
  fuelMax: z.int(),
  flops: z.int().nullable(),
  hurriedAt: Timestamp.nullable(),
})
type WorkUnitRow = z.infer<typeof WorkUnitRow>

function asWorkUnit({ state, failure, canonicalId, publishedAt, ...row }: WorkUnitRow): WorkUnit {
  return { ...row, ...stateOf({ state, failure, canonicalId, publishedAt }) }
}

function stateOf(row: Pick<WorkUnitRow, 'state' | 'failure' | 'canonicalId' | 'publishedAt'>): WorkUnitState {
  const { state, failure, canonicalId, publishedAt } = row
  if (state === 'open' || state === 'cancelled') return { state, publishedAt }
  if (state === 'valid' && canonicalId !== null) return { state, canonicalId, publishedAt }
  if (state === 'failed' && failure !== null) return { state, failure, publishedAt }
  throw new Error(`a work unit is ${state} without what belongs to it`) // the schema's CHECKs forbid it
}

// Nobody is too slow for what is not handed out: time in pauses does not count, and a pause has no end.
const PAUSE_MS_MAX = 30 * 365 * 24 * 3600_000
const PATIENCE = `give_up_ms + (
  select case when paused_at is null then paused_ms else ${PAUSE_MS_MAX} end from campaigns c where c.id = campaign_id)`

const LOCK = `select id from work_units where id = any(:ids) order by id for no key update`

const READ = `
  select id, campaign_id as "campaignId", experiment_id as "experimentId", state, failure, disputed,
    engine_class as "engineClass", policy, wanted_check as "check", canary, audited_at as "auditedAt",
    canonical_result_id as "canonicalId", published_at as "publishedAt", min_quorum as "minQuorum",
    target_results as "targetResults", max_error_results as "maxErrorResults",
    max_total_results as "maxTotalResults", max_success_results as "maxSuccessResults",
    deadline_ms as "deadlineMs", grace_ms as "graceMs", ${PATIENCE} as "giveUpMs", fuel_max as "fuelMax",
    flops, hurried_at as "hurriedAt"
  from work_units where id = any(:ids) order by id`

const LIST_OPEN = `
  select w.id from live_units u join work_units w on w.id = u.work_unit_id
  where u.campaign_id = :campaignId and w.state = 'open' and w.reopened_at is null
  order by u.work_unit_id limit :limit`

const GIVE_UP = `
  update work_units w set closed_at = :now, failure = x.failure,
    state = case when x.failure is null then 'cancelled' else 'failed' end::work_unit_state
  from unnest(:ids::text[], :failures::work_unit_failure[]) as x (id, failure)
  where w.id = x.id and w.state = 'open'`

// Nothing is waited for once a unit is published; what is withdrawn is alive again.
const NOT_ALIVE = `
  delete from live_units u using changed c
  where c.published_at is not null and u.campaign_id = c.campaign_id and u.work_unit_id = c.id`
const ALIVE_AGAIN = `
  insert into live_units (campaign_id, work_unit_id, canary) select campaign_id, id, canary from changed
  on conflict (campaign_id, work_unit_id) do update set published = false`

// No column of an index changes here: the new version stands beside the old one.
const ACCEPT = `
  with changed as (
  update work_units w set state = 'valid', canonical_result_id = x.canonical_id, closed_at = :now,
    metric = case when w.rung = 3 then x.metric end,
    published_at = case when x.published then cast(:now as timestamptz) end,
    awaits = case when x.published then null else w.awaits end
  from unnest(:ids::text[], :canonicalIds::text[], :metrics::double precision[], :published::boolean[])
    as x (id, canonical_id, metric, published)
  where w.id = x.id and w.state = 'open' returning w.id, w.campaign_id, w.published_at),
  gone as (${NOT_ALIVE})
  select from changed`

const DEMAND = `
  update work_units w set wanted_check = 'verifier', demand = x.demand,
    audited_at = coalesce(cast(:auditedAt as timestamptz), w.audited_at),
    disputed = w.disputed or x.demand = 'disagreement'
  from unnest(:ids::text[], :demands::text[]) as x (id, demand)
  where w.id = x.id and w.wanted_check <> 'verifier'`

const REOPEN = `
  with changed as (
    update work_units set state = 'open', canonical_result_id = null, answered_by = null, closed_at = null, published_at = null,
      metric = null, disputed = true, wanted_check = 'verifier', demand = 'reopened', reopened_at = :now
    where id = any(:ids) and state = 'valid' returning id, campaign_id, canary),
  added as (${ALIVE_AGAIN})
  select from changed`

const OVERTURN = `
  with changed as (
    update work_units w set canonical_result_id = x.canonical_id, answered_by = null, published_at = null,
      metric = case when w.rung = 3 then r.metric end,
      reopened_at = :now
    from unnest(:ids::text[], :canonicalIds::text[]) as x (id, canonical_id) join results r on r.id = x.canonical_id
    where w.id = x.id and w.state = 'valid' returning w.id, w.campaign_id, w.canary),
  added as (${ALIVE_AGAIN})
  select from changed`

const PUBLISH = `
  with changed as (
    update work_units set published_at = :now, awaits = null,
      lost_at = case when state <> 'valid' then cast(:now as timestamptz) end
    where id = any(:ids) and state <> 'open' and published_at is null returning id, campaign_id, published_at),
  gone as (${NOT_ALIVE})
  select from changed`
