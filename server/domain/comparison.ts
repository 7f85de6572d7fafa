import { ci95 } from './statistics.ts'

/** What is said of a set of values: never a mean without its n. */
export interface Mean {
  readonly n: number
  readonly mean: number
  /** Half width of the 95 % confidence interval of the mean (Student t); null below two values. */
  readonly ci95: number | null
}

/** Null of no values. */
export function meanOf(values: readonly number[]): Mean | null {
  const n = values.length
  if (n === 0) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { n, mean, ci95: ci95(n, n < 2 ? null : Math.sqrt(squares / (n - 1))) }
}

export type ComparisonVerdict = 'a_better' | 'b_better' | 'no_difference_shown' | 'too_few_pairs'

// Of fewer pairs the deviation is hardly known, whatever its interval says.
const PAIRS_MIN = 3

/** What paired differences a − b say: the interval of their mean leaves out zero, or it does not. */
export function verdictOf(difference: Mean | null, goal: 'minimize' | 'maximize'): ComparisonVerdict {
  if (difference === null || difference.ci95 === null || difference.n < PAIRS_MIN) return 'too_few_pairs'
  if (Math.abs(difference.mean) <= difference.ci95) return 'no_difference_shown'
  return difference.mean < 0 === (goal === 'minimize') ? 'a_better' : 'b_better'
}
