// What the medians over 21 seeds must not exceed: 1.25 times the upper quartiles that Optuna 3.1 had on the same
// functions; for the Gaussian process, figures of its kind in the literature.

import { digits } from './compare.ts'

interface Bound {
  readonly problem: string
  readonly sampler: string
  readonly after: number
  readonly most: number
}

const quartiles: readonly (readonly [problem: string, tpe: number, cmaes: number])[] = [
  ['sphere5', 0.7, 0.48],
  ['rosenbrock5', 14.4, 7.6],
  ['rastrigin5', 30, 26],
  ['ackley5', 4.3, 3.2],
  ['branin', 0.234, 0.18],
  ['hartmann6', 0.3, 0.36],
  ['mixed', 0.021, 0.056],
]

export const BOUNDS: readonly Bound[] = [
  ...quartiles.flatMap(([problem, tpe, cmaes]) => [
    { problem, sampler: 'tpe', after: 100, most: digits(1.25 * tpe) },
    { problem, sampler: 'cmaes', after: 100, most: digits(1.25 * cmaes) },
  ]),
  { problem: 'hartmann6', sampler: 'gp', after: 50, most: 0.13 },
  { problem: 'branin', sampler: 'gp', after: 30, most: 0.02 },
]

/** Where the better samplers must beat chance beyond doubt. */
export const CLEAR = ['mixed', 'hartmann6', 'sphere5', 'rosenbrock5'] as const
