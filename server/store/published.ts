import { z } from 'zod'
import { EngineClass, Exactness } from '#protocol/engine.ts'
import { CampaignId, ExperimentId, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import { exactness } from './exactness.ts'
import { IS_PROVISIONAL } from './provisional.ts'
import { type Executor, selectFirst } from './rows.ts'

const PublishedResult = z.object({
  resultId: ResultId,
  workUnitId: WorkUnitId,
  experimentId: ExperimentId,
  campaignId: CampaignId,
  published: z.boolean(),
  canonical: z.boolean(),
  provisional: z.boolean(),
  /** The work unit that computed it, if the corpus answered this one with it. */
  answeredFrom: WorkUnitId.nullable(),
  engineClass: EngineClass,
  exactness: Exactness,
  /** Of a native class: the run key that the kernel itself gives this run. */
  exactKey: Sha256.nullable(),
  job: z.string(),
  runKey: Sha256,
  fuelMax: z.int(),
  kernelSha256: Sha256,
  datasetSha256: Sha256,
  digest: Sha256.nullable(),
  report: z.string().nullable(),
})
/** A result as anyone may see it, once `published`. Without a report when its host never finished. */
export type PublishedResult = z.infer<typeof PublishedResult>

const COLUMNS = `
  select r.id as "resultId", w.id as "workUnitId", w.experiment_id as "experimentId", w.campaign_id as "campaignId",
    w.published_at is not null as published,
    r.id is not distinct from w.canonical_result_id as canonical, ${IS_PROVISIONAL} as provisional,
    nullif(r.work_unit_id, w.id) as "answeredFrom",
    w.engine_class as "engineClass", w.exact_key as "exactKey",
    ${exactness({ engineClass: 'w.engine_class', unit: 'w.id', computedIn: 'r.work_unit_id' })} as exactness,
    w.job, w.run_key as "runKey", w.fuel_max as "fuelMax",
    w.kernel_sha256 as "kernelSha256", p.dataset_sha256 as "datasetSha256", r.digest, r.report`
const BY_RESULT = `${COLUMNS}
  from results r join work_units w on w.id = r.work_unit_id join campaigns p on p.id = w.campaign_id
  where r.id = :id`
// A unit that the corpus answered has no result of its own but a canonical one of another unit.
const OF_UNITS = `${COLUMNS}
  from work_units w join results r on r.work_unit_id = w.id or r.id = w.canonical_result_id
  join campaigns p on p.id = w.campaign_id`
// Without an answer yet, any result of the unit tells the caller that it is a matter of time.
const BY_WORK_UNIT = `${OF_UNITS} where w.id = :id order by canonical desc, r.id limit 1`
const BY_EXPERIMENT = `${OF_UNITS} where w.experiment_id = :id
  order by published desc, canonical desc, w.rung desc, w.seed_index, r.id limit 1`

export const findResult = (on: Executor, id: ResultId): Promise<PublishedResult | undefined> =>
  selectFirst(on, PublishedResult, BY_RESULT, { id })
/** Its canonical result, if it has one. */
export const findResultOfUnit = (on: Executor, id: WorkUnitId): Promise<PublishedResult | undefined> =>
  selectFirst(on, PublishedResult, BY_WORK_UNIT, { id })
/** The canonical result of its first seed that has one. */
export const findResultOfExperiment = (
  on: Executor,
  id: ExperimentId,
): Promise<PublishedResult | undefined> => selectFirst(on, PublishedResult, BY_EXPERIMENT, { id })
