import type { Figure } from '../figures.ts'

/** The middle of the values; NaN of none. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Three significant digits, or the given number of decimals. */
export const round = (value: number, decimals?: number): number =>
  decimals === undefined ? Number(value.toPrecision(3)) : Number(value.toFixed(decimals))

/** The median of the rounds, with their least and greatest. */
export const figureOf = (name: string, rounds: readonly number[], unit = 'ratio'): Figure => ({
  name,
  value: round(median(rounds)),
  unit,
  low: round(Math.min(...rounds)),
  high: round(Math.max(...rounds)),
})
