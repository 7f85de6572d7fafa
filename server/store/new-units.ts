import type { WorkUnit } from '#domain/types.ts'
import type { Rung } from '#protocol/job.ts'
import type { Instant, Sha256 } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, recordsOf, toDb } from './rows.ts'
import { insertUnitClasses, type UnitClass } from './unit-classes.ts'

/** An open work unit that nobody has seen yet, and what its results are to compute. */
export interface NewWorkUnit {
  readonly workUnit: WorkUnit
  readonly seedIndex: number
  /** How far it goes: the last is the whole run. Only whole runs have a metric here; those of others are in the corpus. */
  readonly rung: Rung
  readonly seed: number
  readonly job: string
  readonly runKey: Sha256
  readonly kernelSha256: Sha256
  /** Of 10^9 of its work; null: the campaign's. */
  readonly priceMilli: number | null
  /** Of a native class: the run key that the kernel itself gives it. */
  readonly exactKey: Sha256 | null
  /** What it is in each class that its first host may choose from; null: it is of its class for good. */
  readonly choices: readonly UnitClass[] | null
  /** When to look at it first; absent: at once. */
  readonly wakeAt?: Instant | null
  /** No replica goes to an owner who computed this run before, in any campaign. */
  readonly independent?: true
}

/** Adds work units; throws when one is of no experiment of its campaign. */
export async function insertWorkUnits(trx: Trx, units: readonly NewWorkUnit[], now: Instant): Promise<void> {
  const rows = units.map(({ workUnit, choices, wakeAt = now, ...rest }) => ({
    ...{ ...workUnit, ...rest, wakeAt: toDb(wakeAt)?.toISOString() },
    engines: choices?.map(choice => choice.engineClass) ?? null,
  }))
  const count = await execute(trx, INSERT, { ...NEW_UNITS.bindings(rows), now: toDb(now) })
  if (count !== units.length) throw new Error('a work unit is of an experiment of its campaign')
  await insertUnitClasses(
    trx,
    units.flatMap(({ workUnit, choices }) =>
      (choices ?? []).map(choice => ({ workUnitId: workUnit.id, ...choice })),
    ),
  )
}

const NEW_UNITS = recordsOf({
  id: 'text',
  campaignId: 'text',
  experimentId: 'text',
  seedIndex: 'int',
  rung: 'smallint',
  seed: 'bigint',
  job: 'text',
  runKey: 'text',
  engineClass: 'text',
  kernelSha256: 'text',
  minQuorum: 'int',
  targetResults: 'int',
  maxErrorResults: 'int',
  maxTotalResults: 'int',
  maxSuccessResults: 'int',
  deadlineMs: 'bigint',
  graceMs: 'bigint',
  giveUpMs: 'bigint',
  fuelMax: 'bigint',
  policy: 'unit_policy',
  check: 'unit_check',
  wakeAt: 'timestamptz',
  independent: 'boolean',
  flops: 'bigint',
  priceMilli: 'bigint',
  exactKey: 'text',
  engines: 'text[]',
})
// Experiments are joined, not referred to (decision 0060): a reference locks the row of each, which is written.
const INSERT = `
  with x as materialized (${NEW_UNITS.sql}),
  alive as (
    insert into live_units (campaign_id, work_unit_id, wake_at) select "campaignId", id, "wakeAt" from x)
  insert into work_units (id, campaign_id, experiment_id, seed_index, rung, seed, job, run_key, engine_class, kernel_sha256,
    min_quorum, target_results, max_error_results, max_total_results, max_success_results, deadline_ms, grace_ms,
    give_up_ms, fuel_max, policy, wanted_check, created_at, independent, flops, price_milli, exact_key, engines)
  select x.id, "campaignId", "experimentId", "seedIndex", rung, seed, job, "runKey", "engineClass", "kernelSha256",
    "minQuorum", "targetResults", "maxErrorResults", "maxTotalResults", "maxSuccessResults", "deadlineMs", "graceMs",
    "giveUpMs", "fuelMax", policy, "check", :now, coalesce(independent, false), flops, "priceMilli", "exactKey", engines
  from x join experiments e on e.id = x."experimentId" and e.campaign_id = x."campaignId"`
