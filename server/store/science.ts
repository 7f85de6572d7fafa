import { z } from 'zod'
import type { Goal } from '#domain/records.ts'
import { Limit, Recipe } from '#protocol/job.ts'
import { CampaignId, ExperimentId, ResultId, Sha256 } from '#protocol/units.ts'
import { provisional } from './provisional.ts'
import { type Executor, select, Timestamp } from './rows.ts'

const Comparable = z.object({
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  limit: Limit,
  engineClass: z.string(),
})
/** What has to be equal for metrics to be compared. */
export type Comparable = z.infer<typeof Comparable>

const WHERE = `c.retracted_at is null and c.rung = 3 and c.metric_value is not null
  and not ${provisional('c.work_unit_id')}`

/** What names a board, in the index corpus_comparable: one short text, since it is compared twenty times for each run that is published. */
const boardOf = (kernel: string, data: string, jobLimit: string, engineClass: string): string =>
  `(left(${kernel}, 16) || left(${data}, 16) || cast(${jobLimit} as text) || ${engineClass})`
const BOARD = boardOf('c.kernel_sha256', 'c.dataset_sha256', 'c.job_limit', 'c.engine_class')

// From one board to the next: as many steps as there are boards, however many runs.
const FIRST_OF_BOARD = `select ${BOARD} as board, c.kernel_sha256, c.dataset_sha256, c.job_limit, c.engine_class from corpus c`
const BOARDS = `
  with recursive boards as (
    (${FIRST_OF_BOARD} where ${WHERE} order by ${BOARD} limit 1)
    union all
    select n.* from boards b cross join lateral (
      ${FIRST_OF_BOARD} where ${BOARD} > b.board and ${WHERE} order by ${BOARD} limit 1) as n)
  select kernel_sha256 as "kernelSha256", dataset_sha256 as "datasetSha256", job_limit as "limit",
    engine_class as "engineClass" from boards`

/** Everything that whole runs were published for. */
export const listComparable = (on: Executor): Promise<Comparable[]> => select(on, Comparable, BOARDS)

const ScienceRow = z.object({
  recipe: Recipe,
  baseline: z.boolean(),
  n: z.int(),
  mean: z.number(),
  sd: z.number().nullable(),
  diverged: z.int(),
  experiments: z.array(ExperimentId),
  campaigns: z.array(CampaignId),
  /** Runs with a metric that no verifier has seen. */
  unverified: z.int(),
  resultId: ResultId,
  at: Timestamp,
  campaignId: CampaignId,
  title: z.string(),
  experimentId: ExperimentId,
  owner: z.string().nullable(),
  proposer: z.string().nullable(),
  /** How many of the best runs were looked at: fewer than asked for means all. */
  lookedAt: z.int(),
  /** The worst metric among them. */
  worst: z.number(),
})
export type ScienceRow = z.infer<typeof ScienceRow>

export interface Ranking {
  readonly of: Comparable
  readonly metric: string
  readonly goal: Goal
  /** Looks at so many of the best runs. */
  readonly look: number
  readonly limit: number
  /** Left out: what no verifier has seen and would lead its campaign. */
  readonly withheld: readonly ExperimentId[]
  /** Unchanged recipes of campaigns instead of the best runs. */
  readonly baselines: boolean
}

/**
 * Configurations best first, over all listed campaigns, among those that have one of the best `look` runs. Of a seed that was
 * computed in several campaigns the first run counts.
 */
export const rankComparable = (
  on: Executor,
  { of, metric, goal, look, limit, withheld, baselines }: Ranking,
): Promise<ScienceRow[]> =>
  select(on, ScienceRow, goal === 'minimize' ? MINIMIZED : MAXIMIZED, {
    ...{ kernel: of.kernelSha256, data: of.datasetSha256, engineClass: of.engineClass },
    ...{ jobLimit: JSON.stringify(of.limit), metric, sign: goal === 'minimize' ? 1 : -1 },
    ...{ look, limit, withheld, baselines },
  })

const SAME = `${BOARD} = ${boardOf(':kernel', ':data', 'cast(:jobLimit as jsonb)', ':engineClass')}
  and c.kernel_sha256 = :kernel and c.dataset_sha256 = :data and c.job_limit = cast(:jobLimit as jsonb)
  and c.engine_class = :engineClass and c.retracted_at is null and c.rung = 3 and not ${provisional('c.work_unit_id')}`

const ranking = (direction: 'asc' | 'desc'): string => `
  with seen as materialized (
    select c.experiment_id, c.metric_value from corpus c
    where ${SAME} and c.metric_value is not null and c.metric_name = :metric and not :baselines
    order by c.metric_value ${direction} limit :look),
  unchanged as (
    select e.id as experiment_id from campaigns p join experiments e on e.campaign_id = p.id and e.baseline
    where :baselines and p.kernel_sha256 = :kernel and p.dataset_sha256 = :data),
  recipes as (
    select distinct e.recipe_sha256
    from (select experiment_id from seen union select experiment_id from unchanged) as s
    join experiments e on e.id = s.experiment_id),
  runs as (
    select distinct on (e.recipe_sha256, c.seed) e.recipe_sha256, e.recipe, e.baseline, e.id, e.proposer_id, p.owner_id,
      p.title, c.campaign_id, c.result_id, c.metric_value, c.published_at,
      c.metric_value is not null and not exists (
        select from results r join results v on v.work_unit_id = r.work_unit_id
        where r.id = c.result_id and v.trusted and v.verdict = 'valid') as unverified
    from recipes t join experiments e on e.recipe_sha256 = t.recipe_sha256
    join work_units w on w.experiment_id = e.id join corpus c on c.work_unit_id = w.id
    join campaigns p on p.id = c.campaign_id
    where ${SAME} and (c.metric_name is null or c.metric_name = :metric) and not e.id = any(:withheld)
      and p.file->>'visibility' is distinct from 'unlisted'
    order by e.recipe_sha256, c.seed, c.published_at, c.work_unit_id),
  ranked as (
    select recipe_sha256, (array_agg(recipe))[1] as recipe, bool_or(baseline) as baseline, count(metric_value) as n,
      avg(metric_value) as mean, stddev_samp(metric_value) as sd, count(*) filter (where metric_value is null) as diverged,
      array_agg(distinct id) as experiments, array_agg(distinct campaign_id) as campaigns,
      count(*) filter (where unverified) as unverified,
      (array_agg(result_id order by metric_value * :sign nulls last, result_id))[1] as "resultId",
      (array_agg(id order by published_at, id))[1] as first
    from runs group by recipe_sha256 having count(metric_value) > 0
    order by count(*) filter (where metric_value is null) > 0, avg(metric_value) * :sign, recipe_sha256 limit :limit)
  select k.recipe, k.baseline, k.n, k.mean, k.sd, k.diverged, k.experiments, k.campaigns, k.unverified, k."resultId",
    f.published_at as at, f.campaign_id as "campaignId", f.title, k.first as "experimentId", o.name as owner, a.name as proposer,
    (select count(*) from seen) as "lookedAt", coalesce((select max(metric_value * :sign) from seen) * :sign, k.mean) as worst
  from ranked k
  join lateral (select * from runs r where r.id = k.first order by r.published_at limit 1) as f on true
  left join users o on o.id = f.owner_id and o.deleted_at is null
  left join users a on a.id = f.proposer_id and a.deleted_at is null
  order by k.diverged > 0, k.mean * :sign, k.recipe_sha256`

const MINIMIZED = ranking('asc')
const MAXIMIZED = ranking('desc')
