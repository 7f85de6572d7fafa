import { z } from 'zod'
import type { RunReport } from '#protocol/report.ts'
import { CampaignId, type Instant, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { provisional } from './provisional.ts'
import { execute, recordset, select, toDb } from './rows.ts'

const AnswerRow = z.object({
  workUnitId: WorkUnitId,
  resultId: ResultId,
  digest: Sha256,
  report: z.string(),
  replicas: z.int(),
})
/** The answer of a valid work unit, before its embargo ends. */
type AnswerRow = z.infer<typeof AnswerRow>

/** The canonical reports of those work units that are valid. Reports are large: ask for few units at a time. */
export async function readAnswers(trx: Trx, workUnitIds: readonly WorkUnitId[]): Promise<AnswerRow[]> {
  return workUnitIds.length === 0 ? [] : select(trx, AnswerRow, READ_ANSWERS, { workUnitIds })
}

export interface NewCorpusRow extends Omit<AnswerRow, 'report'> {
  readonly report: RunReport
}

/**
 * Adds rows to the public corpus; a work unit that is in it already stays as it is, unless that was retracted: then the row
 * is its next revision. Returns how many were added.
 */
export function insertCorpus(trx: Trx, rows: readonly NewCorpusRow[], now: Instant): Promise<number> {
  const flat = rows.map(({ report, ...row }) => ({
    ...row,
    status: report.status,
    metricName: report.metric?.name ?? null,
    metricValue: report.metric?.value ?? null,
    curve: report.curve,
    counters: report.counters,
    fuelUsed: report.fuelUsed,
    artifactSha256: report.artifactSha256,
  }))
  return execute(trx, INSERT, { rows: recordset(flat), now: toDb(now) })
}

/**
 * Answers open work units from the corpus, where their run key was published before: valid with that canonical result,
 * published, nothing to compute and nothing to pay. Gives the ids of those it answered.
 */
export async function answerFromCorpus(
  trx: Trx,
  workUnitIds: readonly WorkUnitId[],
  now: Instant,
): Promise<WorkUnitId[]> {
  const answered = await select(trx, z.object({ id: WorkUnitId }), ANSWER, { workUnitIds, now: toDb(now) })
  return answered.map(row => row.id)
}

/** Which of these run keys the corpus can answer. */
export async function knownRunKeys(trx: Trx, runKeys: readonly Sha256[]): Promise<ReadonlySet<Sha256>> {
  if (runKeys.length === 0) return new Set()
  return new Set((await select(trx, z.object({ runKey: Sha256 }), KNOWN, { runKeys })).map(row => row.runKey))
}

/** Marks what these work units published as retracted; the rows stay. Gives the campaigns it happened to. */
export async function retractCorpus(
  trx: Trx,
  workUnitIds: readonly WorkUnitId[],
  now: Instant,
): Promise<{ workUnitId: WorkUnitId; campaignId: CampaignId }[]> {
  return select(trx, RetractedRow, RETRACT, { workUnitIds, now: toDb(now) })
}

const RetractedRow = z.object({ workUnitId: WorkUnitId, campaignId: CampaignId })

const READ_ANSWERS = `
  select w.id as "workUnitId", c.id as "resultId", c.digest, c.report,
    (select count(*) from results r where r.work_unit_id = w.id and r.verdict = 'valid') as replicas
  from work_units w join results c on c.id = w.canonical_result_id where w.id = any(:workUnitIds)`

// At most one row of a unit stands, and the next has the number of those before it, all retracted for good. The unit is locked: of two
// at once the second sees the first. Its recipe is that of the job, and what was read of its result is not looked up again.
const INSERT = `
  insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256,
    recipe, seed, job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, artifact_sha256,
    replicas, published_at, revision, rung, engine_class)
  select w.id, w.run_key, w.campaign_id, w.experiment_id, x."resultId", w.kernel_sha256, c.dataset_sha256, j.job->'recipe', w.seed,
    j.job->'limit', x.status, x."metricName", x."metricValue", x.curve, x.counters, x."fuelUsed",
    x.digest, x."artifactSha256", x.replicas, :now, o.revision, w.rung, w.engine_class
  from json_to_recordset(cast(:rows as json)) as x("workUnitId" text, "resultId" text, status text,
    "metricName" text, "metricValue" double precision, curve jsonb, counters jsonb, "fuelUsed" bigint, digest text,
    "artifactSha256" text, replicas int)
  join work_units w on w.id = x."workUnitId" join campaigns c on c.id = w.campaign_id
  cross join lateral (select cast(w.job as jsonb) as job offset 0) as j
  cross join lateral (
    select count(*) as revision, count(*) filter (where retracted_at is null) as standing from corpus
    where work_unit_id = w.id) as o
  where o.standing = 0`

const KNOWN = `
  select distinct u.run_key as "runKey" from work_units u join corpus c on c.work_unit_id = u.id
  where u.run_key = any(:runKeys) and not ${provisional('c.work_unit_id')} and c.retracted_at is null`

// The first publication of a run key stands for all: equal keys have equal digests. What is provisional answers nothing.
const ANSWER = `
  with answered as (
    update work_units w set state = 'valid', canonical_result_id = known.result_id, answered_by = known.result_id, closed_at = :now,
      published_at = :now,
      metric = case when w.rung = 3 then known.metric_value end
    from (
      select distinct on (c.run_key) c.run_key, c.result_id, c.work_unit_id, c.metric_value
      from work_units u join work_units k on k.run_key = u.run_key and k.id <> u.id join corpus c on c.work_unit_id = k.id
      where u.id = any(:workUnitIds) and not ${provisional('c.work_unit_id')} and c.retracted_at is null
      order by c.run_key, c.published_at, c.work_unit_id) as known
    where w.id = any(:workUnitIds) and w.state = 'open' and w.run_key = known.run_key
    returning w.id, w.campaign_id, w.experiment_id, known.work_unit_id as source),
  gone as (
    delete from live_units u using answered a where u.campaign_id = a.campaign_id and u.work_unit_id = a.id)
  insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256,
    recipe, seed, job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, artifact_sha256,
    replicas, published_at, rung, engine_class)
  select a.id, c.run_key, a.campaign_id, a.experiment_id, c.result_id, c.kernel_sha256, c.dataset_sha256, c.recipe,
    c.seed, c.job_limit, c.status, c.metric_name, c.metric_value, c.curve, c.counters, c.fuel_used, c.digest,
    c.artifact_sha256, c.replicas, :now, c.rung, c.engine_class
  from answered a join corpus c on c.work_unit_id = a.source and c.retracted_at is null
  returning work_unit_id as id`

const RETRACT = `
  update corpus set retracted_at = :now where work_unit_id = any(:workUnitIds) and retracted_at is null
  returning work_unit_id as "workUnitId", campaign_id as "campaignId"`
