import { type EngineClass, isExact } from '#protocol/engine.ts'
import type { Agreement } from '#protocol/study.ts'
import { ci95, studentT95 } from './statistics.ts'

/** What a run came to, or is said to have come to. */
export interface Outcome {
  readonly digest: string
  readonly status: string
  readonly metricValue: number | null
}

export interface Compared {
  readonly agreement: Agreement
  readonly metric: { readonly n: number; readonly mean: number; readonly ci95: number | null } | null
}

/**
 * Whether a claim came out again in published runs of the same computation. In an exact class the digest of the canonical result is
 * the claim's or it is not. With a tolerance the claimed metric lies inside the 95 % prediction interval of one more run,
 * mean ± t·sd·√(1 + 1/n), or, where the runs do not scatter at all, is their value; a claim that did not end ok has to end alike.
 */
export function compareRuns(engineClass: EngineClass, claim: Outcome, runs: readonly Outcome[]): Compared {
  const [first] = runs
  if (first === undefined) return { agreement: 'waiting', metric: null }
  if (isExact(engineClass))
    return { agreement: first.digest === claim.digest ? 'agrees' : 'differs', metric: null }
  const values = runs.flatMap(({ metricValue }) => (metricValue === null ? [] : [metricValue]))
  if (claim.metricValue === null || values.length < runs.length) {
    const isAlike = runs.every(({ status }) => status === claim.status)
    return { agreement: isAlike ? 'agrees' : 'differs', metric: null }
  }
  const n = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const sd = n < 2 ? null : Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1))
  const reach = sd === null ? 0 : studentT95(n - 1) * sd * Math.sqrt(1 + 1 / n)
  const agreement = Math.abs(claim.metricValue - mean) <= reach ? 'agrees' : 'differs'
  return { agreement, metric: { n, mean, ci95: ci95(n, sd) } }
}
