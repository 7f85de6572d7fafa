import { PRESENT_MS } from '#domain/dispatch.ts'
import { isRecord, nextToCheck } from '#domain/records.ts'
import { addMs, type CampaignId, type WorkUnitId } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import {
  holdChecks,
  isVerifierIdle,
  listHeldInVain,
  listRecordCandidates,
  listRecordChecks,
  offerChecks,
  releaseChecks,
} from '#store/record-checks.ts'
import { readExperimentScores, readScores } from '#store/scores.ts'
import { touchWorkUnits } from '#store/wakes.ts'
import { lockWorkUnits } from '#store/work-units.ts'
import type { JobDeps } from './deps.ts'

// One transaction locks at most this many units of each kind: some hundred milliseconds.
const UNITS_PER_BATCH = 500

/**
 * Says which units the verifier checks next of those that look like records, and lets units go that waited for it because they
 * looked like records, and are none beside those that were verified since. What was held back and is wanted for another
 * reason by now is offered again. Without it the first reports of a campaign drown the verifier: the board knows valid runs
 * only, so that while the first ten wait every report is among the best. All candidates are read, few are locked; what is
 * left over is the next round's. In a transaction of its own, as `demandAudits`. Says whether any waits for the verifier.
 */
export async function releaseCandidates(
  deps: JobDeps,
  id: CampaignId,
  batch = UNITS_PER_BATCH,
): Promise<boolean> {
  return inTransaction(deps.knex, async trx => {
    // Before the scores: what is judged meanwhile is in both, and not in neither.
    const begun = await listRecordChecks(trx, id)
    const [candidates, heldInVain] = [await listRecordCandidates(trx, id), await listHeldInVain(trx, id)]
    if (candidates.length === 0 && heldInVain.length === 0) return begun.length > 0
    const { leaderRows } = deps.trust
    const scores = (await readScores(trx, [id], leaderRows + 1)).get(id)
    if (scores === undefined) return false
    const own = await readExperimentScores(
      trx,
      candidates.map(({ experimentId }) => ({ campaignId: id, experimentId })),
    )
    const overtaken = candidates.filter(({ experimentId, metrics }) =>
      metrics.every(
        metric => !isRecord(scores, { experimentId, metric, before: own.get(experimentId) }, leaderRows),
      ),
    )
    const gone = new Set(overtaken)
    const waiting = candidates.filter(unit => !gone.has(unit))
    const next = nextToCheck(waiting, {
      ...{ scores, begun, leaderRows },
      isVerifierIdle: await isVerifierIdle(trx, addMs(deps.now(), -PRESENT_MS)),
    })
    const toHold = waiting.filter(unit => unit.isOffered && !next.includes(unit))
    const holds = idsOf([...next, ...toHold.slice(0, batch)])
    const releases = idsOf(overtaken.slice(0, batch))
    await lockWorkUnits(trx, [...holds, ...releases, ...heldInVain])
    await holdChecks(trx, holds, idsOf(next))
    const released = await releaseChecks(trx, releases)
    await offerChecks(trx, [...heldInVain, ...released])
    await touchWorkUnits(trx, released, deps.now())
    if (overtaken.length > batch || toHold.length > batch) await deps.enqueue(trx, 'propose', [id])
    return true
  })
}

const idsOf = (units: readonly { readonly id: WorkUnitId }[]): WorkUnitId[] => units.map(unit => unit.id)
