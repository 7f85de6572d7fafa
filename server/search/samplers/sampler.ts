import type { Observation, View } from '../history.ts'
import type { Parameter } from '../parameter.ts'
import type { SearchSpace } from '../search-space.ts'
import type { Stream } from '../stream.ts'

/**
 * Fits a history and gives what draws the next point: raw coordinates for every parameter, conditional ones as if they
 * were active. `attempt` counts the draws for one experiment that were refused; undefined is a refused draw.
 */
export type Sampler = (view: View) => Draw
export type Draw = (stream: Stream, attempt: number) => Float64Array | undefined

/** Raw coordinates, one for each parameter. */
export function pointOf(
  parameters: readonly Parameter[],
  of: (parameter: Parameter, i: number) => number,
): Float64Array {
  const point = new Float64Array(parameters.length)
  parameters.forEach((parameter, i) => {
    point[i] = of(parameter, i)
  })
  return point
}

/** Even over the values of each dimension, in its scale. */
export function randomPoint({ parameters }: SearchSpace, stream: Stream): Float64Array {
  return pointOf(parameters, ({ kind, size }) =>
    kind === 'categories' ? stream.below(size) : stream.uniform(),
  )
}

/** Coordinates in [0, 1) of each dimension, as raw coordinates. */
export function fromUnit({ parameters }: SearchSpace, unit: Float64Array): Float64Array {
  return pointOf(parameters, ({ kind, size }, i) => {
    const u = unit[i] ?? 0
    return kind === 'categories' ? Math.floor(u * size) : u
  })
}

/** What depends on the observations alone is built once for all of a batch, which only adds pending points. */
export function perBatch<T>(build: (view: View) => T): (view: View) => T {
  const built = new WeakMap<readonly Observation[], { readonly value: T }>()
  return view => {
    const known = built.get(view.observations) ?? { value: build(view) }
    built.set(view.observations, known)
    return known.value
  }
}
