import { z } from 'zod'
import { ExperimentRun } from '#protocol/experiments.ts'
import { Recipe } from '#protocol/job.ts'
import { Proposer } from '#protocol/space.ts'
import { CampaignId, ExperimentId } from '#protocol/units.ts'
import { IS_VESTED, provisional } from './provisional.ts'
import { type Executor, select, selectFirst, Timestamp } from './rows.ts'

const ExperimentRow = z.object({
  experimentId: ExperimentId,
  campaignId: CampaignId,
  ordinal: z.int(),
  baseline: z.boolean(),
  revision: z.int(),
  proposer: Proposer.nullable(),
  recipe: Recipe,
  createdAt: Timestamp,
  /** The campaign's unchanged recipe, where it computes one. */
  originId: ExperimentId.nullable(),
  runs: z.int(),
})
export type ExperimentRow = z.infer<typeof ExperimentRow>

/** One configuration of a campaign, without what its runs gave. */
export const findExperiment = (on: Executor, id: ExperimentId): Promise<ExperimentRow | undefined> =>
  selectFirst(on, ExperimentRow, EXPERIMENT, { id })

/**
 * Its first runs by seed and rung, with every result. As in the list of a campaign's work units, who computes what stays secret until
 * the run is public, and that the verifier looks at it.
 */
export const readExperimentRuns = (
  on: Executor,
  of: { readonly id: ExperimentId; readonly limit: number },
): Promise<ExperimentRun[]> => select(on, ExperimentRun, RUNS, { ...of })

const RankRow = z.object({ place: z.int(), of: z.int() })

interface Ranked {
  readonly id: ExperimentId
  readonly campaignId: CampaignId
  readonly goal: 'minimize' | 'maximize'
  /** Experiments that the leaderboard does not show. */
  readonly withheld: readonly ExperimentId[]
}

/** Its place among the experiments with a metric, in the order of the leaderboard (store/views.ts); undefined: it has none. */
export const findRank = (
  on: Executor,
  { goal, ...of }: Ranked,
): Promise<z.infer<typeof RankRow> | undefined> =>
  selectFirst(on, RankRow, RANK, { ...of, sign: goal === 'minimize' ? 1 : -1 })

const EXPERIMENT = `
  select e.id as "experimentId", e.campaign_id as "campaignId", e.ordinal, e.baseline, e.revision, e.proposer, e.recipe,
    e.created_at as "createdAt",
    (select o.id from experiments o where o.campaign_id = e.campaign_id and o.baseline) as "originId",
    (select count(*) from work_units w where w.experiment_id = e.id) as runs
  from experiments e where e.id = :id`

// A unit that the corpus answered has no result of its own but a canonical one of another unit.
const RESULTS = `
  select jsonb_agg(jsonb_build_object('id', r.id, 'kind', r.kind, 'state', r.state, 'outcome', r.outcome, 'verdict', r.verdict,
    'late', r.late, 'fraction', r.fraction, 'engineClass', coalesce(r.engine_class, w.engine_class),
    'host', case when w.published_at is not null and h.id is not null
      then jsonb_build_object('id', h.id, 'name', h.name, 'client', h.client) end,
    'tookMs', extract(epoch from r.reported_at - r.sent_at) * 1000,
    'digest', case when w.published_at is not null then r.digest end,
    'grantedMilli', case when w.published_at is not null then r.granted_milli else 0 end,
    'vested', w.published_at is not null and ${IS_VESTED}) order by r.id)
  from results r left join hosts h on h.id = r.host_id
  where (r.work_unit_id = w.id or r.id = w.canonical_result_id) and (w.published_at is not null or r.kind = 'replica')`

const RUNS = `
  select w.id as "workUnitId", w.seed_index as "seedIndex", w.seed, w.rung, w.state, w.failure,
    w.published_at is not null as published, c.work_unit_id is not null and ${provisional('w.id')} as provisional, c.status, c.metric_value as value,
    coalesce(c.curve, '[]') as curve, c.fuel_used as "fuelUsed", c.result_id as "resultId",
    coalesce((${RESULTS}), '[]') as results
  from work_units w left join corpus c on c.work_unit_id = w.id and c.retracted_at is null
  where w.experiment_id = :id order by w.seed_index, w.rung limit :limit`

const RANK = `
  with valued as (
    select experiment_id, avg(metric_value) as mean, count(*) filter (where status <> 'ok') as diverged
    from corpus where campaign_id = :campaignId and retracted_at is null and rung = 3
      and experiment_id <> all(cast(:withheld as text[]))
    group by experiment_id having count(metric_value) > 0),
  ranked as (
    select e.id, row_number() over (order by v.diverged > 0, v.mean * :sign, e.ordinal) as place, count(*) over () as "of"
    from valued v join experiments e on e.id = v.experiment_id)
  select place, "of" from ranked where id = :id`
