// Two-sided 95 % quantiles of Student's t for 1…30 degrees of freedom (any table of the distribution).
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
] as const

// The same at 99 %.
const T99 = [
  63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.25, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947,
  2.921, 2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.75,
] as const

const NORMAL95 = 1.959964
const NORMAL99 = 2.575829

/**
 * The 97.5 % quantile of Student's t. Beyond the table the Cornish-Fisher expansion z + (z³ + z)/4ν +
 * (5z⁵ + 16z³ + 3z)/96ν² (Abramowitz and Stegun 26.7.5), good to 0.0002 there.
 */
export const studentT95 = (degrees: number): number => T95[degrees - 1] ?? expanded(NORMAL95, degrees)

/** The 99.5 % quantile, good to 0.001. */
export const studentT99 = (degrees: number): number => T99[degrees - 1] ?? expanded(NORMAL99, degrees)

const expanded = (z: number, degrees: number): number =>
  z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2)

/** Half width of the 95 % confidence interval of a mean of `n` values with standard deviation `sd`; null below two. */
export function ci95(n: number, sd: number | null): number | null {
  return n < 2 || sd === null ? null : (studentT95(n - 1) * sd) / Math.sqrt(n)
}

/** NaN of no values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN
  return (lower + upper) / 2
}
