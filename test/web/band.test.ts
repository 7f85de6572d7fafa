import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bandOf } from '../../client/web/charts/band.ts'

test('quartiles of five straight curves are the second, third and fourth of them', () => {
  const curves = [1, 2, 3, 4, 5].map(
    k =>
      [
        [0, k],
        [100, 2 * k],
      ] as const,
  )
  const { low, median, high } = bandOf(curves, 100)
  expect([low[0], median[0], high[0]]).toEqual([
    [0, 2],
    [0, 3],
    [0, 4],
  ])
  expect([low.at(-1), median.at(-1), high.at(-1)]).toEqual([
    [100, 4],
    [100, 6],
    [100, 8],
  ])
  expect(median[20]).toEqual([50, 4.5])
})

test('a curve counts only where it is, and two are no band', () => {
  expect(
    bandOf(
      [
        [
          [0, 1],
          [100, 1],
        ],
        [
          [0, 2],
          [100, 2],
        ],
      ],
      100,
    ).median,
  ).toEqual([])
  const short = [
    [0, 9],
    [50, 9],
  ] as const
  const long = [
    [0, 1],
    [100, 1],
  ] as const
  const { median } = bandOf([short, long, long, long], 100)
  expect(median.at(-1)).toEqual([100, 1])
  expect(median).toHaveLength(41)
})

test('the quartiles are in order and within the curves, whatever these are', () => {
  const curve = fc
    .array(
      fc.tuple(fc.double({ min: 0, max: 100, noNaN: true }), fc.double({ min: 0, max: 10, noNaN: true })),
      { maxLength: 12 },
    )
    .map(points => points.sort(([a], [b]) => a - b).filter(([x], i) => x !== points[i - 1]?.[0]))
  fc.assert(
    fc.property(fc.array(curve, { maxLength: 8 }), curves => {
      const { low, median, high } = bandOf(curves, 100)
      for (const [i, [, middle]] of median.entries()) {
        expect(low[i]?.[1]).toBeLessThanOrEqual(middle)
        expect(high[i]?.[1]).toBeGreaterThanOrEqual(middle)
        expect(middle).toBeLessThanOrEqual(10)
      }
    }),
    { numRuns: 500 },
  )
})
