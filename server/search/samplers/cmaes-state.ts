import { at, cholesky, lengthOf, solveLower, timesLower, vector } from '../linear.ts'

/** The normal distribution that a CMA-ES draws from: mean m, step size s and covariance s²·C = s²·A·Aᵀ. */
export interface Distribution {
  readonly mean: Float64Array
  readonly step: number
  /** Its lower triangle with the diagonal, row-major (n, n). */
  readonly covariance: Float64Array
  readonly factor: Float64Array
  /** Evolution paths of the step size and of the covariance. */
  readonly stepPath: Float64Array
  readonly path: Float64Array
  readonly generation: number
}

/** A sixth of the range, so that the first draws from its middle cover it. */
const STEP_START = 1 / 6

export function distributionAt(mean: Float64Array): Distribution {
  const n = mean.length
  const identity = vector(n * n, i => (i % (n + 1) === 0 ? 1 : 0))
  const [stepPath, path] = [new Float64Array(n), new Float64Array(n)]
  return { mean, step: STEP_START, covariance: identity, factor: identity, stepPath, path, generation: 0 }
}

/** Of `count` ranked points, best first: positive for the better half, sum 1. */
export function rankWeights(count: number): Float64Array {
  const half = Math.max(1, Math.floor(count / 2))
  const raw = vector(half, i => Math.log((count + 1) / 2) - Math.log(i + 1))
  const total = raw.reduce((sum, weight) => sum + weight, 0)
  return raw.map(weight => weight / total)
}

/**
 * One generation: the points best first, `mean ± step` in the coordinates of the distribution. Hansen, "The CMA evolution
 * strategy: a tutorial" (2016), with the Cholesky factor in place of the square root of C (Krause et al. 2016), and with
 * points that are far off for the distribution pulled in, since some are from an older one or from elsewhere (Hansen,
 * "Injecting external solutions into CMA-ES", 2011).
 */
export function nextDistribution(
  before: Distribution,
  points: readonly Float64Array[],
  { weights, mass, stepRate, damping, pathRate, rankOne, rankMu }: Rates,
): Distribution {
  const n = before.mean.length
  const steps = points.slice(0, weights.length).map(point => stepTo(before, point))
  const shift = weightedSum(steps, weights, n)
  const mean = vector(n, i => Math.min(1, Math.max(0, at(before.mean, i) + before.step * at(shift, i))))
  const white = solveLower(before.factor, shift)
  const generation = before.generation + 1
  const stepPath = mixed(before.stepPath, white, 1 - stepRate, Math.sqrt(stepRate * (2 - stepRate) * mass))
  const expected = Math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
  const length = lengthOf(stepPath)
  const settled = Math.sqrt(1 - (1 - stepRate) ** (2 * generation))
  const isSteady = length / settled < (1.4 + 2 / (n + 1)) * expected
  const gain = isSteady ? Math.sqrt(pathRate * (2 - pathRate) * mass) : 0
  const path = mixed(before.path, shift, 1 - pathRate, gain)
  const kept = 1 - rankOne - rankMu + (isSteady ? 0 : rankOne * pathRate * (2 - pathRate))
  const covariance = scatterOf(steps, weights, n)
  for (let row = 0; row < n; row++)
    for (let column = 0, i = row * n; column <= row; column++, i++)
      covariance[i] =
        kept * at(before.covariance, i) +
        rankOne * at(path, row) * at(path, column) +
        rankMu * at(covariance, i)
  const factor = cholesky(covariance, n)
  if (factor === undefined) return distributionAt(mean)
  const growth = Math.exp(Math.min(1, (stepRate / damping) * (length / expected - 1)))
  const step = Math.min(1, before.step * growth)
  return { mean, step, covariance, factor, stepPath, path, generation }
}

/** How much a generation of one size changes a distribution of one dimension. */
export interface Rates {
  readonly weights: Float64Array
  /** How many points of equal weight the weighted ones are worth. */
  readonly mass: number
  readonly stepRate: number
  readonly damping: number
  readonly pathRate: number
  readonly rankOne: number
  readonly rankMu: number
}

/** The default parameters of the tutorial's table 1, without negative weights. */
export function ratesOf(n: number, population: number): Rates {
  const weights = rankWeights(population)
  const mass = 1 / lengthOf(weights) ** 2
  const stepRate = (mass + 2) / (n + mass + 5)
  const damping = 1 + 2 * Math.max(0, Math.sqrt((mass - 1) / (n + 1)) - 1) + stepRate
  const pathRate = (4 + mass / n) / (n + 4 + (2 * mass) / n)
  const rankOne = 2 / ((n + 1.3) ** 2 + mass)
  const rankMu = Math.max(0, Math.min(1 - rankOne, (2 * (mass - 2 + 1 / mass)) / ((n + 2) ** 2 + mass)))
  return { weights, mass, stepRate, damping, pathRate, rankOne, rankMu }
}

function stepTo({ mean, step, factor }: Distribution, point: Float64Array): Float64Array {
  const n = mean.length
  const y = vector(n, i => (at(point, i) - at(mean, i)) / step)
  const distance = lengthOf(solveLower(factor, y))
  const most = Math.sqrt(n) + (2 * n) / (n + 2)
  return distance > most ? vector(n, i => (at(y, i) * most) / distance) : y
}

/** The lower triangle of Σ w·y·yᵀ, one step after the other. */
function scatterOf(steps: readonly Float64Array[], weights: Float64Array, n: number): Float64Array {
  const sum = new Float64Array(n * n)
  for (let k = 0; k < steps.length; k++) {
    const y = steps[k] ?? sum
    for (let row = 0; row < n; row++) {
      const share = at(weights, k) * at(y, row)
      for (let column = 0, i = row * n; column <= row; column++, i++)
        sum[i] = at(sum, i) + share * at(y, column)
    }
  }
  return sum
}

function weightedSum(vectors: readonly Float64Array[], weights: Float64Array, n: number): Float64Array {
  const sum = new Float64Array(n)
  vectors.forEach((vector, k) => {
    for (let i = 0; i < n; i++) sum[i] = at(sum, i) + at(weights, k) * at(vector, i)
  })
  return sum
}

const mixed = (a: Float64Array, b: Float64Array, p: number, q: number): Float64Array =>
  vector(a.length, i => p * at(a, i) + q * at(b, i))

/** The standard deviation of each coordinate. */
export const deviations = ({ mean, step, covariance }: Distribution): Float64Array =>
  vector(mean.length, i => step * Math.sqrt(at(covariance, i * (mean.length + 1))))

/** The point that standard normal numbers stand for, as an offset from the mean. */
export const offsetOf = ({ factor, step }: Distribution, normals: Float64Array): Float64Array =>
  timesLower(factor, normals).map(y => y * step)
