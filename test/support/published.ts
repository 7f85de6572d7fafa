import type { Knex } from 'knex'
import type { CampaignFile } from '#protocol/campaign.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import type { Recipe } from '#protocol/job.ts'
import type { CampaignId, ExperimentId, ResultId, UserId } from '#protocol/units.ts'
import { addCampaign, type Stock, sha256, T0, testIds } from './builders.ts'

/** An experiment with the value of each seed of screening; NaN: it diverged; undefined: it is still computed. */
export interface PublishedExperiment {
  readonly recipe: Recipe
  readonly values: readonly (number | undefined)[]
  /** No verifier has seen it. */
  readonly unverified?: boolean
  readonly provisional?: boolean
  readonly baseline?: boolean
  readonly parameters?: number
  readonly fuel?: number
  readonly firstSeed?: number
}

export interface Published {
  readonly id: CampaignId
  readonly experiments: readonly { readonly id: ExperimentId; readonly resultIds: readonly ResultId[] }[]
}

/** A campaign whose runs were computed and published, as the assimilator leaves it, written in three statements. */
export async function addPublished(
  knex: Knex,
  stock: Stock,
  {
    owner,
    file,
    experiments,
  }: {
    readonly owner: UserId
    readonly file: Partial<CampaignFile>
    readonly experiments: readonly PublishedExperiment[]
  },
): Promise<Published> {
  const { id } = await addCampaign(knex, stock, owner, [])
  await knex.raw(
    `update campaigns set file = file || ?::jsonb, experiments_planned = ?, experiments_created = ? where id = ?`,
    [JSON.stringify(file), experiments.length, experiments.length, id],
  )
  await knex.raw(
    `insert into campaign_revisions (campaign_id, revision, at, author, reason, file)
     select id, 1, created_at, 'owner', 'as submitted', file from campaigns where id = ?`,
    [id],
  )
  const rows = experiments.map((experiment, ordinal) => ({
    ...{ id: testIds.experiment(T0), ordinal, baseline: experiment.baseline ?? false },
    ...{ recipe: experiment.recipe, hash: sha256(canonicalJson(experiment.recipe)) },
    units: experiment.values.map((value, i) => ({
      ...{ id: testIds.workUnit(T0), result: testIds.result(T0), seed: (experiment.firstSeed ?? 0) + i },
      ...{ value: value === undefined || Number.isNaN(value) ? null : value, open: value === undefined },
      ...{ at: new Date(T0 + 1000 * (ordinal + 1) + i), trusted: !experiment.unverified },
      ...{ provisional: experiment.provisional ?? false, fuel: experiment.fuel ?? 5e8 },
      parameters: experiment.parameters ?? 1000,
    })),
  }))
  const bindings = { campaign: id, rows: JSON.stringify(rows), kernel: stock.kernel.moduleSha256 }
  await knex.raw(EXPERIMENTS, bindings)
  await knex.transaction(async trx => {
    await trx.raw(UNITS, bindings)
    await trx.raw(RESULTS, bindings)
  })
  await knex.raw(CORPUS, bindings)
  await knex.raw(PROVISIONAL, bindings)
  return {
    id,
    experiments: rows.map(row => ({ id: row.id, resultIds: row.units.map(unit => unit.result) })),
  }
}

const ROWS = `jsonb_to_recordset(cast(:rows as jsonb)) as e(id text, ordinal int, baseline boolean, recipe jsonb, hash text, units jsonb)`
const UNITS_OF = `${ROWS} cross join lateral jsonb_to_recordset(e.units) as u(id text, result text, seed int,
  value double precision, open boolean, at timestamptz, trusted boolean, provisional boolean, fuel bigint, parameters int)`

const EXPERIMENTS = `
  insert into experiments (id, campaign_id, ordinal, recipe, recipe_sha256, baseline, created_at)
  select e.id, :campaign, e.ordinal, e.recipe, e.hash, e.baseline, to_timestamp(0) from ${ROWS}`

const UNITS = `
  with made as (
  insert into work_units (id, campaign_id, experiment_id, seed_index, seed, job, run_key, engine_class, kernel_sha256, state,
    canonical_result_id, closed_at, published_at, metric, min_quorum, target_results, max_error_results,
    max_total_results, max_success_results, deadline_ms, grace_ms, give_up_ms, fuel_max, created_at)
  select u.id, :campaign, e.id, u.seed, u.seed, jsonb_build_object('kernel', 'tiny@0', 'task', 'train', 'recipe', e.recipe,
      'seed', u.seed, 'limit', jsonb_build_object('fuel', 1000000000), 'marks', 8), encode(sha256(convert_to(u.id, 'UTF8')), 'hex'), 'wasm', :kernel,
    case when u.open then 'open' else 'valid' end :: work_unit_state,
    case when not u.open then u.result end, case when not u.open then u.at end, case when not u.open then u.at end, u.value,
    1, 1, 4, 12, 6, 60000, 60000, 3600000, 1000000000, u.at
  from ${UNITS_OF} returning id, campaign_id, state)
  insert into live_units (campaign_id, work_unit_id) select campaign_id, id from made where state = 'open'`

const RESULTS = `
  insert into results (id, work_unit_id, kind, attempt, created_at, state, outcome, digest, report, verdict, fuel_used,
    trusted)
  select u.result, u.id, 'replica', 0, u.at, 'over', 'success', repeat('0', 64), '{}', 'valid', u.fuel, u.trusted
  from ${UNITS_OF} where not u.open`

const PROVISIONAL = `
  insert into provisional_results (work_unit_id, result_id, host_id, campaign_id, engine_class, reported_at)
  select u.id, u.result, 'h_nobody', :campaign, 'wasm', u.at from ${UNITS_OF} where not u.open and u.provisional`

const CORPUS = `
  insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256, recipe,
    seed, job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, artifact_sha256, replicas,
    published_at)
  select u.id, w.run_key, :campaign, e.id, u.result, :kernel, c.dataset_sha256, e.recipe, u.seed, '{"fuel":1000000000}',
    case when u.value is null then 'diverged' else 'ok' end, case when u.value is not null then 'val_bpb' end, u.value,
    case when u.value is null then '[]'::jsonb else jsonb_build_array(
      jsonb_build_object('update', 0, 'fuel', 0, 'train', 8, 'val', 8),
      jsonb_build_object('update', 10, 'fuel', 1, 'train', u.value, 'val', u.value)) end,
    jsonb_build_object('parameters', u.parameters, 'updates', 10), u.fuel, repeat('0', 64), null, 1, u.at
  from ${UNITS_OF} join work_units w on w.id = u.id join campaigns c on c.id = :campaign where not u.open`

/** Has the published answer of a unit (its id is the binding) stand provisionally. */
export const STAND_ALONE = `
  insert into provisional_results (work_unit_id, result_id, host_id, campaign_id, engine_class, reported_at)
  select id, canonical_result_id, 'h_nobody', campaign_id, engine_class, closed_at from work_units where id = ?`
