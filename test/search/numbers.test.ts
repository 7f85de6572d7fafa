import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cholesky, solveLower, solveUpper, timesLower, vector } from '#search/linear.ts'
import { normalCdf, normalQuantile } from '#search/normal.ts'
import { sobolPoint } from '#search/samplers/sobol.ts'
import { streamOf } from '#search/stream.ts'

// Abramowitz and Stegun, tables 26.1 and 26.2.
test.each([
  [0, 0.5],
  [1, 0.841344746068543],
  [-1, 0.158655253931457],
  [1.959963984540054, 0.975],
  [-5, 2.8665157187919e-7],
  [-10, 7.61985302416053e-24],
])('the normal distribution function at %f is %f with a relative error < 2e-7', (z, p) => {
  expect(Math.abs(normalCdf(z) / p - 1)).toBeLessThan(2e-7)
})

test('the normal quantile differs from the inverse by < 1e-6, and is infinite at the ends', () => {
  for (let p = 0.0005; p < 1; p += 0.0005)
    expect(Math.abs(normalCdf(normalQuantile(p)) / p - 1)).toBeLessThan(1e-6)
  expect([normalQuantile(0), normalQuantile(1)]).toEqual([-Infinity, Infinity])
})

describe('a Cholesky factor', () => {
  const matrices = fc.tuple(fc.integer({ min: 1, max: 12 }), fc.nat(1e6)).map(([n, seed]) => {
    const stream = streamOf(seed, n)
    const root = vector(n * n, () => stream.normal())
    // B·Bᵀ + I
    const a = vector(n * n, e => {
      const [i, j] = [Math.floor(e / n), e % n]
      let sum = i === j ? 1 : 0
      for (let k = 0; k < n; k++) sum += root[i * n + k]! * root[j * n + k]!
      return sum
    })
    return { n, a, x: vector(n, () => stream.normal()) }
  })

  test('solves A·x = b with a residual < 1e-9', () => {
    fc.assert(
      fc.property(matrices, ({ n, a, x }) => {
        const l = cholesky(a, n)!
        const b = vector(n, i => x.reduce((sum, xj, j) => sum + a[i * n + j]! * xj, 0))
        const solved = solveUpper(l, solveLower(l, b))
        const back = timesLower(l, solveLower(l, b))
        for (let i = 0; i < n; i++) {
          expect(Math.abs(solved[i]! - x[i]!)).toBeLessThan(1e-9)
          expect(Math.abs(back[i]! - b[i]!)).toBeLessThan(1e-9)
        }
      }),
    )
  })

  test('is refused for a matrix that is not positive definite', () => {
    expect(cholesky(Float64Array.of(1, 2, 2, 1), 2)).toBeUndefined()
    expect(cholesky(Float64Array.of(Number.NaN), 1)).toBeUndefined()
  })
})

describe('scrambled Sobol points', () => {
  test('in any dimension, each 2^k-th stretch of 2^k has one point in every interval of that length', () => {
    for (const seed of [0, 7])
      for (let dimension = 0; dimension < 32; dimension++)
        for (const [start, size] of [
          [0, 256],
          [256, 256],
          [1024, 1024],
        ] as const) {
          const cells = Array.from({ length: size }, (_, i) =>
            Math.floor(sobolPoint(seed, start + i, 32)[dimension]! * size),
          )
          expect(new Set(cells).size).toBe(size)
        }
  })

  test('of two dimensions lie one in each box of area 1/64, however it is cut', () => {
    const points = Array.from({ length: 64 }, (_, i) => sobolPoint(3, i, 2))
    for (let wide = 1; wide <= 64; wide *= 2) {
      const boxes = points.map(([x = 0, y = 0]) => `${Math.floor(x * wide)} ${Math.floor((y * 64) / wide)}`)
      expect(new Set(boxes).size).toBe(64)
    }
  })

  test('differ by seed, and not from run to run', () => {
    expect(sobolPoint(1, 5, 3)).not.toEqual(sobolPoint(2, 5, 3))
    expect(Array.from(sobolPoint(1, 5, 2))).toEqual([0.2838694353122264, 0.2650433788076043])
  })
})
