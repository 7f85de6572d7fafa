import { z } from 'zod'
import type { Score, Scores } from '#domain/records.ts'
import { CampaignId, ExperimentId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, execute, select } from './rows.ts'

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

/** The valid metrics of the experiments of these units; those without one are missing. */
export async function readExperimentScores(
  trx: Trx,
  units: readonly { readonly campaignId: CampaignId; readonly experimentId: ExperimentId }[],
): Promise<Map<ExperimentId, Score>> {
  const rows = await select(trx, ScoreRow, EXPERIMENT_SCORES, {
    campaignIds: column(units, unit => unit.campaignId),
    ids: column(units, unit => unit.experimentId),
  })
  return new Map(rows.map(({ id, ...score }) => [id, score]))
}

/** Derives the means of experiments again after metrics of their units changed. Experiments are locked last, ids ascending. */
export async function refreshScores(trx: Trx, ids: readonly ExperimentId[]): Promise<void> {
  if (ids.length === 0) return
  const distinct = [...new Set(ids)]
  await Promise.all([
    execute(trx, LOCK, { ids: distinct }), // so that the next statement sees what whoever held them committed
    execute(trx, REFRESH, { ids: distinct }),
  ])
}

/**
 * The `limit` experiments of campaign `c` with the best means of valid runs, as a sub-select for `lateral`: of its two halves
 * the one for the other goal reads nothing, since it depends on nothing but `c`. `place` orders them, best first.
 */
export const leadingOf = (limit: string): string => `
  (select e.experiment_id, e.n, e.mean, e.mean as place from experiment_scores e
    where e.campaign_id = c.id and e.mean is not null and c.file->'metric'->>'goal' = 'minimize'
    order by e.mean limit ${limit})
  union all
  (select e.experiment_id, e.n, e.mean, -e.mean from experiment_scores e
    where e.campaign_id = c.id and e.mean is not null and c.file->'metric'->>'goal' = 'maximize'
    order by e.mean desc limit ${limit})`

// So many values predict as well as all of them, and cost the same however large the campaign is.
const PREDICTING = 250
const SCORES = `
  select c.id as "campaignId", c.file->'metric'->>'goal' as goal, s.n, s.mean, s.m2, l.leaders, l.best
  from campaigns c
  cross join lateral (
    with latest as (
      select n, mean, m2 from experiment_scores e where e.campaign_id = c.id and n > 0
      order by e.experiment_id desc limit ${PREDICTING}),
    whole as (select coalesce(sum(n), 0)::int as n, coalesce(sum(n * mean) / sum(n), 0) as mean from latest)
    select w.n, w.mean, coalesce(sum(o.m2 + o.n * (o.mean - w.mean) ^ 2), 0) as m2
    from whole w left join latest o on true group by w.n, w.mean) as s
  cross join lateral (
    with led as (${leadingOf(':leaders')})
    select coalesce(jsonb_agg(jsonb_build_object('experimentId', experiment_id, 'n', n, 'mean', mean) order by place), '[]')
        as leaders,
      (select case c.file->'metric'->>'goal' when 'minimize' then min(w.metric) else max(w.metric) end
        from led join work_units w on w.experiment_id = led.experiment_id) as best
    from led) as l
  where c.id = any(:campaignIds)`

const EXPERIMENT_SCORES = `
  select distinct s.experiment_id as id, s.n, s.mean
  from unnest(:campaignIds::text[], :ids::text[]) as u (campaign_id, experiment_id)
  join experiment_scores s on s.campaign_id = u.campaign_id and s.experiment_id = u.experiment_id
  where s.mean is not null`

const LOCK = `select id from experiments where id = any(:ids) order by id for no key update`

// Under the lock of the experiment nobody else adds its row: no conflict is possible, and none is looked for.
const REFRESH = `
  with scored as (
    select campaign_id, experiment_id, count(metric) as n, avg(metric) as mean,
      coalesce(var_pop(metric) * count(metric), 0) as m2
    from work_units where experiment_id = any(:ids) group by campaign_id, experiment_id),
  changed as (
    update experiment_scores o set n = s.n, mean = s.mean, m2 = s.m2 from scored s
    where o.campaign_id = s.campaign_id and o.experiment_id = s.experiment_id returning o.experiment_id)
  insert into experiment_scores (campaign_id, experiment_id, n, mean, m2)
  select campaign_id, experiment_id, n, mean, m2 from scored
  where n > 0 and experiment_id not in (select experiment_id from changed)`
