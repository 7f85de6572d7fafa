import { z } from 'zod'
import type { Draw } from '#domain/types.ts'
import { EngineClass } from '#protocol/engine.ts'
import { KernelMetric } from '#protocol/kernel.ts'
import { ExperimentId, HostId, type Instant, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import { IS_OLDER } from './provisional.ts'
import { column, type Executor, execute, recordset, select, Timestamp, toDb } from './rows.ts'

const LockedResult = z.object({
  id: ResultId,
  workUnitId: WorkUnitId,
  hostId: HostId.nullable(),
  state: z.enum(['unsent', 'in_progress', 'over']),
  outcome: z.enum(['success', 'error', 'no_reply', 'not_needed', 'cancelled']).nullable(),
  deadline: Timestamp.nullable(),
  graceUntil: Timestamp.nullable(),
  digest: Sha256.nullable(),
  unitOpen: z.boolean(),
  job: z.string(),
  fuelMax: z.int(),
  metric: KernelMetric,
  engineClass: EngineClass,
  flops: z.int().nullable(),
  priceMilliPerGfuel: z.int(),
  policy: z.enum(['adaptive', 'fixed']),
  minQuorum: z.int(),
  metricFloor: z.number().nullable(),
  runKey: Sha256,
  experimentId: ExperimentId,
  rung: z.int(),
  kernelSha256: Sha256,
  /** Its kernel uses the same fuel for every seed. */
  steadyFuel: z.boolean(),
})
export type LockedResult = z.infer<typeof LockedResult>

/**
 * Whether a lost lease of the unit may still be reported. Not when the unit is open again: its answer may have been public, and
 * whoever lost a lease of it could send that and be paid. An expression over `r` (results) and `w` (work_units).
 */
export const UNIT_OPEN = `(w.state = 'open' and (w.reopened_at is null or r.trusted))`

// The order of locks is work unit, result, host, account, ids ascending (DESIGN §6): the transitioner takes the same, and nobody
// waits for a result without holding its work unit.
const LOCK = `
  select r.id, r.work_unit_id as "workUnitId", r.host_id as "hostId", r.state, r.outcome, r.deadline,
    r.grace_until as "graceUntil", r.digest, ${UNIT_OPEN} as "unitOpen", w.job, w.fuel_max as "fuelMax", w.flops,
    coalesce(w.price_milli, c.price_milli_per_gfuel) as "priceMilliPerGfuel", w.engine_class as "engineClass", w.policy, w.min_quorum as "minQuorum", k.manifest->'metric' as metric,
    case when k.manifest->'metric'->>'name' = 'val_bpb' then d.metric_floor end as "metricFloor",
    w.run_key as "runKey", w.experiment_id as "experimentId", w.rung, w.kernel_sha256 as "kernelSha256",
    coalesce(k.manifest->'steadyFuel' = 'true', false) as "steadyFuel"
  from results r join work_units w on w.id = r.work_unit_id join kernels k on k.module_sha256 = w.kernel_sha256
  join campaigns c on c.id = w.campaign_id join datasets d on d.sha256 = c.dataset_sha256
  where r.id = any(:ids)
  order by w.id, r.id for no key update of w, r`

/** Locks the results that hosts report on, and their work units, and says what is known about them. */
export async function lockReported(on: Executor, ids: readonly ResultId[]): Promise<LockedResult[]> {
  if (ids.length === 0) return []
  return select(on, LockedResult, LOCK, { ids })
}

/**
 * Which of these ok reports name another fuel than a valid run of the same experiment whose kernel uses the same for every seed.
 * That is no proof: who of the two is wrong, only the verifier can say.
 */
export async function findOddFuel(
  on: Executor,
  reports: readonly (LockedResult & { readonly fuelUsed: number | null })[],
): Promise<ReadonlySet<ResultId>> {
  const steady = reports.filter(({ steadyFuel, fuelUsed }) => steadyFuel && fuelUsed !== null)
  if (steady.length === 0) return new Set()
  const rows = await select(on, z.object({ id: ResultId }), ODD_FUEL, {
    ids: column(steady, report => report.id),
    unitIds: column(steady, report => report.workUnitId),
    experimentIds: column(steady, report => report.experimentId),
    rungs: column(steady, report => report.rung),
    kernels: column(steady, report => report.kernelSha256),
    fuels: column(steady, report => report.fuelUsed),
  })
  return new Set(rows.map(row => row.id))
}

// Valid ok runs of one experiment to one rung under a limit agree among themselves, so any of them will do.
const ODD_FUEL = `
  select x.id from unnest(:ids::text[], :unitIds::text[], :experimentIds::text[], :rungs::smallint[], :kernels::text[],
    :fuels::bigint[]) as x(id, unit_id, experiment_id, rung, kernel, fuel)
  where exists (
    select from work_units ow join results o on o.id = ow.canonical_result_id
    where ow.experiment_id = x.experiment_id and ow.id <> x.unit_id and ow.rung = x.rung and ow.kernel_sha256 = x.kernel
      and o.metric is not null and o.fuel_used <> x.fuel)`

export interface AcceptedSuccess {
  readonly resultId: ResultId
  readonly hostId: HostId
  readonly digest: Sha256
  readonly report: string
  readonly signature: string
  readonly artifactSha256: Sha256 | null
  readonly fuelUsed: number
  readonly cpuMs: number
  readonly late: boolean
  readonly metric: number | null
  readonly proven: boolean
  readonly draw: Draw
  /** Where the budget counts FLOPs: those that were made. */
  readonly work: number | null
  /** Its weights are to be looked at before it is judged. */
  readonly weights: 'awaited' | null
}

// Until it is valid and its host has heard so, it stands in unsettled_results.
const SUCCEED = `
  with stored as (
    update results r set state = 'over', outcome = 'success', verdict = 'pending', digest = x.digest, report = x.report,
      signature = x.signature, artifact_sha256 = x."artifactSha256", fuel_used = x."fuelUsed", cpu_ms = x."cpuMs",
      late = x.late, metric = x.metric, proven = x.proven, draw = x.draw, work = x.work, weights = x.weights, fraction = 1,
      reported_at = :now
    from json_to_recordset(cast(:rows as json)) as x("resultId" text, "hostId" text, digest text, report text,
      signature text, "artifactSha256" text, "fuelUsed" bigint, "cpuMs" bigint, late boolean,
      metric double precision, proven boolean, draw check_draw, work bigint, weights text)
    where r.id = x."resultId" and r.host_id = x."hostId"
      and (r.state = 'in_progress' or r.outcome in ('no_reply', 'cancelled', 'not_needed'))
    returning r.host_id, r.id)
  insert into unsettled_results (host_id, result_id) select host_id, id from stored`

/** Stores reports of locked results; returns how many. */
export async function storeSuccesses(
  on: Executor,
  reports: readonly AcceptedSuccess[],
  now: Instant,
): Promise<number> {
  return reports.length === 0 ? 0 : execute(on, SUCCEED, { rows: recordset(reports), now: toDb(now) })
}

export interface AcceptedError {
  readonly resultId: ResultId
  readonly hostId: HostId
  readonly code: string
  readonly detail: string
  readonly cpuMs: number
}

const FAIL = `
  update results r set state = 'over', outcome = 'error', error_code = x.code, error_detail = x.detail,
    cpu_ms = x."cpuMs", reported_at = :now
  from json_to_recordset(cast(:rows as json)) as x("resultId" text, "hostId" text, code text, detail text,
    "cpuMs" bigint)
  where r.id = x."resultId" and r.host_id = x."hostId" and r.state = 'in_progress'`

/** Stores errors of locked results; returns how many. */
export async function storeErrors(
  on: Executor,
  errors: readonly AcceptedError[],
  now: Instant,
): Promise<number> {
  return errors.length === 0 ? 0 : execute(on, FAIL, { rows: recordset(errors), now: toDb(now) })
}

const Told = z.object({
  hostId: HostId,
  resultId: ResultId,
  verdict: z.enum(['valid', 'invalid', 'inconclusive']),
  milli: z.int(),
  reportedAt: Timestamp,
})
export type Told = z.infer<typeof Told>

const VERDICTS_PER_CALL_MAX = 64

// What is valid goes, what is not stays. What was reported just now is pending, and not looked at. What is to be judged again meanwhile counts as told, and is left (store/verdicts.ts).
const TELL = `
  with judged as (
    select r.* from unnest(cast(:hostIds as text[])) as h(id) cross join lateral (
      select r.host_id, r.id, r.verdict, r.granted_milli, r.reported_at
      from unsettled_results u join results r on r.id = u.result_id
      where u.host_id = h.id and not u.told and ${IS_OLDER} and r.verdict <> 'pending' order by u.result_id limit ${VERDICTS_PER_CALL_MAX}) as r),
  gone as (
    delete from unsettled_results u using judged j
    where u.host_id = j.host_id and u.result_id = j.id and not u.told and j.verdict = 'valid' returning j.*),
  kept as (
    update unsettled_results u set told = true from judged j
    where u.host_id = j.host_id and u.result_id = j.id and not u.told and j.verdict <> 'valid' returning j.*)
  select host_id as "hostId", id as "resultId", verdict, granted_milli as milli, reported_at as "reportedAt"
  from (select * from gone union all select * from kept) as told`

/** Verdicts that these hosts, which are locked, have not heard; now they count as told. Newest last. */
export async function tellVerdicts(on: Executor, hostIds: readonly HostId[]): Promise<Told[]> {
  if (hostIds.length === 0) return []
  const told = await select(on, Told, TELL, { hostIds })
  return told.sort((a, b) => a.reportedAt - b.reportedAt)
}
