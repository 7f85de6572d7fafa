import { normalCdf } from '#search/normal.ts'

export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** The chance of `a` being this much lower than `b` by luck: one-sided Mann-Whitney test, normal approximation, ties halved. */
export function luckOf(a: readonly number[], b: readonly number[]): number {
  let wins = 0
  for (const x of a) for (const y of b) wins += x < y ? 1 : x === y ? 0.5 : 0
  const pairs = a.length * b.length
  const deviation = Math.sqrt((pairs * (a.length + b.length + 1)) / 12)
  return normalCdf(-(wins - pairs / 2 - 0.5) / deviation)
}

/** The chance of `a` and `b` being this far apart by luck, whichever is lower: two-sided. */
export const twoSidedLuckOf = (a: readonly number[], b: readonly number[]): number =>
  Math.min(1, 2 * Math.min(luckOf(a, b), luckOf(b, a)))

export const digits = (value: number): number => Number(value.toPrecision(3))
