import type { WorkUnit } from '#domain/types.ts'
import { RunReport } from '#protocol/report.ts'
import type { Instant } from '#protocol/units.ts'
import { insertCorpus, readAnswers } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import type { JobDeps } from './deps.ts'

/** Turns the canonical results of locked work units whose embargo ends into the public corpus, and wakes the campaigns. */
export async function publishAnswers(
  trx: Trx,
  deps: Pick<JobDeps, 'enqueue'>,
  units: readonly WorkUnit[],
  now: Instant,
): Promise<void> {
  if (units.length === 0) return
  const answers = await readAnswers(
    trx,
    units.map(({ id }) => id),
  )
  await insertCorpus(
    trx,
    answers.map(({ report, ...answer }) => ({ ...answer, report: RunReport.parse(JSON.parse(report)) })),
    now,
  )
  await deps.enqueue(trx, 'propose', [...new Set(units.map(unit => unit.campaignId))])
}
