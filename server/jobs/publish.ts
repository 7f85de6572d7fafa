import type { Result, WorkUnit } from '#domain/types.ts'
import { RunReport } from '#protocol/report.ts'
import type { Instant, ResultId, Sha256 } from '#protocol/units.ts'
import { insertCorpus, type NewCorpusRow, readAnswers } from '#store/corpus.ts'
import type { Trx } from '#store/database.ts'
import type { SuccessRow } from '#store/verdicts.ts'
import type { ReadOutput } from '#validators/output.ts'
import type { JobDeps } from './deps.ts'

/** A closed unit and its results, as they are stored. */
interface Closed {
  readonly workUnit: WorkUnit
  readonly results: readonly Result[]
}

/** What was read to judge units. */
interface Read {
  readonly outputs: ReadonlyMap<ResultId, ReadOutput>
  readonly successes: readonly SuccessRow[]
}

/**
 * Turns the canonical results of locked work units whose embargo ends into the public corpus, and wakes the campaigns. Reports that
 * were read to judge the units are not read again.
 */
export async function publishAnswers(
  trx: Trx,
  deps: Pick<JobDeps, 'enqueue'>,
  units: readonly Closed[],
  { outputs, successes }: Read,
  now: Instant,
): Promise<void> {
  if (units.length === 0) return
  const digests = new Map(successes.map(({ id, digest }) => [id, digest]))
  const judged = units.flatMap(unit => answerOf(unit, { outputs, digests }))
  const known = new Set(judged.map(({ workUnitId }) => workUnitId))
  const others = units.flatMap(({ workUnit: { id } }) => (known.has(id) ? [] : [id]))
  const stored = await readAnswers(trx, others)
  const read = stored.map(answer => ({ ...answer, report: RunReport.parse(JSON.parse(answer.report)) }))
  await insertCorpus(trx, [...judged, ...read], now)
  await deps.enqueue(trx, 'propose', [...new Set(units.map(({ workUnit }) => workUnit.campaignId))])
}

function answerOf(
  { workUnit, results }: Closed,
  { outputs, digests }: Pick<Read, 'outputs'> & { readonly digests: ReadonlyMap<ResultId, Sha256> },
): NewCorpusRow[] {
  if (workUnit.state !== 'valid') return []
  const resultId = workUnit.canonicalId
  const report = outputs.get(resultId)?.report
  const digest = digests.get(resultId)
  if (report === undefined || digest === undefined) return []
  return [{ workUnitId: workUnit.id, resultId, digest, report, replicas: results.filter(isValid).length }]
}

const isValid = (result: Result): boolean =>
  result.state === 'over' && result.outcome === 'success' && result.verdict === 'valid'
