import { invariant } from '#domain/invariant.ts'
import { at, cholesky, lengthOf, solveLower, solveUpper, vector } from '../linear.ts'
import type { Parameter } from '../parameter.ts'

/** A length for each parameter, in the coordinates of the space, and the variance of the noise relative to the signal's. */
export interface Hyperparameters {
  readonly lengths: Float64Array
  readonly noise: number
}

export interface Posterior {
  /** Mean and standard deviation of the function, without noise, at a settled point. */
  at(point: Float64Array): { readonly mean: number; readonly deviation: number }
  /** The least posterior mean at the points it was given. */
  readonly least: number
}

interface Data {
  readonly parameters: readonly Parameter[]
  readonly points: readonly Float64Array[]
  /** Standardised: mean 0. */
  readonly values: Float64Array
}

/**
 * A Gaussian process with the Matérn 5/2 kernel (Rasmussen and Williams 2006, equation 4.17). Two categories are at
 * distance 1, so are active and inactive. The variance of the signal is the most likely one.
 */
export function posteriorOf(
  { parameters, points, values }: Data,
  { lengths, noise }: Hyperparameters,
): Posterior {
  const n = points.length
  const kernel = (a: Float64Array, b: Float64Array): number => matern(scaledSquare(parameters, lengths, a, b))
  const { factor, jitter } = factorOf(n, noise, (i, j) => kernel(points[i] ?? values, points[j] ?? values))
  const half = solveLower(factor, values)
  const alpha = solveUpper(factor, half)
  const variance = lengthOf(half) ** 2 / n
  return {
    least: values.reduce((least, y, i) => Math.min(least, y - jitter * at(alpha, i)), Infinity),
    at: point => {
      const k = vector(n, i => kernel(point, points[i] ?? point))
      let mean = 0
      for (let i = 0; i < n; i++) mean += at(k, i) * at(alpha, i)
      const explained = lengthOf(solveLower(factor, k)) ** 2
      return { mean, deviation: Math.sqrt(variance * Math.max(1e-12, 1 - explained)) }
    },
  }
}

const matern = (square: number): number => {
  const r = Math.sqrt(5 * square)
  return (1 + r + (r * r) / 3) * Math.exp(-r)
}

function scaledSquare(
  parameters: readonly Parameter[],
  lengths: Float64Array,
  a: Float64Array,
  b: Float64Array,
): number {
  let square = 0
  for (let i = 0; i < a.length; i++)
    square += squareOf(parameters[i], at(a, i), at(b, i)) / at(lengths, i) ** 2
  return square
}

function squareOf(parameter: Parameter | undefined, a: number, b: number): number {
  if (Object.is(a, b)) return 0
  return parameter?.kind === 'categories' || Number.isNaN(a - b) ? 1 : (a - b) ** 2
}

/** The Cholesky factor of kernel and noise; the noise grows until the matrix is positive definite in floating point. */
function factorOf(
  n: number,
  noise: number,
  kernel: (i: number, j: number) => number,
): { factor: Float64Array; jitter: number } {
  const matrix = new Float64Array(n * n)
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) matrix[i * n + j] = kernel(i, j)
  for (let jitter = noise; jitter < 1e3; jitter *= 10) {
    for (let i = 0; i < n; i++) matrix[i * n + i] = 1 + jitter
    const factor = cholesky(matrix, n)
    if (factor !== undefined) return { factor, jitter }
  }
  invariant(false, 'a kernel matrix with much noise is positive definite')
}

// Of the logarithms. Lengths near half the range with a factor of e either way, noise near 1e-4 with e⁴: the priors only
// matter while there are few points.
const LENGTH_PRIOR = { mean: Math.log(0.5), deviation: 1 }
const NOISE_PRIOR = { mean: Math.log(1e-4), deviation: 4 }
const LENGTH_RANGE = [Math.log(0.02), Math.log(20)] as const
const NOISE_RANGE = [Math.log(1e-6), Math.log(1)] as const
const FIT_STEPS = 30

/**
 * The most probable hyperparameters: gradient signs with adaptive steps (Rprop, Riedmiller and Braun 1993) on the
 * marginal likelihood with its variance at the optimum, and log-normal priors.
 */
export function fitted(data: Data): Hyperparameters {
  const d = data.parameters.length
  const logs = new Float64Array(d + 1).fill(LENGTH_PRIOR.mean)
  logs[d] = NOISE_PRIOR.mean
  const steps = new Float64Array(d + 1).fill(0.3)
  let before: Float64Array = new Float64Array(d + 1)
  const squares = data.parameters.map((parameter, p) => squaresOf(data.points, parameter, p))
  for (let step = 0; step < FIT_STEPS; step++) {
    const gradient = gradientAt(data, squares, logs)
    for (let p = 0; p <= d; p++) {
      const agrees = Math.sign(at(gradient, p) * at(before, p))
      steps[p] = Math.min(1, Math.max(1e-3, at(steps, p) * (agrees > 0 ? 1.3 : agrees < 0 ? 0.5 : 1)))
      const [low, high] = p < d ? LENGTH_RANGE : NOISE_RANGE
      logs[p] = Math.min(high, Math.max(low, at(logs, p) + Math.sign(at(gradient, p)) * at(steps, p)))
    }
    before = gradient
  }
  return { lengths: logs.slice(0, d).map(Math.exp), noise: Math.exp(at(logs, d)) }
}

/** Squared distances in one parameter, (n, n). */
function squaresOf(points: readonly Float64Array[], parameter: Parameter, p: number): Float64Array {
  const n = points.length
  const squares = new Float64Array(n * n)
  points.forEach((a, i) => {
    points.forEach((b, j) => {
      squares[i * n + j] = squareOf(parameter, at(a, p), at(b, p))
    })
  })
  return squares
}

/**
 * Of the log posterior with respect to the logarithms of lengths and noise: ½ tr((ααᵀ/s² − R⁻¹) ∂R) with α = R⁻¹y
 * (Rasmussen and Williams, equation 5.9), and the priors'.
 */
function gradientAt(
  { values, points }: Data,
  squares: readonly Float64Array[],
  logs: Float64Array,
): Float64Array {
  const [n, d] = [points.length, squares.length]
  const inverseSquares = logs.map(log => Math.exp(-2 * log))
  const roots = new Float64Array(n * n)
  squares.forEach((square, p) => {
    const scale = 5 * at(inverseSquares, p)
    for (let e = 0; e < roots.length; e++) roots[e] = at(roots, e) + scale * at(square, e)
  })
  for (let e = 0; e < roots.length; e++) roots[e] = Math.sqrt(at(roots, e))
  const { factor, jitter } = factorOf(n, Math.exp(at(logs, d)), (i, j) => {
    const r = at(roots, i * n + j)
    return (1 + r + (r * r) / 3) * Math.exp(-r)
  })
  const alpha = solveUpper(factor, solveLower(factor, values))
  const variance = values.reduce((sum, y, i) => sum + y * at(alpha, i), 0) / n
  const gradient = new Float64Array(d + 1)
  const unit = new Float64Array(n)
  for (let i = 0; i < n; i++) {
    unit.fill(0)
    unit[i] = 1
    const inverse = solveUpper(factor, solveLower(factor, unit))
    for (let j = 0; j < n; j++) {
      const weight = (at(alpha, i) * at(alpha, j)) / variance - at(inverse, j)
      const e = i * n + j
      const r = at(roots, e)
      const slope = 0.5 * weight * (5 / 3) * (1 + r) * Math.exp(-r)
      for (let p = 0; p < d; p++)
        gradient[p] = at(gradient, p) + slope * at(squares[p] ?? unit, e) * at(inverseSquares, p)
      if (i === j) gradient[d] = at(gradient, d) + 0.5 * weight * jitter
    }
  }
  return gradient.map((slope, p) => {
    const { mean, deviation } = p < d ? LENGTH_PRIOR : NOISE_PRIOR
    return slope - (at(logs, p) - mean) / deviation ** 2
  })
}
