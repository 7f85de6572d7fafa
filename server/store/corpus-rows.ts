import { z } from 'zod'
import { CorpusRow } from '#protocol/corpus.ts'
import type { CurvePoint } from '#protocol/report.ts'
import { CampaignId, type ExperimentId, type Instant, Sha256, toWire } from '#protocol/units.ts'
import { exactness } from './exactness.ts'
import { provisional } from './provisional.ts'
import { type Executor, select, selectOne, Timestamp, toDb } from './rows.ts'

/** A published row as everybody sees it. Its curve was parsed when it was published; a million points are not parsed again. */
const Row = CorpusRow.extend({
  publishedAt: Timestamp.transform(toWire),
  curve: z.array(z.custom<CurvePoint>(point => typeof point === 'object')),
})

/** Columns and joins of a `CorpusRun`; the corpus is `c`, the kernel `k`, the data set `d`, the result `r`. */
export const CORPUS_RUN = `
  c.work_unit_id as "workUnitId", c.campaign_id as "campaignId", c.experiment_id as "experimentId",
  c.result_id as "resultId", nullif(r.work_unit_id, c.work_unit_id) as "answeredFrom", c.run_key as "runKey",
  k.name || '@' || k.version as kernel, c.kernel_sha256 as "moduleSha256", c.engine_class as engine,
  ${exactness({ engineClass: 'c.engine_class', unit: 'c.work_unit_id', computedIn: 'r.work_unit_id' })} as exactness,
  d.name || '@' || d.version as data, c.dataset_sha256 as "dataSha256", c.recipe, c.seed, c.rung,
  c.job_limit as "limit", c.status, c.metric_name as "metricName", c.metric_value as "metricValue",
  c.fuel_used as "fuelUsed", c.digest, c.artifact_sha256 as "artifactSha256", c.replicas,
  c.published_at as "publishedAt", c.counters`
export const CORPUS_JOINS = `
  join results r on r.id = c.result_id join kernels k on k.module_sha256 = c.kernel_sha256
  join datasets d on d.sha256 = c.dataset_sha256`

/** What a campaign published, or what everybody did in [from, until); null: not bounded by that. */
export interface RowScope {
  readonly campaignId: CampaignId | null
  readonly from: Instant | null
  readonly until: Instant | null
}

const bindingsOf = ({ campaignId, from, until }: RowScope) => ({
  ...{ campaignId, from: toDb(from), until: toDb(until) },
})

// Given as parameters of one statement, what is null is planned away.
const IN_SCOPE = `
  (cast(:campaignId as text) is null or c.campaign_id = :campaignId)
  and (cast(:from as timestamptz) is null or c.published_at >= :from)
  and (cast(:until as timestamptz) is null or c.published_at < :until)`
const EXPORTED = `${IN_SCOPE} and not ${provisional('c.work_unit_id')} and c.retracted_at is null and not c.experiment_id = any(:withheld)`

const PAGE = `
  select ${CORPUS_RUN}, c.curve from corpus c ${CORPUS_JOINS}
  where c.work_unit_id > :after and ${EXPORTED}
  order by c.work_unit_id limit :limit`

/** One page of what is final of a scope, in the order of its work units, without these experiments. */
export const readCorpusPage = (
  on: Executor,
  { withheld, after, limit, ...scope }: RowScope & Withheld & { after: string; limit: number },
): Promise<CorpusRow[]> => select(on, Row, PAGE, { ...bindingsOf(scope), withheld, after, limit })

interface Withheld {
  readonly withheld: readonly ExperimentId[]
}

const State = z.object({ rows: z.int(), sha256: Sha256 })

const STATE = `
  select count(*) as rows, encode(sha256(convert_to(coalesce(
    string_agg(c.work_unit_id || '.' || c.revision, ',' order by c.work_unit_id), ''), 'UTF8')), 'hex') as sha256
  from corpus c where ${EXPORTED}`

/** How many rows `readCorpusPage` gives in all, and a hash of which: a row never changes, so equal hashes are equal rows. */
export const readCorpusState = (
  on: Executor,
  { withheld, ...scope }: RowScope & Withheld,
): Promise<z.infer<typeof State>> => selectOne(on, State, STATE, { ...bindingsOf(scope), withheld })

const RankedRow = z.object({ id: CampaignId, goal: z.enum(['minimize', 'maximize']) })

const CAMPAIGNS = `
  select p.id, p.file->'metric'->>'goal' as goal from campaigns p
  where p.id in (select c.campaign_id from corpus c where ${IN_SCOPE}) order by p.id`
const NAMED = `select id, file->'metric'->>'goal' as goal from campaigns where id = any(:ids) order by id`

/** The campaigns that have rows in a scope, with what they rank by. */
export const campaignsIn = (on: Executor, scope: RowScope): Promise<z.infer<typeof RankedRow>[]> =>
  select(on, RankedRow, CAMPAIGNS, bindingsOf(scope))

const USING = `select id from campaigns where kernel_sha256 = :kernel order by id`

/** The campaigns of a kernel. */
export const campaignsUsing = async (on: Executor, kernel: Sha256): Promise<CampaignId[]> =>
  (await select(on, z.object({ id: CampaignId }), USING, { kernel })).map(row => row.id)

/** What campaigns rank by. */
export const goalsOf = (on: Executor, ids: readonly CampaignId[]): Promise<z.infer<typeof RankedRow>[]> =>
  ids.length === 0 ? Promise.resolve([]) : select(on, RankedRow, NAMED, { ids })

const USED = `
  select distinct c.kernel_sha256 as kernel, c.dataset_sha256 as data from corpus c where ${EXPORTED}`

/** The kernels and data sets behind the rows of a scope. */
export const usedIn = (
  on: Executor,
  { withheld, ...scope }: RowScope & Withheld,
): Promise<{ kernel: Sha256; data: Sha256 }[]> =>
  select(on, z.object({ kernel: Sha256, data: Sha256 }), USED, { ...bindingsOf(scope), withheld })
