import { z } from 'zod'
import { type Instant, ResultId, Sha256, WorkUnitId } from '#protocol/units.ts'
import type { Trx } from './database.ts'
import { column, type Executor, execute, select, toDb } from './rows.ts'

// Proofs of results in classes with a tolerance: whether their weights give their metric. Judging waits for them.

const AwaitedRow = z.object({
  resultId: ResultId,
  sha256: Sha256,
  job: z.string(),
  report: z.string(),
  kernelSha256: Sha256,
  datasetSha256: Sha256,
})
/** A result whose weights are here, and that nobody has looked at. */
export type AwaitedRow = z.infer<typeof AwaitedRow>

const DELIVERED = `
  select r.id as "resultId", r.artifact_sha256 as sha256, w.job, r.report, w.kernel_sha256 as "kernelSha256",
    c.dataset_sha256 as "datasetSha256"
  from results r join files f on f.sha256 = r.artifact_sha256 join work_units w on w.id = r.work_unit_id
  join campaigns c on c.id = w.campaign_id
  where r.weights = 'awaited' and not exists (
    select from evaluations e where e.result_id = r.id and e.hidden_sha256 is null)
  order by r.reported_at, r.id limit :limit`

/** The oldest first. Weights that somebody else delivered before are not asked for again. */
export const listDeliveredProofs = (on: Executor, limit: number): Promise<AwaitedRow[]> =>
  select(on, AwaitedRow, DELIVERED, { limit })

const ProofRow = z.object({
  resultId: ResultId,
  workUnitId: WorkUnitId,
  weights: z.enum(['equal', 'different', 'missing']),
})
type ProofRow = z.infer<typeof ProofRow>

const ENDED = `
  select r.id as "resultId", r.work_unit_id as "workUnitId", e.outcome as weights
  from results r join evaluations e on e.result_id = r.id and e.hidden_sha256 is null
  where r.weights = 'awaited' and e.outcome in ('equal', 'different')
  order by r.reported_at, r.id limit :limit`

/** What verifiers have found. */
export const listEndedProofs = (on: Executor, limit: number): Promise<ProofRow[]> =>
  select(on, ProofRow, ENDED, { limit })

const OVERDUE = `
  select r.id as "resultId", r.work_unit_id as "workUnitId", 'missing' as weights from results r
  where r.weights = 'awaited' and r.reported_at < :before and not exists (
    select from evaluations e where e.result_id = r.id and e.hidden_sha256 is null)
  order by r.reported_at, r.id limit :limit`

/** Results reported before then whose weights never came. */
export const listOverdueProofs = (
  on: Executor,
  { before, limit }: { before: Instant; limit: number },
): Promise<ProofRow[]> => select(on, ProofRow, OVERDUE, { before: toDb(before), limit })

const NOTE = `
  update results r set weights = x.weights from unnest(:ids::text[], :weights::text[]) as x (id, weights)
  where r.id = x.id and r.weights = 'awaited'`

/** Writes down what was found of results of locked units; returns how many. */
export const noteProofs = (trx: Trx, proofs: readonly ProofRow[]): Promise<number> =>
  execute(trx, NOTE, {
    ids: column(proofs, proof => proof.resultId),
    weights: column(proofs, proof => proof.weights),
  })

const AGAIN = `
  update evaluations e set outcome = null, ended_at = null, host_id = null, deadline = null
  from results r where r.id = e.result_id and r.weights = 'awaited' and e.outcome = 'failed' and e.hidden_sha256 is null`

/** Evaluations that said nothing, because the verifier could not make them, are open again; returns how many. */
export const lookAgain = (trx: Trx): Promise<number> => execute(trx, AGAIN)

const REFUTE = `update evaluations set outcome = 'different', ended_at = :now where id = :id and outcome is null`

/** What is evaluated is not what its host committed to: that is known without evaluating it. */
export const refuteEvaluation = (trx: Trx, id: ResultId, now: Instant): Promise<number> =>
  execute(trx, REFUTE, { id, now: toDb(now) })
