import fc from 'fast-check'
import { expect, test } from 'vitest'
import { permute, uniform } from '#search/random.ts'

test('permute is a bijection of 0…size−1 for every size and seed', () => {
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 1, max: 300 }), (seed, size) => {
      const image = Array.from({ length: size }, (_, i) => permute(seed, i, size))
      expect(image.toSorted((a, b) => a - b)).toEqual(Array.from({ length: size }, (_, i) => i))
    }),
    { numRuns: 1000 },
  )
})

test('permute reaches all of a set of 2^30 and stays inside', () => {
  for (let i = 0; i < 1000; i++) {
    const at = permute(5, 2 ** 30 - 1 - i, 2 ** 30)
    expect(at).toBeGreaterThanOrEqual(0)
    expect(at).toBeLessThan(2 ** 30)
  }
})

test('uniform fills [0, 1) evenly: no hundredth of a million draws is off by more than five deviations', () => {
  const bins = new Array<number>(100).fill(0)
  const draws = 1_000_000
  for (let i = 0; i < draws; i++) {
    const u = uniform(1, i >>> 1, i & 1)
    if (u < 0 || u >= 1) throw new Error(`${u} is outside [0, 1)`)
    bins[Math.floor(u * 100)]! += 1
  }
  const deviation = Math.sqrt(draws * 0.01 * 0.99)
  for (const count of bins) expect(Math.abs(count - draws / 100)).toBeLessThan(5 * deviation)
})

test('uniform of neighbouring seeds, draws and dimensions is uncorrelated', () => {
  const n = 100_000
  const correlation = (a: (i: number) => number, b: (i: number) => number): number => {
    let sum = 0
    for (let i = 0; i < n; i++) sum += (a(i) - 0.5) * (b(i) - 0.5)
    return (12 * sum) / n // standard deviation 1/√n = 0.003
  }
  const base = (i: number): number => uniform(1, i, 0)
  expect(Math.abs(correlation(base, i => uniform(2, i, 0)))).toBeLessThan(0.016)
  expect(Math.abs(correlation(base, i => uniform(1, i + 1, 0)))).toBeLessThan(0.016)
  expect(Math.abs(correlation(base, i => uniform(1, i, 1)))).toBeLessThan(0.016)
})
