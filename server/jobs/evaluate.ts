import { drawWeights, evaluationOf } from '#domain/evidence.ts'
import { drawn } from '#domain/trust.ts'
import { splitOf } from '#protocol/dataset.ts'
import { jobText, runKeyOf } from '#protocol/job.ts'
import { addMs, type Sha256 } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { datasetsByHash } from '#store/datasets.ts'
import { insertEvaluations, listDelivered, type NewEvaluation, takeLiars } from '#store/evaluations.ts'
import { giveUpRequests } from '#store/files.ts'
import { hiddenTextOf } from '#store/hidden.ts'
import { addHostEvents } from '#store/hosts.ts'
import { kernelsByHash } from '#store/kernels.ts'
import { excludeHosts } from '#store/standing.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { demandChecks, lockWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

export type EvaluateDeps = Pick<JobDeps, 'knex' | 'now' | 'secret' | 'ids' | 'enqueue'>

const PER_ROUND = 200

/**
 * Has a verifier evaluate weights that came, but for decoys, on val and, where the data set has one, on the hidden text; gives
 * how many came.
 */
export function planEvaluations({ knex, now, secret, ids }: EvaluateDeps): Promise<number> {
  return inTransaction(knex, async trx => {
    const planned: NewEvaluation[] = []
    let came = 0
    for (const { resultId, sha256, job, kernelSha256, datasetSha256 } of await listDelivered(
      trx,
      PER_ROUND,
    )) {
      const [kernel] = await kernelsByHash(trx, [kernelSha256])
      const [dataset] = await datasetsByHash(trx, [datasetSha256])
      if (kernel === undefined || dataset === undefined) continue
      const task = evaluationOf(job)
      const isDecoy = drawWeights(drawn(secret, 'weights', resultId)) === 'decoy'
      const plan = async (hiddenSha256: Sha256 | null): Promise<NewEvaluation> => {
        const data = kernel.manifest.slots.map(({ split }) =>
          split === 'val' && hiddenSha256 !== null ? hiddenSha256 : splitOf(dataset, split).sha256,
        )
        return {
          ...{ id: ids.result(now()), resultId, sha256, job: jobText(task), isDecoy, hiddenSha256 },
          runKey: await runKeyOf(kernelSha256, [...data, sha256], task),
        }
      }
      const hidden = isDecoy ? undefined : await hiddenTextOf(trx, datasetSha256)
      planned.push(await plan(null), ...(hidden === undefined ? [] : [await plan(hidden)]))
      came++
    }
    await insertEvaluations(trx, planned, now())
    return came
  })
}

const DELIVERY_MS = 24 * 3600_000

/**
 * Has the verifier compute again what somebody promised weights of that did not come in a day: whoever has computed it loses
 * nothing, and who has not is found. Gives how many.
 */
export function checkUndelivered({ knex, now }: EvaluateDeps): Promise<number> {
  return inTransaction(knex, async trx => {
    const overdue = { before: addMs(now(), -DELIVERY_MS), now: now(), limit: PER_ROUND }
    const missing = await giveUpRequests(trx, overdue)
    const locked = await lockWorkUnits(trx, [...new Set(missing.map(({ workUnitId }) => workUnitId))])
    const valid = locked.flatMap(({ workUnit: { id, state } }) => (state === 'valid' ? [id] : []))
    await demandChecks(
      trx,
      valid.map(id => ({ id, demand: 'audit' })),
      now(),
    )
    await touchWorkUnits(trx, valid, now())
    const notes = missing.map(({ hostId, resultId }) => ({
      ...{ hostId, event: 'artifact_missing' },
      detail: `result ${resultId}: its weights were asked for and did not come in a day`,
    }))
    await addHostEvents(trx, notes, now())
    return missing.length
  })
}

/** Excludes the hosts whose weights do not give the metric that they claimed (DESIGN §8); gives how many. */
export function excludeLiars({ knex, now, enqueue }: EvaluateDeps): Promise<number> {
  return inTransaction(knex, async trx => {
    const liars = await takeLiars(trx, now())
    const reason = (resultId: string): string =>
      `result ${resultId}: its weights do not give the metric that was claimed`
    const exclusions = liars.map(({ hostId, resultId }) => ({ hostId, reason: reason(resultId) }))
    const once = [...new Map(exclusions.map(exclusion => [exclusion.hostId, exclusion])).values()]
    await excludeHosts(trx, once, now())
    await enqueue(
      trx,
      'standing',
      once.map(({ hostId }) => hostId),
    )
    return once.length
  })
}
