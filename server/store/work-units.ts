import { z } from 'zod'
import type { FailureReason, Result, WorkUnit, WorkUnitState } from '#domain/types.ts'
import { CampaignId, ExperimentId, type Instant, ResultId, type Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { lockResultsOf } from './results.ts'
import { column, execute, recordset, select, Timestamp, toDb } from './rows.ts'

export interface LoadedWorkUnit {
  readonly workUnit: WorkUnit
  readonly results: readonly Result[]
}

/**
 * Locks work units, then their results, ids ascending, and reads them. Waits for whoever holds one: what they change is
 * seen, so that a wake-up which collapsed into the caller's is not lost.
 */
export async function lockWorkUnits(trx: Trx, ids: readonly WorkUnitId[]): Promise<LoadedWorkUnit[]> {
  const workUnits = (await select(trx, WorkUnitRow, LOCK, { ids })).map(asWorkUnit)
  const resultsOf = await lockResultsOf(
    trx,
    workUnits.map(workUnit => workUnit.id),
  )
  return workUnits.map(workUnit => ({ workUnit, results: resultsOf.get(workUnit.id) ?? [] }))
}

/** Work units whose moment has come, earliest first, locked; those that somebody else holds are being looked at. */
export async function lockDueWorkUnits(trx: Trx, now: Instant, limit: number): Promise<WorkUnitId[]> {
  return (await select(trx, IdRow, LOCK_DUE, { now: toDb(now), limit })).map(row => row.id)
}

/** Open work units of a campaign, locked, oldest first. */
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

/** When to look at work units again; null: never. */
export async function setWakes(
  trx: Trx,
  wakes: readonly { readonly id: WorkUnitId; readonly at: Instant | null }[],
): Promise<void> {
  if (wakes.length === 0) return
  await execute(trx, SET_WAKES, {
    ids: column(wakes, wake => wake.id),
    moments: column(wakes, wake => toDb(wake.at)),
  })
}

/** Something changed about locked work units: look at them now. */
export const touchWorkUnits = (trx: Trx, ids: readonly WorkUnitId[], now: Instant): Promise<void> =>
  setWakes(
    trx,
    ids.map(id => ({ id, at: now })),
  )

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

/** Closes open work units with an answer; returns how many. */
export function acceptWorkUnits(
  trx: Trx,
  answers: readonly { readonly id: WorkUnitId; readonly canonicalId: ResultId }[],
  now: Instant,
): Promise<number> {
  return execute(trx, ACCEPT, {
    ids: column(answers, answer => answer.id),
    canonicalIds: column(answers, answer => answer.canonicalId),
    now: toDb(now),
  })
}

export const disputeWorkUnits = (trx: Trx, ids: readonly WorkUnitId[]): Promise<number> =>
  execute(trx, DISPUTE, { ids })

/** Ends the embargo of closed work units; returns how many. */
export const publishWorkUnits = (trx: Trx, ids: readonly WorkUnitId[], now: Instant): Promise<number> =>
  execute(trx, PUBLISH, { ids, now: toDb(now) })

/** An open work unit that nobody has seen yet, and what its results are to compute. */
export interface NewWorkUnit {
  readonly workUnit: WorkUnit
  readonly seedIndex: number
  readonly seed: number
  readonly job: string
  readonly runKey: Sha256
  readonly engineClass: string
  readonly kernelSha256: Sha256
}

export function insertWorkUnits(trx: Trx, units: readonly NewWorkUnit[], now: Instant): Promise<number> {
  const rows = units.map(({ workUnit, ...rest }) => ({ ...workUnit, ...rest }))
  return execute(trx, INSERT, { rows: recordset(rows), now: toDb(now) })
}

const IdRow = z.object({ id: WorkUnitId })

const WorkUnitRow = z.object({
  id: WorkUnitId,
  campaignId: CampaignId,
  experimentId: ExperimentId,
  state: z.enum(['open', 'valid', 'failed', 'cancelled']),
  failure: z
    .enum(['too_many_errors', 'too_many_results', 'too_many_successes', 'no_eligible_host'])
    .nullable(),
  disputed: z.boolean(),
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

const LOCK = `
  select id, campaign_id as "campaignId", experiment_id as "experimentId", state, failure, disputed,
    canonical_result_id as "canonicalId", published_at as "publishedAt", min_quorum as "minQuorum",
    target_results as "targetResults", max_error_results as "maxErrorResults",
    max_total_results as "maxTotalResults", max_success_results as "maxSuccessResults",
    deadline_ms as "deadlineMs", grace_ms as "graceMs", give_up_ms as "giveUpMs", fuel_max as "fuelMax"
  from work_units where id = any(:ids) order by id for no key update`

const LOCK_DUE = `
  select id from work_units where wake_at <= :now order by wake_at limit :limit for no key update skip locked`

const LIST_OPEN = `
  select id from work_units where campaign_id = :campaignId and state = 'open' order by id limit :limit`

const SET_WAKES = `
  update work_units w set wake_at = x.at from unnest(:ids::text[], :moments::timestamptz[]) as x (id, at)
  where w.id = x.id and w.wake_at is distinct from x.at`

const GIVE_UP = `
  update work_units w set closed_at = :now, failure = x.failure,
    state = case when x.failure is null then 'cancelled' else 'failed' end::work_unit_state
  from unnest(:ids::text[], :failures::work_unit_failure[]) as x (id, failure)
  where w.id = x.id and w.state = 'open'`

const ACCEPT = `
  update work_units w set state = 'valid', canonical_result_id = x.canonical_id, closed_at = :now
  from unnest(:ids::text[], :canonicalIds::text[]) as x (id, canonical_id)
  where w.id = x.id and w.state = 'open'`

const DISPUTE = `update work_units set disputed = true where id = any(:ids) and not disputed`

const PUBLISH = `
  update work_units set published_at = :now where id = any(:ids) and state <> 'open' and published_at is null`

const INSERT = `
  insert into work_units (id, campaign_id, experiment_id, seed_index, seed, job, run_key, engine_class, kernel_sha256,
    min_quorum, target_results, max_error_results, max_total_results, max_success_results, deadline_ms, grace_ms,
    give_up_ms, fuel_max, wake_at, created_at)
  select id, "campaignId", "experimentId", "seedIndex", seed, job, "runKey", "engineClass", "kernelSha256",
    "minQuorum", "targetResults", "maxErrorResults", "maxTotalResults", "maxSuccessResults", "deadlineMs", "graceMs",
    "giveUpMs", "fuelMax", :now, :now
  from jsonb_to_recordset(cast(:rows as jsonb)) as x(id text, "campaignId" text, "experimentId" text, "seedIndex" int,
    seed bigint, job text, "runKey" text, "engineClass" text, "kernelSha256" text, "minQuorum" int,
    "targetResults" int, "maxErrorResults" int, "maxTotalResults" int, "maxSuccessResults" int, "deadlineMs" bigint,
    "graceMs" bigint, "giveUpMs" bigint, "fuelMax" bigint)`
