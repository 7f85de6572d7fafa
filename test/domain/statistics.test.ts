import { expect, test } from 'vitest'
import { ci95, studentT95, studentT99 } from '#domain/statistics.ts'

// Quantiles from tables of the t distribution.
test.each([
  [1, 12.7062],
  [2, 4.3027],
  [10, 2.2281],
  [30, 2.0423],
  [31, 2.0395],
  [40, 2.0211],
  [120, 1.9799],
  [1000, 1.9623],
])('the quantile for %i degrees of freedom differs from %f by < 0.0005', (degrees, quantile) => {
  expect(Math.abs(studentT95(degrees) - quantile)).toBeLessThan(0.0005)
})

test.each([
  [7, 3.4995],
  [30, 2.75],
  [40, 2.7045],
  [120, 2.6174],
  [1000, 2.5808],
])('the 99 %% quantile for %i degrees of freedom differs from %f by < 0.001', (degrees, quantile) => {
  expect(Math.abs(studentT99(degrees) - quantile)).toBeLessThan(0.001)
})

test('an interval needs two values', () => {
  expect(ci95(0, null)).toBeNull()
  expect(ci95(1, null)).toBeNull()
  expect(ci95(2, 1)).toBeCloseTo(12.706 / Math.SQRT2, 10)
})
