import type { Observation, View } from '../history.ts'
import { byMerit } from '../history.ts'
import { at, vector } from '../linear.ts'
import { normalQuantile } from '../normal.ts'
import type { Parameter } from '../parameter.ts'
import type { SearchSpace } from '../search-space.ts'
import { type Stream, streamOf, weighted } from '../stream.ts'
import {
  type Distribution,
  deviations,
  distributionAt,
  nextDistribution,
  offsetOf,
  type Rates,
  ratesOf,
} from './cmaes-state.ts'
import { perBatch, type Sampler } from './sampler.ts'

interface State {
  /** Over ranges and levels, in [0, 1]. */
  readonly normal: Distribution
  /** The chance of each value, one row per categorical parameter. */
  readonly chances: readonly Float64Array[]
  readonly population: number
}

/**
 * CMA-ES over ranges and levels. A history is folded, in recorded order, into generations; one takes as many points as
 * were in flight when it began, and at least the default 4 + 3·ln n: with hundreds of parallel asks the population is
 * large instead of stale. Levels are rounded draws whose deviation never falls below what leaves the cell of the mean
 * with chance 1/(n·population) (the margin of Hamano et al. 2022). Categories have a vector of chances that moves to
 * what the better half of a generation took. Inactive parameters count as draws. A distribution that has shrunk to a
 * point starts again elsewhere with a double population (Auger and Hansen 2005).
 */
export function cmaesSampler(space: SearchSpace, seed: number): Sampler {
  const numeric = indexed(space.parameters, ({ kind }) => kind !== 'categories')
  const categorical = indexed(space.parameters, ({ kind }) => kind === 'categories')
  const shape: Shape = { numeric, categorical, seed }
  // Pending points of the batch itself come after the last generation.
  const stateOf = perBatch(view => fold(shape, view))
  return view => {
    const state = stateOf(view)
    const least = leastDeviations(numeric, state.population)
    const spread = deviations(state.normal)
    return stream => {
      const point = new Float64Array(space.parameters.length)
      const numbers = numbersOf(
        state.normal,
        stream,
        (offset, i) => offset * Math.max(1, at(least, i) / at(spread, i)),
      )
      numeric.forEach(({ index }, i) => {
        point[index] = at(numbers, i)
      })
      categorical.forEach(({ index }, i) => {
        point[index] = weighted(state.chances[i] ?? [], stream.uniform())
      })
      return point
    }
  }
}

interface Indexed {
  readonly parameter: Parameter
  readonly index: number
}

interface Shape {
  readonly numeric: readonly Indexed[]
  readonly categorical: readonly Indexed[]
  readonly seed: number
}

const indexed = (parameters: readonly Parameter[], holds: (parameter: Parameter) => boolean): Indexed[] =>
  parameters.map((parameter, index) => ({ parameter, index })).filter(({ parameter }) => holds(parameter))

const RESAMPLES_MAX = 10

/** A draw inside the box: drawn again a few times, then clipped. */
function numbersOf(
  normal: Distribution,
  stream: Stream,
  widen: (offset: number, i: number) => number,
): Float64Array {
  for (let tries = 0; ; tries++) {
    const offset = offsetOf(
      normal,
      normal.mean.map(() => stream.normal()),
    )
    const point = normal.mean.map((m, i) => m + widen(at(offset, i), i))
    if (point.every(x => x >= 0 && x <= 1)) return point
    if (tries === RESAMPLES_MAX) return point.map(x => Math.min(1, Math.max(0, x)))
  }
}

function leastDeviations(numeric: readonly Indexed[], population: number): Float64Array {
  const tail = 1 / (2 * Math.max(2, numeric.length * population))
  const reach = normalQuantile(1 - tail)
  return vector(numeric.length, i => {
    const { size } = numeric[i]?.parameter ?? { size: Infinity }
    return Number.isFinite(size) && size > 1 ? 0.5 / size / reach : 0
  })
}

const STEP_MIN = 1e-5

function fold(shape: Shape, view: View): State {
  const { observations } = view
  const inFlight = inFlightAt(view)
  const n = shape.numeric.length + shape.categorical.length
  let state = freshState(shape, 4 + Math.floor(3 * Math.log(Math.max(1, n))), 0)
  let restarts = 0
  const known = new Map<number, Rates>() // by population
  for (let start = 0; start < observations.length; ) {
    const population = Math.max(state.population, at(inFlight, start))
    if (start + population > observations.length) break
    const rates = known.get(population) ?? ratesOf(shape.numeric.length, population)
    known.set(population, rates)
    const generation = observations.slice(start, start + population)
    state = afterGeneration(shape, state, { observations: generation, start, rates })
    if (shape.numeric.length > 0 && Math.max(...deviations(state.normal)) < STEP_MIN)
      state = freshState(shape, state.population * 2, ++restarts)
    start += population
  }
  return state
}

/** How many trials were proposed but without an outcome when the first n outcomes were recorded. */
function inFlightAt({ observations, pending }: View): Float64Array {
  const proposed = new Float64Array(observations.length + 1)
  for (const { asked } of [...observations, ...pending]) {
    const from = Math.min(asked, observations.length)
    proposed[from] = at(proposed, from) + 1
  }
  let sum = 0
  return proposed.map((count, n) => {
    sum += count
    return sum - n
  })
}

function freshState({ numeric, categorical, seed }: Shape, population: number, restarts: number): State {
  const stream = streamOf(seed ^ 0x5e5a, restarts)
  const mean = vector(numeric.length, () => (restarts === 0 ? 0.5 : stream.uniform()))
  const chances = categorical.map(({ parameter: { size } }) => new Float64Array(size).fill(1 / size))
  return { normal: distributionAt(mean), chances, population }
}

interface Generation {
  readonly observations: readonly Observation[]
  /** Number of the first. */
  readonly start: number
  readonly rates: Rates
}

function afterGeneration(shape: Shape, state: State, { observations, start, rates }: Generation): State {
  const spread = deviations(state.normal)
  const order = observations
    .map((observation, i) => ({ observation, number: start + i }))
    .sort((a, b) => byMerit(a.observation, b.observation))
  const points = order.map(({ observation: { coordinates }, number }) => {
    const stream = streamOf(shape.seed ^ 0x1dea, number)
    return vector(shape.numeric.length, i => {
      const x = at(coordinates, shape.numeric[i]?.index ?? -1)
      return Number.isNaN(x) ? at(state.normal.mean, i) + at(spread, i) * stream.normal() : x
    })
  })
  const chances = shape.categorical.map(({ index }, i) =>
    movedTo(
      state.chances[i] ?? new Float64Array(),
      vector(order.length, k => at(order[k]?.observation.coordinates ?? spread, index)),
      rates,
    ),
  )
  const normal = shape.numeric.length > 0 ? nextDistribution(state.normal, points, rates) : state.normal
  return { ...state, normal, chances }
}

// A quarter of the way to the winners each generation; no value's chance falls below a margin, so that none is lost.
const CATEGORY_RATE = 0.25
const CATEGORY_MARGIN = 0.1

function movedTo(chances: Float64Array, ranked: Float64Array, { weights }: Rates): Float64Array {
  const target = new Float64Array(chances.length)
  weights.forEach((weight, k) => {
    const value = at(ranked, k)
    if (Number.isNaN(value))
      for (const [c, chance] of chances.entries()) target[c] = at(target, c) + weight * chance
    else target[value] = at(target, value) + weight
  })
  const least = CATEGORY_MARGIN / chances.length
  const moved = chances.map((chance, c) =>
    Math.max(least, (1 - CATEGORY_RATE) * chance + CATEGORY_RATE * at(target, c)),
  )
  const total = moved.reduce((sum, chance) => sum + chance, 0)
  return moved.map(chance => chance / total)
}
