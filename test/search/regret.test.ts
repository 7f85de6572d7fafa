import { describe, expect, test } from 'vitest'
import { BOUNDS } from '#ops/bench/search/bounds.ts'
import { median } from '#ops/bench/search/compare.ts'
import { mixed, PROBLEMS } from '#ops/bench/search/functions.ts'
import { regretsOf, regretWithin } from '#ops/bench/search/simulate.ts'
import type { SamplerFile } from '#protocol/space.ts'

// `npm run bench:search` in small: what it takes minutes to measure, a change that breaks a sampler shows here in seconds.
const SEEDS = [0, 1, 2]
const QUICK: readonly string[] = ['sphere5', 'branin', 'hartmann6', 'mixed']

const problem = (name: string) => PROBLEMS.find(each => each.name === name) ?? mixed

const regrets = (function_: string, name: SamplerFile['name'], count: number): number[] =>
  SEEDS.map(seed => regretsOf(problem(function_), { name, seed }, count).at(-1) ?? Number.NaN)

test.each(BOUNDS.filter(({ problem, sampler }) => sampler !== 'gp' && QUICK.includes(problem)))(
  'regret of $sampler on $problem after $after trials is below $most (median of three seeds)',
  ({ problem: function_, sampler, after, most }) => {
    const name = sampler === 'tpe' ? 'tpe' : 'cmaes'
    expect(median(regrets(function_, name, after))).toBeLessThan(most)
  },
)

test('regret of gp on hartmann6 after 35 trials and on branin after 25 is below 0.3 and 0.05', () => {
  expect(regretsOf(problem('hartmann6'), { name: 'gp', seed: 1 }, 35).at(-1)).toBeLessThan(0.3)
  expect(regretsOf(problem('branin'), { name: 'gp', seed: 1 }, 25).at(-1)).toBeLessThan(0.05)
})

test('evolution beats chance on five functions of seven', () => {
  const won = PROBLEMS.filter(
    ({ name }) => median(regrets(name, 'evolution', 100)) < median(regrets(name, 'random', 100)),
  )
  expect(won.length).toBeGreaterThanOrEqual(5)
})

test('Sobol points are no worse than chance: in the geometric mean over functions within a quarter', () => {
  const ratios = PROBLEMS.map(
    ({ name }) => median(regrets(name, 'sobol', 100)) / median(regrets(name, 'random', 100)),
  )
  expect(ratios.reduce((product, ratio) => product * ratio) ** (1 / ratios.length)).toBeLessThan(1.25)
})

describe('stopping at rungs', () => {
  test('tpe with asha at 1,080 units has less than a tenth of the regret of chance at 2,160', () => {
    const regretOf = (units: number, pruner: 'none' | 'asha', name: 'tpe' | 'random'): number =>
      median(SEEDS.map(seed => regretWithin({ units, pruner }, { name, seed })))
    expect(regretOf(1080, 'asha', 'tpe')).toBeLessThan(regretOf(2160, 'none', 'random') / 10)
  })
})

test('the least values of the functions are where the literature says', () => {
  const branin = problem('branin')
  for (const [x0, x1] of [
    [-Math.PI, 12.275],
    [Math.PI, 2.275],
    [9.42478, 2.475],
  ] as const)
    expect(branin.of({ x0, x1 }) - branin.least).toBeLessThan(1e-5)
  const hartmann = problem('hartmann6')
  const at = { x0: 0.20169, x1: 0.150011, x2: 0.476874, x3: 0.275332, x4: 0.311652, x5: 0.6573 }
  expect(Math.abs(hartmann.of(at) - hartmann.least)).toBeLessThan(1e-5)
  for (const name of ['sphere5', 'rastrigin5', 'ackley5'])
    expect(Math.abs(problem(name).of({ x0: 1, x1: -1.5, x2: 0.5, x3: 2, x4: -0.75 }))).toBeLessThan(1e-12)
  expect(problem('rosenbrock5').of({ x0: 1, x1: 1, x2: 1, x3: 1, x4: 1 })).toBe(0)
  expect(mixed.of({ lr: 0.003, layers: 4, wd: 0.01, batch: 128, schedule: 'cos' })).toBeLessThan(1e-20)
})
