import { z } from 'zod'
import { Recipe } from '#protocol/job.ts'
import { CurvePoint } from '#protocol/report.ts'
import { type CampaignId, ExperimentId, ResultId } from '#protocol/units.ts'
import { provisional } from './provisional.ts'
import { type Executor, select, Timestamp } from './rows.ts'

const AnalysisRow = z.object({
  ordinal: z.int(),
  experimentId: ExperimentId,
  recipe: Recipe,
  /** Whole runs on seeds of screening, and of them the open or embargoed, the provisional, diverged and failed ones. */
  units: z.int(),
  open: z.int(),
  provisional: z.int(),
  diverged: z.int(),
  failed: z.int(),
  /** Published runs that were cut short. */
  partial: z.int(),
  /** Final values by seed index, in its order. */
  seeds: z.array(z.int()),
  values: z.array(z.number()),
  /** Means over these runs; null when the kernel counts none. */
  parameters: z.number().nullable(),
  fuel: z.number().nullable(),
  finishedAt: Timestamp.nullable(),
  /** Of the best seed. */
  resultId: ResultId.nullable(),
})
export type AnalysisRow = z.infer<typeof AnalysisRow>

interface Page {
  readonly campaignId: CampaignId
  readonly goal: 'minimize' | 'maximize'
  readonly seeds: number
  /** Ordinals `from` … `to` − 1. */
  readonly from: number
  readonly to: number
}

/**
 * Some experiments of a campaign without the unchanged recipe, in order, with what their runs on its first `seeds` seeds gave. The
 * whole of a large campaign at once would hold up whoever else is served.
 */
export const readAnalysisRows = (on: Executor, { goal, ...page }: Page): Promise<AnalysisRow[]> =>
  select(on, AnalysisRow, ROWS, { ...page, sign: goal === 'minimize' ? 1 : -1 })

const CurveRow = z.object({ resultId: ResultId, curve: z.array(CurvePoint) })

/** Learning curves of published results. */
export async function readCurves(
  on: Executor,
  campaignId: CampaignId,
  resultIds: readonly ResultId[],
): Promise<ReadonlyMap<ResultId, z.infer<typeof CurveRow>['curve']>> {
  const rows = await select(on, CurveRow, CURVES, { campaignId, resultIds })
  return new Map(rows.map(({ resultId, curve }) => [resultId, curve]))
}

const FinalRun = z.object({
  experimentId: ExperimentId,
  seedIndex: z.int(),
  status: z.string(),
  value: z.number().nullable(),
  resultId: ResultId,
})

/** The final whole runs of some experiments, on all their seeds, in the order of the ids and seeds. */
export const readFinalRuns = (
  on: Executor,
  of: { campaignId: CampaignId; experimentIds: readonly ExperimentId[] },
): Promise<z.infer<typeof FinalRun>[]> => select(on, FinalRun, FINAL_RUNS, { ...of })

const FINAL_RUNS = `
  select c.experiment_id as "experimentId", w.seed_index as "seedIndex", c.status, c.metric_value as value,
    c.result_id as "resultId"
  from work_units w join corpus c on c.work_unit_id = w.id
  where w.campaign_id = :campaignId and w.experiment_id = any(:experimentIds) and c.rung = 3
    and not ${provisional('c.work_unit_id')} and c.retracted_at is null
  order by array_position(cast(:experimentIds as text[]), c.experiment_id), w.seed_index`

// A unit whose answer came from the corpus shares the result of another one.
const CURVES = `
  select distinct on (result_id) result_id as "resultId", curve from corpus
  where campaign_id = :campaignId and result_id = any(:resultIds) and retracted_at is null
  order by result_id, work_unit_id`

// Grouped before the experiments are joined: recipes are wide.
const ROWS = `
  with runs as (
    select w.experiment_id, w.seed_index, w.rung, c.status, c.metric_value, c.counters, c.fuel_used, c.published_at, c.result_id,
      w.rung = 3 as whole,
      w.rung = 3 and (w.published_at is null or w.state in ('open', 'cancelled')) as open,
      w.rung = 3 and w.published_at is not null and w.state = 'failed' as failed,
      w.rung = 3 and c.work_unit_id is not null and ${provisional('w.id')} as provisional,
      w.rung = 3 and c.metric_value is not null and not ${provisional('w.id')} as ok,
      w.rung = 3 and c.work_unit_id is not null and c.metric_value is null and not ${provisional('w.id')} as diverged
    from experiments e join work_units w on w.experiment_id = e.id and w.seed_index < :seeds
    left join corpus c on c.work_unit_id = w.id and c.retracted_at is null
    where e.campaign_id = :campaignId and e.ordinal >= :from and e.ordinal < :to),
  sums as (
    select experiment_id, count(*) filter (where whole) as units, count(*) filter (where open) as open,
      count(*) filter (where provisional) as provisional, count(*) filter (where diverged) as diverged,
      count(*) filter (where failed) as failed,
      count(*) filter (where not whole and status is not null) as partial,
      coalesce(array_agg(seed_index order by seed_index) filter (where ok), '{}') as seeds,
      coalesce(array_agg(metric_value order by seed_index) filter (where ok), '{}') as "values",
      avg(case when jsonb_typeof(counters->'parameters') = 'number'
        then cast(counters->>'parameters' as double precision) end) filter (where ok) as parameters,
      avg(cast(fuel_used as double precision)) filter (where ok) as fuel,
      max(published_at) filter (where whole) as "finishedAt",
      (array_agg(result_id order by metric_value * :sign) filter (where ok))[1] as "resultId"
    from runs group by experiment_id)
  select e.ordinal, e.id as "experimentId", e.recipe, coalesce(s.units, 0) as units, coalesce(s.open, 0) as open,
    coalesce(s.provisional, 0) as provisional, coalesce(s.diverged, 0) as diverged, coalesce(s.failed, 0) as failed,
    coalesce(s.partial, 0) as partial, coalesce(s.seeds, '{}') as seeds, coalesce(s."values", '{}') as "values",
    s.parameters, s.fuel, s."finishedAt", s."resultId"
  from experiments e left join sums s on s.experiment_id = e.id
  where e.campaign_id = :campaignId and e.ordinal >= :from and e.ordinal < :to and not e.baseline order by e.ordinal`
