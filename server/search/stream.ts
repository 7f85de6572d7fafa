import { normalQuantile } from './normal.ts'
import { uniform } from './random.ts'

/** Random numbers in a row, the same for ever for the same seed and stream number. */
export interface Stream {
  /** In [0, 1). */
  uniform(): number
  normal(): number
  /** A whole number in 0…size−1. */
  below(size: number): number
}

/** Stream `number` of a seed: experiment 70,000 needs none of the numbers of those before it. */
export function streamOf(seed: number, number: number): Stream {
  let drawn = 0
  const next = (): number => uniform(seed, number, drawn++)
  return {
    uniform: next,
    // Never 0, whose quantile is infinite: half of the last bit is added.
    normal: () => normalQuantile(next() + 2 ** -54),
    below: size => Math.floor(next() * size),
  }
}

/** An index with a chance in proportion to its weight; `u` is in [0, 1). */
export function weighted(weights: ArrayLike<number>, u: number): number {
  let total = 0
  for (let i = 0; i < weights.length; i++) total += weights[i] ?? 0
  let rest = u * total
  for (let i = 0; i < weights.length; i++) {
    rest -= weights[i] ?? 0
    if (rest < 0) return i
  }
  return weights.length - 1
}
