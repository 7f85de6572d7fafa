import { isRecord } from '#domain/records.ts'
import type { CampaignId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { readExperimentScores, readScores } from '#store/scores.ts'
import { listRecordCandidates, lockWorkUnits, releaseChecks, touchWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

/**
 * Lets units go that wait for the verifier because they looked like records, and are none beside those that were verified
 * since. Without it the first reports of a campaign drown the verifier: the board knows valid runs only, so that while
 * the first ten wait every report is among the best. In a transaction of its own, as `demandAudits`.
 */
export async function releaseCandidates(deps: JobDeps, id: CampaignId): Promise<void> {
  await inTransaction(deps.knex, async trx => {
    const candidates = await listRecordCandidates(trx, id)
    if (candidates.length === 0) return
    const { leaderRows } = deps.trust
    const scores = (await readScores(trx, [id], leaderRows + 1)).get(id)
    if (scores === undefined) return
    const own = await readExperimentScores(trx, [...new Set(candidates.map(unit => unit.experimentId))])
    const overtaken = candidates.filter(({ experimentId, metrics }) =>
      metrics.every(
        metric => !isRecord(scores, { experimentId, metric, before: own.get(experimentId) }, leaderRows),
      ),
    )
    const locked = await lockWorkUnits(
      trx,
      overtaken.map(unit => unit.id),
    )
    const released = await releaseChecks(
      trx,
      locked.map(({ workUnit }) => workUnit.id),
    )
    await touchWorkUnits(trx, released, deps.now())
    await deps.enqueue(trx, 'transition', released)
  })
}
