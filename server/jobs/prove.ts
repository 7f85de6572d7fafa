import { readFile } from 'node:fs/promises'
import { evaluationOf } from '#domain/evidence.ts'
import { canonicalJson } from '#protocol/canonical.ts'
import { splitOf } from '#protocol/dataset.ts'
import { fingerprintOf } from '#protocol/fingerprint.ts'
import { Job, jobText, runKeyOf } from '#protocol/job.ts'
import { RunReport } from '#protocol/report.ts'
import { addMs } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { datasetsByHash } from '#store/datasets.ts'
import { insertEvaluations } from '#store/evaluations.ts'
import { kernelsByHash } from '#store/kernels.ts'
import {
  type AwaitedRow,
  listDeliveredProofs,
  listEndedProofs,
  listOverdueProofs,
  lookAgain,
  noteProofs,
  refuteEvaluation,
} from '#store/proofs.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { lockWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'
import { type EvaluateDeps, excludeLiars } from './evaluate.ts'

type ProveDeps = EvaluateDeps & Pick<JobDeps, 'blobs'>

// Weights are read whole, one after the other.
const PER_ROUND = 20
/** As long as delivering takes at most, and then the verifier. */
const PROOF_MS = 24 * 3600_000

/**
 * Proofs of what is computed with a tolerance (DESIGN §8, V1 for every native result): of weights that came the fingerprint is
 * computed here and the metric by a verifier, with the exact kernel. Then, and not before, the result is judged: a false metric or
 * fingerprint is a lie, whoever agrees with it; what did not come in a day is nothing. Gives how many results moved.
 */
export async function proveWeights(deps: ProveDeps): Promise<number> {
  let moved = 0
  for (const awaited of await listDeliveredProofs(deps.knex, PER_ROUND))
    moved += await examineWeights(deps, awaited)
  const ended = await concludeProofs(deps)
  if (ended > 0) await excludeLiars(deps)
  return moved + ended
}

/** Compares the fingerprint, and has the metric computed; weights that are not those of the fingerprint need no verifier. */
async function examineWeights({ knex, blobs, now, ids }: ProveDeps, awaited: AwaitedRow): Promise<number> {
  const { resultId, sha256, kernelSha256, datasetSha256 } = awaited
  const path = await blobs.local(sha256)
  if (path === undefined) throw new Error(`the weights ${sha256} were received and are not there`)
  const weights = await readFile(path)
  const { seed } = Job.parse(JSON.parse(awaited.job))
  const { fingerprint } = RunReport.parse(JSON.parse(awaited.report))
  const found = fingerprintOf(weights, seed)
  const isTrue = found !== undefined && canonicalJson(found) === canonicalJson(fingerprint ?? null)
  const task = evaluationOf(awaited.job)
  return inTransaction(knex, async trx => {
    const [kernel] = await kernelsByHash(trx, [kernelSha256])
    const [dataset] = await datasetsByHash(trx, [datasetSha256])
    if (kernel === undefined || dataset === undefined) return 0
    const data = kernel.manifest.slots.map(({ split }) => splitOf(dataset, split).sha256)
    const id = ids.result(now())
    const runKey = await runKeyOf(kernelSha256, [...data, sha256], task)
    const planned = { id, resultId, sha256, job: jobText(task), runKey, isDecoy: false, hiddenSha256: null }
    const count = await insertEvaluations(trx, [planned], now())
    if (!isTrue && count === 1) await refuteEvaluation(trx, id, now())
    return count
  })
}

/** Writes down what verifiers found, and has the results judged. An evaluation that failed is made again. */
function concludeProofs({ knex, now }: ProveDeps): Promise<number> {
  return inTransaction(knex, async trx => {
    const ended = [
      ...(await listEndedProofs(trx, PER_ROUND)),
      ...(await listOverdueProofs(trx, { before: addMs(now(), -PROOF_MS), limit: PER_ROUND })),
    ]
    await lookAgain(trx)
    if (ended.length === 0) return 0
    const units = await lockWorkUnits(trx, [...new Set(ended.map(proof => proof.workUnitId))])
    const count = await noteProofs(trx, ended)
    const ids = units.map(({ workUnit }) => workUnit.id)
    await touchWorkUnits(trx, ids, now())
    return count
  })
}
