import { z } from 'zod'
import { Recipe, Rung } from '#protocol/job.ts'
import { type CampaignId, ExperimentId, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { type Executor, execute, recordset, select } from './rows.ts'

const StudyRun = z.object({
  number: z.int(),
  recipe: Recipe,
  recipeSha256: Sha256,
  job: z.string(),
  runKey: Sha256,
  seed: z.int(),
  rung: Rung,
  /** Of this server, if the claim is. */
  resultId: ResultId.nullable(),
  digest: Sha256,
  status: z.string(),
  metricValue: z.number().nullable(),
})
/** What a study computes again, and what was claimed of it. */
export type StudyRun = z.infer<typeof StudyRun>

const INSERT = `
  insert into study_runs (campaign_id, number, recipe, recipe_sha256, job, run_key, seed, rung, result_id, digest, status,
    metric_value)
  select :campaignId, number, recipe, "recipeSha256", job, "runKey", seed, rung, "resultId", digest, status, "metricValue"
  from json_to_recordset(cast(:rows as json)) as x(number int, recipe jsonb, "recipeSha256" text, job text, "runKey" text,
    seed bigint, rung smallint, "resultId" text, digest text, status text, "metricValue" double precision)`

/** Adds what a new campaign of type replicate is about. */
export const insertStudy = (trx: Trx, campaignId: CampaignId, runs: readonly StudyRun[]): Promise<number> =>
  execute(trx, INSERT, { campaignId, rows: recordset(runs) })

const COLUMNS = `
  s.number, s.recipe, s.recipe_sha256 as "recipeSha256", s.job, s.run_key as "runKey", s.seed, s.rung,
  s.result_id as "resultId", s.digest, s.status, s.metric_value as "metricValue"`
const LIST = `select ${COLUMNS} from study_runs s where s.campaign_id = :campaignId order by s.number`

export const readStudy = (on: Executor, campaignId: CampaignId): Promise<StudyRun[]> =>
  select(on, StudyRun, LIST, { campaignId })

const Answered = StudyRun.extend({
  workUnitId: WorkUnitId.nullable(),
  experimentId: ExperimentId.nullable(),
  unitState: z.enum(['open', 'valid', 'failed', 'cancelled']).nullable(),
  published: z.boolean(),
  foundDigest: Sha256.nullable(),
  foundStatus: z.string().nullable(),
  foundMetric: z.number().nullable(),
  equal: z.int(),
  unequal: z.int(),
})
export type AnsweredRun = z.infer<typeof Answered>

// What is not published says nothing: neither how many agree nor that any does.
const ANSWERED = `
  select ${COLUMNS}, w.id as "workUnitId", w.experiment_id as "experimentId", w.state as "unitState",
    coalesce(w.published_at is not null, false) as published,
    c.digest as "foundDigest", c.status as "foundStatus", c.metric_value as "foundMetric",
    coalesce(t.equal, 0) as equal, coalesce(t.unequal, 0) as unequal
  from study_runs s
  left join work_units w on w.campaign_id = s.campaign_id and w.seed_index = s.number and w.independent
  left join corpus c on c.work_unit_id = w.id and c.retracted_at is null
  left join lateral (
    select count(*) filter (where r.verdict = 'valid') as equal, count(*) filter (where r.verdict = 'invalid') as unequal
    from results r where r.work_unit_id = w.id and r.kind = 'replica' and w.published_at is not null) as t on true
  where s.campaign_id = :campaignId order by s.number`

/** The same, with what came of each as far as it is published. */
export const readAnswered = (on: Executor, campaignId: CampaignId): Promise<AnsweredRun[]> =>
  select(on, Answered, ANSWERED, { campaignId })
