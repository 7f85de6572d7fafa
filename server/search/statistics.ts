import { ci95 } from '#domain/statistics.ts'

/** What is said of a set of values: never a mean without its n. */
export interface Summary {
  readonly n: number
  readonly mean: number
  /** Sample standard deviation; null below two values. */
  readonly sd: number | null
  /** Half width of the 95 % confidence interval of the mean (Student t); null below two values. */
  readonly ci95: number | null
}

/** @returns undefined for no values */
export function summarise(values: readonly number[]): Summary | undefined {
  const n = values.length
  if (n === 0) return undefined
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const sd = n < 2 ? null : Math.sqrt(squares / (n - 1))
  return { n, mean, sd, ci95: ci95(n, sd) }
}

/** Values of one experiment by seed index. */
export type BySeed = ReadonlyMap<number, number>

/** `a − b` on the seeds that both have, by seed index. */
export const pairedDifferences = (a: BySeed, b: BySeed): number[] =>
  [...a]
    .sort(([i], [j]) => i - j)
    .flatMap(([seed, value]) => {
      const other = b.get(seed)
      return other === undefined ? [] : [value - other]
    })

/**
 * The mean difference `a − b` over common seeds with its confidence interval: what the seeds have in common falls out.
 * Undefined without a common seed.
 */
export const compared = (a: BySeed, b: BySeed): Summary | undefined => summarise(pairedDifferences(a, b))

/** A run's value less the mean of its experiment and the mean deviation of its seed. */
export interface Residual {
  readonly experiment: number
  readonly seed: number
  readonly residual: number
}

/**
 * Residuals of the two-way layout experiment + seed, and their standard deviation with (cells − experiments − seeds + 1)
 * degrees of freedom: the noise that is left when seeds are paired. Gaps are allowed; the effects are fitted by
 * alternating means (backfitting), which is least squares. Null deviation: nothing is left to estimate it from.
 */
export function residualsOf(experiments: readonly BySeed[]): {
  readonly residuals: readonly Residual[]
  readonly sd: number | null
} {
  const cells = experiments.flatMap((bySeed, experiment) =>
    Array.from(bySeed, ([seed, value]) => ({ experiment, seed, value })),
  )
  const rows = new Map<number, number>()
  const columns = new Map<number, number>()
  const left = ({ experiment, seed, value }: (typeof cells)[number]): number =>
    value - (rows.get(experiment) ?? 0) - (columns.get(seed) ?? 0)
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const byRow = meansBy(cells, cell => cell.experiment, left)
    for (const [key, mean] of byRow) rows.set(key, (rows.get(key) ?? 0) + mean)
    const byColumn = meansBy(cells, cell => cell.seed, left)
    for (const [key, mean] of byColumn) columns.set(key, (columns.get(key) ?? 0) + mean)
  }
  const residuals = cells.map(cell => ({
    experiment: cell.experiment,
    seed: cell.seed,
    residual: left(cell),
  }))
  const degrees = Math.min(cells.length - 1, cells.length - rows.size - columns.size + 1)
  const squares = residuals.reduce((sum, { residual }) => sum + residual ** 2, 0)
  return { residuals, sd: degrees < 1 ? null : Math.sqrt(squares / degrees) }
}

// Without gaps one is exact; with gaps the error shrinks by a factor each time.
const SWEEPS = 20

function meansBy<T>(
  items: readonly T[],
  key: (item: T) => number,
  of: (item: T) => number,
): Map<number, number> {
  const sums = new Map<number, { sum: number; n: number }>()
  for (const item of items) {
    const { sum, n } = sums.get(key(item)) ?? { sum: 0, n: 0 }
    sums.set(key(item), { sum: sum + of(item), n: n + 1 })
  }
  return new Map(Array.from(sums, ([group, { sum, n }]) => [group, sum / n]))
}

/**
 * The standard deviation of a paired difference that a campaign's replicates show: √2 times that of the residuals; null
 * without replicates on common seeds.
 */
export function pairedDeviation(experiments: readonly BySeed[]): number | null {
  const { sd } = residualsOf(experiments)
  return sd === null ? null : Math.SQRT2 * sd
}
