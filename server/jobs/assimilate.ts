import { invariant } from '#domain/invariant.ts'
import { isWanted, transition } from '#domain/transition.ts'
import { RunReport } from '#protocol/report.ts'
import { insertCorpus, readAnswers } from '#store/corpus.ts'
import { inTransaction } from '#store/database.ts'
import { lockWorkUnits, publishWorkUnits, setWakes } from '#store/work-units.ts'
import type { WorkUnitHandler } from './deps.ts'

/**
 * Publishes closed work units: ends the embargo, turns canonical results into the public corpus, and wakes the
 * campaigns. What may still change in the meantime is left alone.
 */
export const runAssimilate: WorkUnitHandler = (deps, ids) =>
  inTransaction(deps.knex, async trx => {
    const now = deps.now()
    const loaded = await lockWorkUnits(trx, ids)
    const ready = loaded
      .filter(({ workUnit, results }) => isWanted('publish', transition(workUnit, results, now)))
      .map(({ workUnit }) => workUnit)
    if (ready.length === 0) return
    const readyIds = ready.map(workUnit => workUnit.id)
    const answers = await readAnswers(trx, readyIds)
    await insertCorpus(
      trx,
      answers.map(({ report, ...answer }) => ({ ...answer, report: RunReport.parse(JSON.parse(report)) })),
      now,
    )
    const published = await publishWorkUnits(trx, readyIds, now)
    invariant(published === ready.length, 'what is locked and closed is published once')
    await setWakes(
      trx,
      readyIds.map(id => ({ id, at: null })),
    )
    await deps.enqueue(trx, 'propose', [...new Set(ready.map(workUnit => workUnit.campaignId))])
  })
