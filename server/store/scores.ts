import { z } from 'zod'
import type { Score, Scores } from '#domain/records.ts'
import { CampaignId, ExperimentId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, select } from './rows.ts'

const ScoresRow = z.object({
  campaignId: CampaignId,
  goal: z.enum(['minimize', 'maximize']),
  n: z.int(),
  mean: z.number(),
  m2: z.number(),
  best: z.number().nullable(),
  leaders: z.array(z.object({ experimentId: z.string(), n: z.int(), mean: z.number() })),
})

/** What the rule of records needs of these campaigns. */
export async function readScores(
  trx: Trx,
  campaignIds: readonly CampaignId[],
  leaders: number,
): Promise<Map<CampaignId, Scores>> {
  const rows = await select(trx, ScoresRow, SCORES, { campaignIds, leaders })
  return new Map(rows.map(({ campaignId, ...scores }) => [campaignId, scores]))
}

const ScoreRow = z.object({ id: ExperimentId, n: z.int(), mean: z.number() })

/** The valid metrics of these experiments; those without one are missing. */
export async function readExperimentScores(
  trx: Trx,
  ids: readonly ExperimentId[],
): Promise<Map<ExperimentId, Score>> {
  const rows = await select(trx, ScoreRow, EXPERIMENT_SCORES, { ids })
  return new Map(rows.map(({ id, ...score }) => [id, score]))
}

/** Derives the means of experiments again after metrics of their units changed. Experiments are locked last, ids ascending. */
export async function refreshScores(trx: Trx, ids: readonly ExperimentId[]): Promise<void> {
  if (ids.length === 0) return
  const distinct = [...new Set(ids)]
  await execute(trx, LOCK, { ids: distinct }) // so that the next statement sees what whoever held them committed
  await execute(trx, REFRESH, { ids: distinct })
}

// A thousand values predict as well as all of them, and cost the same however large the campaign is.
const SCORES = `
  select c.id as "campaignId", c.file->'metric'->>'goal' as goal, s.n, s.mean, s.m2,
    case c.file->'metric'->>'goal'
      when 'minimize' then (select min(metric) from work_units w where w.campaign_id = c.id and metric is not null)
      else (select max(metric) from work_units w where w.campaign_id = c.id and metric is not null) end as best,
    coalesce((select jsonb_agg(jsonb_build_object('experimentId', l.id, 'n', l.metric_n, 'mean', l.metric_mean)
        order by l.place) from (
      select low.*, row_number() over () as place from (
        select id, metric_n, metric_mean from experiments e
        where e.campaign_id = c.id and metric_mean is not null and c.file->'metric'->>'goal' = 'minimize'
        order by metric_mean limit :leaders) as low
      union all
      select high.*, row_number() over () as place from (
        select id, metric_n, metric_mean from experiments e
        where e.campaign_id = c.id and metric_mean is not null and c.file->'metric'->>'goal' = 'maximize'
        order by metric_mean desc limit :leaders) as high) as l), '[]') as leaders
  from campaigns c
  cross join lateral (
    select count(*) as n, coalesce(avg(metric), 0) as mean, coalesce(var_pop(metric) * count(*), 0) as m2 from (
      select metric from work_units w where w.campaign_id = c.id and metric is not null
      order by w.id desc limit 1000) as latest) as s
  where c.id = any(:campaignIds)`

const EXPERIMENT_SCORES = `
  select id, metric_n as n, metric_mean as mean from experiments where id = any(:ids) and metric_mean is not null`

const LOCK = `select id from experiments where id = any(:ids) order by id for no key update`

const REFRESH = `
  update experiments e set metric_n = s.n, metric_mean = s.mean
  from (select experiment_id, count(metric) as n, avg(metric) as mean from work_units
    where experiment_id = any(:ids) group by experiment_id) as s
  where e.id = s.experiment_id`
