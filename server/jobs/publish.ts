import type { Result, WorkUnit } from '#domain/types.ts'
import { RunReport } from '#protocol/report.ts'
import type { Instant, ResultId } from '#protocol/units.ts'
import { insertCorpus, type NewCorpusRow, readAnswers } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import type { ReadOutput } from '#validators/output.ts'
import type { JobDeps } from './deps.ts'

/** A closed unit and its results, as they are stored. */
interface Closed {
  readonly workUnit: WorkUnit
  readonly results: readonly Result[]
}

type Outputs = ReadonlyMap<ResultId, ReadOutput>

/**
 * Turns the canonical results of locked work units whose embargo ends into the public corpus, and wakes the campaigns. Reports that
 * were read to judge the units are not read again.
 */
export async function publishAnswers(
  trx: Trx,
  deps: Pick<JobDeps, 'enqueue'>,
  units: readonly Closed[],
  { outputs = new Map(), now }: { readonly outputs: Outputs | undefined; readonly now: Instant },
): Promise<void> {
  if (units.length === 0) return
  const judged = units.flatMap(unit => answerOf(unit, outputs))
  const known = new Set(judged.map(({ workUnitId }) => workUnitId))
  const others = units.flatMap(({ workUnit: { id } }) => (known.has(id) ? [] : [id]))
  const stored = await readAnswers(trx, others)
  const read = stored.map(answer => ({ ...answer, report: RunReport.parse(JSON.parse(answer.report)) }))
  await insertCorpus(trx, [...judged, ...read], now)
  await deps.enqueue(trx, 'propose', [...new Set(units.map(({ workUnit }) => workUnit.campaignId))])
}

function answerOf({ workUnit, results }: Closed, outputs: Outputs): NewCorpusRow[] {
  const resultId = workUnit.state === 'valid' ? workUnit.canonicalId : undefined
  const report = resultId === undefined ? undefined : outputs.get(resultId)?.report
  if (resultId === undefined || report === undefined) return []
  return [{ workUnitId: workUnit.id, resultId, report, replicas: results.filter(isValid).length }]
}

const isValid = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'success' && result.verdict === 'valid'
