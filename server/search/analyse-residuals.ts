import type { AnalysisOf } from '#protocol/analysis.ts'
import type { AnalysedRow } from './analyse.ts'
import { residualsOf } from './statistics.ts'
import { thinned } from './thin.ts'

const RESIDUAL_EXPERIMENTS_MAX = 2_000
const RESIDUAL_BINS = 21
const RESIDUALS_SHOWN = 10

/** What is left of the runs of finished experiments when experiments and seeds are accounted for. */
export function residualsView(rows: readonly AnalysedRow[], seeds: number): AnalysisOf<'residuals'> {
  const replicated = rows.filter(row => row.values.length > 1)
  const taken = thinned(replicated, RESIDUAL_EXPERIMENTS_MAX)
  const { residuals, sd } = residualsOf(
    taken.map(row => new Map(row.values.map((value, i) => [row.seeds[i] ?? i, value]))),
  )
  const largest = residuals
    .toSorted((a, b) => Math.abs(b.residual) - Math.abs(a.residual))
    .slice(0, RESIDUALS_SHOWN)
  return {
    method:
      seeds < 2
        ? 'One seed an experiment: there is nothing to tell noise by.'
        : 'Value less the effects of experiment and seed, fitted by least squares; the deviation with cells − experiments − seeds + 1 degrees of freedom.',
    experiments: taken.length,
    leftOut: replicated.length - taken.length,
    n: residuals.length,
    sd,
    pairedSd: sd === null ? null : Math.SQRT2 * sd,
    bins: histogram(residuals.map(({ residual }) => residual)),
    largest: largest.flatMap(({ experiment, seed, residual }) => {
      const row = taken[experiment]
      return row === undefined ? [] : [{ experimentId: row.experimentId, seedIndex: seed, residual }]
    }),
  }
}

function histogram(values: readonly number[]): AnalysisOf<'residuals'>['bins'] {
  const reach = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (reach === 0) return []
  const width = (2 * reach) / RESIDUAL_BINS
  const counts = new Int32Array(RESIDUAL_BINS)
  for (const value of values) {
    const i = Math.min(RESIDUAL_BINS - 1, Math.floor((value + reach) / width))
    counts[i] = (counts[i] ?? 0) + 1
  }
  return Array.from(counts, (n, i) => ({ from: -reach + i * width, to: -reach + (i + 1) * width, n }))
}
