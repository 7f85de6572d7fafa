import type { Result, WorkUnit } from '#domain/types.ts'
import { RunReport } from '#protocol/report.ts'
import type { Instant, ResultId } from '#protocol/units.ts'
import { type AnswerRow, insertCorpus, readAnswers } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import type { JobDeps } from './deps.ts'

/** A closed unit and its results, as they are stored. */
interface Closed {
  readonly workUnit: WorkUnit
  readonly results: readonly Result[]
}

/**
 * Turns the canonical results of locked work units whose embargo ends into the public corpus, and wakes the campaigns. Reports that
 * were read to judge the units are not read again.
 */
export async function publishAnswers(
  trx: Trx,
  deps: Pick<JobDeps, 'enqueue'>,
  units: readonly Closed[],
  { reports, now }: { readonly reports: ReadonlyMap<ResultId, string>; readonly now: Instant },
): Promise<void> {
  if (units.length === 0) return
  const judged = units.flatMap(unit => answerOf(unit, reports))
  const known = new Set(judged.map(({ workUnitId }) => workUnitId))
  const others = units.flatMap(({ workUnit: { id } }) => (known.has(id) ? [] : [id]))
  const answers = [...judged, ...(await readAnswers(trx, others))]
  await insertCorpus(
    trx,
    answers.map(({ report, ...answer }) => ({ ...answer, report: RunReport.parse(JSON.parse(report)) })),
    now,
  )
  await deps.enqueue(trx, 'propose', [...new Set(units.map(({ workUnit }) => workUnit.campaignId))])
}

function answerOf({ workUnit, results }: Closed, reports: ReadonlyMap<ResultId, string>): AnswerRow[] {
  const resultId = workUnit.state === 'valid' ? workUnit.canonicalId : undefined
  const report = resultId === undefined ? undefined : reports.get(resultId)
  if (resultId === undefined || report === undefined) return []
  return [{ workUnitId: workUnit.id, resultId, report, replicas: results.filter(isValid).length }]
}

const isValid = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'success' && result.verdict === 'valid'
