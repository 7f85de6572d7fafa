import { isRecord, nextToCheck } from '#domain/records.ts'
import type { CampaignId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { readExperimentScores, readScores } from '#store/scores.ts'
import {
  countRecordChecks,
  holdChecks,
  listRecordCandidates,
  lockWorkUnits,
  releaseChecks,
  touchWorkUnits,
} from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

/**
 * Says which units the verifier checks next of those that look like records, and lets units go that wait for the verifier because they looked like records, and are none beside those that were verified
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
    const next = nextToCheck(
      candidates.filter(unit => !overtaken.includes(unit)),
      { goal: scores.goal, begun: await countRecordChecks(trx, id) },
    )
    const locked = await lockWorkUnits(
      trx,
      candidates.map(unit => unit.id),
    )
    const isOvertaken = new Set(overtaken.map(unit => unit.id))
    await holdChecks(
      trx,
      candidates.flatMap(unit => (isOvertaken.has(unit.id) ? [] : [unit.id])),
      next.map(unit => unit.id),
    )
    const released = await releaseChecks(
      trx,
      locked.flatMap(({ workUnit }) => (isOvertaken.has(workUnit.id) ? [workUnit.id] : [])),
    )
    await touchWorkUnits(trx, released, deps.now())
    await deps.enqueue(trx, 'transition', released)
  })
}
