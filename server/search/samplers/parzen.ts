import { at, vector } from '../linear.ts'
import { normalCdf, normalQuantile } from '../normal.ts'
import type { Parameter } from '../parameter.ts'
import type { SearchSpace } from '../search-space.ts'
import { type Stream, weighted } from '../stream.ts'

/** Densities over the points of a space: one kernel per observed point, and an even one of the same weight. */
export interface Mixture {
  /** A raw point from one of all kernels; `even` is one drawn evenly, for what the chosen kernel says nothing about. */
  draw(stream: Stream, even: Float64Array): Float64Array
  /** The sum of the observed points' kernels at a settled point, over its active parameters. */
  sum(point: Float64Array): number
  /** The even kernel there. */
  even(point: Float64Array): number
}

// Beyond this many levels a table of their kernels costs more than it saves: such a parameter is taken as a continuum.
const TABLE_SIZE_MAX = 64
// Scott's rule with a narrower constant, in units of the range: benchmarked (ops/LOG.md).
const WIDTH = 0.12
const WIDTH_MIN = 0.01

/** One parameter of all kernels: a width, or a table of the chance of value i under a kernel at value j (i·size + j). */
type Kernels =
  | { readonly type: 'normal'; readonly width: number }
  | { readonly type: 'table'; readonly size: number; readonly chance: Float64Array }

/** @param total of the points that share the density, these among them: with more the kernels get narrower */
export function mixtureOf(
  { parameters }: SearchSpace,
  points: readonly Float64Array[],
  total = points.length,
): Mixture {
  const count = points.length
  const scott = WIDTH * Math.max(total, 1) ** (-1 / (parameters.length + 4))
  const width = Math.min(1, Math.max(scott, WIDTH_MIN, 1 / (2 + total)))
  const kernels = parameters.map(parameter => kernelsOf(parameter, width, total))
  const model: Model = {
    ...layOut(parameters, kernels, points),
    ...{ parameters, kernels, count, factors: new Float64Array(count), exponents: new Float64Array(count) },
  }
  return {
    draw: (stream, even) => {
      const chosen = stream.below(count + 1)
      return vector(even.length, j => {
        const otherwise = at(even, j)
        const u = stream.uniform()
        const center = chosen < count ? at(points[chosen] ?? even, j) : Number.NaN
        const [kernel, parameter] = [kernels[j], parameters[j]]
        if (Number.isNaN(center) || kernel === undefined || parameter === undefined) return otherwise
        return drawFrom(kernel, parameter, center, u)
      })
    },
    sum: point => sumAt(model, point),
    even: point =>
      kernels.reduce(
        (product, kernel, j) =>
          kernel.type === 'table' && !Number.isNaN(at(point, j)) ? product / kernel.size : product,
        1,
      ),
  }
}

function kernelsOf(parameter: Parameter, width: number, count: number): Kernels {
  const { kind, size } = parameter
  if (kind === 'range' || size > TABLE_SIZE_MAX) return { type: 'normal', width }
  const chance = new Float64Array(size * size)
  const centers = vector(size, i => parameter.coordinate(i))
  for (let j = 0; j < size; j++)
    for (let i = 0; i < size; i++)
      chance[i * size + j] =
        kind === 'categories' ? categoryChance(i === j, size, count) : levelChance(centers, i, j, width)
  return { type: 'table', size, chance }
}

// One observation against a prior of weight 1 that is shared by all kernels of the mixture.
const categoryChance = (isSame: boolean, size: number, count: number): number =>
  ((isSame ? 1 : 0) + 1 / (count + 1)) / (1 + size / (count + 1))

function levelChance(centers: Float64Array, i: number, j: number, width: number): number {
  const center = at(centers, j)
  const edge = (k: number): number =>
    k === 0 ? 0 : k === centers.length ? 1 : (at(centers, k - 1) + at(centers, k)) / 2
  const below = (x: number): number => normalCdf((x - center) / width)
  return (below(edge(i + 1)) - below(edge(i))) / (below(1) - below(0))
}

function drawFrom(kernel: Kernels, parameter: Parameter, center: number, u: number): number {
  if (kernel.type === 'normal') {
    const [low, high] = [normalCdf(-center / kernel.width), normalCdf((1 - center) / kernel.width)]
    return Math.min(1, Math.max(0, center + kernel.width * normalQuantile(low + u * (high - low))))
  }
  const { size, chance } = kernel
  const j = parameter.index(center)
  const column = vector(size, i => at(chance, i * size + j))
  return parameter.coordinate(weighted(column, u))
}

interface Layout {
  /** Kernel k, parameter j at k·d + j: its center, or the number of its value when the parameter has a table; NaN: inactive. */
  readonly centers: Float64Array
  /** What makes a truncated normal integrate to 1. */
  readonly norms: Float64Array
}

function layOut(
  parameters: readonly Parameter[],
  kernels: readonly Kernels[],
  points: readonly Float64Array[],
): Layout {
  const d = parameters.length
  const centers = new Float64Array(points.length * d)
  const norms = new Float64Array(points.length * d)
  parameters.forEach((parameter, j) => {
    const kernel = kernels[j]
    points.forEach((point, k) => {
      const center = at(point, j)
      centers[k * d + j] =
        kernel?.type === 'table' && !Number.isNaN(center) ? parameter.index(center) : center
      if (kernel?.type !== 'normal') return
      const mass = normalCdf((1 - center) / kernel.width) - normalCdf(-center / kernel.width)
      norms[k * d + j] = 1 / (kernel.width * SQRT_2PI * mass)
    })
  })
  return { centers, norms }
}

const SQRT_2PI = 2.5066282746310002

interface Model extends Layout {
  readonly parameters: readonly Parameter[]
  readonly kernels: readonly Kernels[]
  readonly count: number
  /** Room for one factor and one exponent of each kernel. */
  readonly factors: Float64Array
  readonly exponents: Float64Array
}

/** The inner loop of the sampler: thousands of kernels for each candidate. */
function sumAt(model: Model, point: Float64Array): number {
  const { parameters, kernels, count, centers, norms, factors, exponents } = model
  const d = parameters.length
  factors.fill(1)
  exponents.fill(0)
  for (let j = 0; j < d; j++) {
    const [x, kernel, parameter] = [at(point, j), kernels[j], parameters[j]]
    if (Number.isNaN(x) || kernel === undefined || parameter === undefined) continue
    if (kernel.type === 'normal') {
      const inverse = 1 / kernel.width
      for (let k = 0, i = j; k < count; k++, i += d) {
        const center = at(centers, i)
        if (Number.isNaN(center)) continue // the density of an even draw is 1
        const z = (x - center) * inverse
        exponents[k] = at(exponents, k) - 0.5 * z * z
        factors[k] = at(factors, k) * at(norms, i)
      }
      continue
    }
    const { size, chance } = kernel
    const row = parameter.index(x) * size
    for (let k = 0, i = j; k < count; k++, i += d) {
      const center = at(centers, i)
      factors[k] = at(factors, k) * (Number.isNaN(center) ? 1 / size : at(chance, row + center))
    }
  }
  let sum = 0
  for (let k = 0; k < count; k++) sum += at(factors, k) * Math.exp(at(exponents, k))
  return sum
}
