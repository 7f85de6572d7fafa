import { z } from 'zod'
import type { RunReport } from '#protocol/report.ts'
import { type Instant, ResultId, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { execute, recordset, select, toDb } from './rows.ts'

const AnswerRow = z.object({
  workUnitId: WorkUnitId,
  resultId: ResultId,
  report: z.string(),
  replicas: z.int(),
})
/** The answer of a valid work unit, before its embargo ends. */
export type AnswerRow = z.infer<typeof AnswerRow>

/** The canonical reports of those work units that are valid. Reports are large: ask for few units at a time. */
export const readAnswers = (trx: Trx, workUnitIds: readonly WorkUnitId[]): Promise<AnswerRow[]> =>
  select(trx, AnswerRow, READ_ANSWERS, { workUnitIds })

export interface NewCorpusRow extends Omit<AnswerRow, 'report'> {
  readonly report: RunReport
}

/** Adds rows to the public corpus; a work unit that is in it already stays as it is. Returns how many were added. */
export function insertCorpus(trx: Trx, rows: readonly NewCorpusRow[], now: Instant): Promise<number> {
  const flat = rows.map(({ report, ...row }) => ({
    ...row,
    status: report.status,
    metricName: report.metric?.name ?? null,
    metricValue: report.metric?.value ?? null,
    curve: report.curve,
    counters: report.counters,
    fuelUsed: report.fuelUsed,
  }))
  return execute(trx, INSERT, { rows: recordset(flat), now: toDb(now) })
}

const READ_ANSWERS = `
  select w.id as "workUnitId", c.id as "resultId", c.report,
    (select count(*) from results r where r.work_unit_id = w.id and r.verdict = 'valid') as replicas
  from work_units w join results c on c.id = w.canonical_result_id where w.id = any(:workUnitIds)`

const INSERT = `
  insert into corpus (work_unit_id, run_key, campaign_id, experiment_id, result_id, kernel_sha256, dataset_sha256,
    recipe, seed, job_limit, status, metric_name, metric_value, curve, counters, fuel_used, digest, artifact_sha256,
    replicas, published_at)
  select w.id, w.run_key, w.campaign_id, w.experiment_id, r.id, w.kernel_sha256, c.dataset_sha256, e.recipe, w.seed,
    cast(w.job as jsonb)->'limit', x.status, x."metricName", x."metricValue", x.curve, x.counters, x."fuelUsed",
    r.digest, r.artifact_sha256, x.replicas, :now
  from jsonb_to_recordset(cast(:rows as jsonb)) as x("workUnitId" text, "resultId" text, status text,
    "metricName" text, "metricValue" double precision, curve jsonb, counters jsonb, "fuelUsed" bigint, replicas int)
  join work_units w on w.id = x."workUnitId" join results r on r.id = x."resultId"
  join experiments e on e.id = w.experiment_id join campaigns c on c.id = w.campaign_id
  on conflict (work_unit_id) do nothing`
