import { z } from 'zod'
import { CorpusRow, CorpusRun } from '#protocol/corpus.ts'
import { Limit, Recipe } from '#protocol/job.ts'
import { CampaignId, type ExperimentId, type Instant, Sha256, toWire, WorkUnitId } from '#protocol/units.ts'
import { CORPUS_JOINS, CORPUS_RUN } from './corpus-rows.ts'
import { provisional } from './provisional.ts'
import { type Executor, select, Timestamp, toDb } from './rows.ts'

const published = { publishedAt: Timestamp.transform(toWire) }
const RunRow = CorpusRun.extend(published)

export interface CorpusFilter {
  readonly kernel: Sha256 | null
  readonly data: Sha256 | null
  readonly campaign: CampaignId | null
  readonly status: string | null
  readonly rung: number | null
  readonly since: Instant | null
  readonly metricMin: number | null
  readonly metricMax: number | null
}

// A filter that is null is planned away. The cursor is a row: where it stands now is where the next page begins.
const LIST = `
  select ${CORPUS_RUN}, ${provisional('c.work_unit_id')} as provisional from corpus c ${CORPUS_JOINS}
  where c.retracted_at is null
    and (cast(:after as text) is null or (c.published_at, c.work_unit_id) < (
      select published_at, work_unit_id from corpus where work_unit_id = :after order by revision desc limit 1))
    and (cast(:kernel as text) is null or c.kernel_sha256 = :kernel)
    and (cast(:data as text) is null or c.dataset_sha256 = :data)
    and (cast(:campaign as text) is null or c.campaign_id = :campaign)
    and (cast(:status as text) is null or c.status = :status)
    and (cast(:rung as int) is null or c.rung = :rung)
    and (cast(:since as timestamptz) is null or c.published_at >= :since)
    and (cast(:metricMin as double precision) is null or c.metric_value >= :metricMin)
    and (cast(:metricMax as double precision) is null or c.metric_value <= :metricMax)
  order by c.published_at desc, c.work_unit_id desc limit :limit`

/** Published runs that stand, newest first. */
export const listCorpus = (
  on: Executor,
  { since, ...filter }: CorpusFilter,
  page: { after: WorkUnitId | null; limit: number },
): Promise<CorpusRun[]> => select(on, RunRow, LIST, { ...filter, ...page, since: toDb(since) })

const ShownRow = CorpusRow.extend({
  ...{ ...published, provisional: z.boolean() },
  ...{ revision: z.int(), retractedAt: Timestamp.nullable() },
})
export type ShownRow = z.infer<typeof ShownRow>

const SHOW = `
  select ${CORPUS_RUN}, c.curve, c.retracted_at is null and ${provisional('c.work_unit_id')} as provisional, c.revision, c.retracted_at as "retractedAt"
  from corpus c ${CORPUS_JOINS} where c.work_unit_id = :id order by c.revision`

/** All that was ever published of a work unit, the oldest first. */
export const readPublished = (on: Executor, id: WorkUnitId): Promise<ShownRow[]> =>
  select(on, ShownRow, SHOW, { id })

interface Among {
  readonly kernel: Sha256
  readonly data: Sha256 | null
}

const TriedRow = z.object({ sha256: Sha256, recipe: Recipe })

const TRIED = `
  select distinct on (e.recipe_sha256) e.recipe_sha256 as sha256, e.recipe
  from campaigns p join experiments e on e.campaign_id = p.id
  where p.kernel_sha256 = :kernel and (cast(:data as text) is null or p.dataset_sha256 = :data)
    and exists (select from work_units w join corpus c on c.work_unit_id = w.id where w.experiment_id = e.id
      and c.retracted_at is null and not ${provisional('c.work_unit_id')})
  order by e.recipe_sha256 limit :limit`

/** The different recipes of a kernel that have a final run, by their hash. */
export const readTried = (on: Executor, among: Among, limit: number): Promise<z.infer<typeof TriedRow>[]> =>
  select(on, TriedRow, TRIED, { ...among, limit })

const CAMPAIGNS = `
  select distinct p.id from experiments e join campaigns p on p.id = e.campaign_id
  where e.recipe_sha256 = any(:recipes) and p.kernel_sha256 = :kernel
    and (cast(:data as text) is null or p.dataset_sha256 = :data)`

/** The campaigns that tried any of these recipes. */
export const campaignsTrying = async (
  on: Executor,
  among: Among & { recipes: readonly Sha256[] },
): Promise<CampaignId[]> =>
  (await select(on, z.object({ id: CampaignId }), CAMPAIGNS, { ...among })).map(row => row.id)

const KnownRow = z.object({
  recipeSha256: Sha256,
  data: z.string(),
  limit: Limit,
  n: z.int(),
  ok: z.int(),
  metricName: z.string().nullable(),
  mean: z.number().nullable(),
  workUnitId: WorkUnitId,
})
export type KnownRow = z.infer<typeof KnownRow>

// A run key that several campaigns asked for was computed once, and counts once.
const KNOWN = `
  with runs as (
    select distinct on (e.recipe_sha256, c.run_key) e.recipe_sha256, c.*
    from experiments e join work_units w on w.experiment_id = e.id join corpus c on c.work_unit_id = w.id
    where e.recipe_sha256 = any(:recipes) and c.kernel_sha256 = :kernel
      and (cast(:data as text) is null or c.dataset_sha256 = :data)
      and c.retracted_at is null and not ${provisional('c.work_unit_id')} and c.rung = 3 and not c.experiment_id = any(:withheld)
    order by e.recipe_sha256, c.run_key, c.published_at)
  select r.recipe_sha256 as "recipeSha256", d.name || '@' || d.version as data, r.job_limit as "limit", count(*) as n,
    count(r.metric_value) as ok, max(r.metric_name) as "metricName", avg(r.metric_value) as mean,
    min(r.work_unit_id) as "workUnitId"
  from runs r join datasets d on d.sha256 = r.dataset_sha256
  group by r.recipe_sha256, d.name, d.version, r.job_limit order by n desc, min(r.work_unit_id)`

/** What is known of these recipes from whole runs that are final, without these experiments. */
export const readKnown = (
  on: Executor,
  of: Among & { recipes: readonly Sha256[]; withheld: readonly ExperimentId[] },
): Promise<KnownRow[]> => select(on, KnownRow, KNOWN, { ...of })
