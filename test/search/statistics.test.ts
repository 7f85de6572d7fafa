import { describe, expect, test } from 'vitest'
import { plateauOf } from '#search/plateau.ts'
import { compared, pairedDeviation, residualsOf, summarise } from '#search/statistics.ts'
import { streamOf } from '#search/stream.ts'

const bySeed = (...values: number[]): Map<number, number> =>
  new Map(values.map((value, seed) => [seed, value]))

test('a summary has n, mean, deviation and interval, as far as they exist', () => {
  expect(summarise([])).toBeUndefined()
  expect(summarise([3])).toEqual({ n: 1, mean: 3, sd: null, ci95: null })
  expect(summarise([1, 2, 3])).toEqual({ n: 3, mean: 2, sd: 1, ci95: 4.303 / Math.sqrt(3) })
})

describe('a paired comparison', () => {
  test('takes common seeds only and loses what they share', () => {
    const a = new Map([
      [5, 10],
      [1, 3],
      [2, 20],
      [9, 7],
    ])
    const b = new Map([
      [1, 2],
      [2, 18],
      [5, 7],
      [8, 0],
    ])
    expect(compared(a, b)).toMatchObject({ n: 3, mean: 2, sd: 1 })
    expect(compared(a, new Map([[4, 1]]))).toBeUndefined()
  })

  test('covers the true difference in 95 % of cases (2,000 of five pairs; 94 to 96 %)', () => {
    const stream = streamOf(1, 1)
    const covers = Array.from({ length: 2000 }, () => {
      const seeds = [0, 1, 2, 3, 4].map(() => 10 * stream.normal())
      const around = (mean: number) => bySeed(...seeds.map(seed => seed + mean + stream.normal()))
      const { mean, ci95 } = compared(around(3), around(1))!
      return Math.abs(mean - 2) <= ci95!
    })
    expect(covers.filter(Boolean).length / 2000).toBeCloseTo(0.95, 1.7)
  })
})

describe('residuals', () => {
  test('are what experiments and seeds do not explain', () => {
    // Rows 0, 10; columns 0, 1, 2; the last run is 3 too high: a third of it each goes to row, column and mean.
    const { residuals, sd } = residualsOf([bySeed(0, 1, 2), bySeed(10, 11, 15)])
    expect(residuals.map(({ residual }) => Number(residual.toFixed(6)))).toEqual([
      0.5, 0.5, -1, -0.5, -0.5, 1,
    ])
    expect(sd).toBeCloseTo(Math.sqrt(3 / 2), 10)
  })

  test('survive gaps: what is additive leaves nothing', () => {
    const { residuals, sd } = residualsOf([
      bySeed(1, 2, 3),
      new Map([[1, 7]]),
      new Map([
        [0, 4],
        [2, 6],
      ]),
    ])
    for (const { residual } of residuals) expect(Math.abs(residual)).toBeLessThan(1e-6)
    expect(sd).toBeLessThan(1e-6)
  })

  test('say how much a paired difference scatters: within 3 % of 200 experiments with five seeds', () => {
    const stream = streamOf(2, 1)
    const seeds = [0, 1, 2, 3, 4].map(() => 5 * stream.normal())
    const experiments = Array.from({ length: 200 }, () => {
      const mean = stream.normal()
      return bySeed(...seeds.map(seed => seed + mean + 0.1 * stream.normal()))
    })
    expect(pairedDeviation(experiments)! / (0.1 * Math.SQRT2)).toBeCloseTo(1, 1.5)
  })

  test('of single runs say nothing', () => {
    expect(pairedDeviation([bySeed(1), bySeed(2)])).toBeNull()
    expect(pairedDeviation([])).toBeNull()
  })
})

describe('a plateau', () => {
  const falling = (n: number, until: number) =>
    Array.from({ length: n }, (_, i) => 10 - Math.min(i, until) * 0.1)

  test.each([
    ['is not looked for below 40 trials', falling(39, 5), false],
    ['is there when the last third brought less than the effect', falling(60, 38), true],
    ['is not there while the best still falls', falling(60, 59), false],
    ['does not mind that later trials are worse', [...falling(40, 39), ...Array(20).fill(50)], true],
    ['does not take one late find for flat', [...falling(40, 20), ...Array(19).fill(9), 1], false],
  ])('%s', (_, losses, isFlat) => {
    expect(plateauOf(losses, 0.5).isFlat).toBe(isFlat)
  })
})
