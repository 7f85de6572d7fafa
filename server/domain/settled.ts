import type { Settlement } from './settle.ts'
import type { Result, WorkUnit } from './types.ts'

/**
 * A work unit and its results as they are once a settlement is stored, so that what follows is decided in the same
 * transaction. It says of `Settlement` what the statements of store/work-units.ts and store/verdicts.ts do.
 */
export function settledBy(
  { workUnit, results }: { readonly workUnit: WorkUnit; readonly results: readonly Result[] },
  settlement: Settlement,
): { readonly workUnit: WorkUnit; readonly results: readonly Result[] } {
  const verdicts = new Map(settlement.verdicts.map(({ resultId, verdict }) => [resultId, verdict]))
  const doubted = new Set(settlement.doubted)
  return {
    workUnit: demandedBy(answeredBy(workUnit, settlement), settlement),
    results: results.map(result => {
      if (result.state !== 'over' || result.outcome !== 'success') return result
      const verdict = verdicts.get(result.id) ?? result.verdict
      return { ...result, verdict, proven: result.proven && !doubted.has(result.id) }
    }),
  }
}

function answeredBy(workUnit: WorkUnit, { canonicalId, overturned }: Settlement): WorkUnit {
  if (canonicalId === null) return workUnit
  const publishedAt = overturned || workUnit.state === 'open' ? null : workUnit.publishedAt
  return { ...workUnit, state: 'valid', canonicalId, publishedAt }
}

function demandedBy(workUnit: WorkUnit, { demand }: Settlement): WorkUnit {
  if (demand === null || workUnit.check === 'verifier') return workUnit
  return { ...workUnit, check: 'verifier', disputed: workUnit.disputed || demand === 'disagreement' }
}
