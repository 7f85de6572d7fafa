import type { Dimension } from '#protocol/space.ts'
import { canonicalValue, gridAxis } from '../axis.ts'
import type { View } from '../history.ts'
import { at } from '../linear.ts'
import type { SearchSpace } from '../search-space.ts'
import type { Sampler } from './sampler.ts'

type GridReply =
  | { readonly ok: true; readonly sampler: Sampler; readonly size: number }
  | { readonly ok: false; readonly detail: string }

// Combinations looked through for the next point: those of an inactive parameter are all one point.
const SKIPPED_MAX = 100_000

/**
 * Every combination of the values of a grid that is a point, lazily, the last parameter fastest: the first that the
 * history does not have. Refuses ranges without `points` and repeated values.
 */
export function gridSampler(space: SearchSpace, dimensions: Readonly<Record<string, Dimension>>): GridReply {
  const axes: Float64Array[] = []
  for (const parameter of space.parameters) {
    const dimension = dimensions[parameter.name]
    if (dimension === undefined) continue
    const reply = gridAxis(parameter.name, dimension)
    if (!reply.ok) return reply
    const { axis } = reply
    axes.push(
      Float64Array.from({ length: axis.size ?? 0 }, (_, i) => parameter.encode(canonicalValue(axis.at(i)))),
    )
  }
  const size = axes.reduce((product, axis) => product * axis.length, 1)
  const digits = digitsOf(axes)
  const points = pointsOf(space, axes, digits)
  const sampler: Sampler = view => {
    const taken = indicesOf(digits, view)
    return () => {
      for (let i = 0; ; i++) {
        const index = points.at(i)
        if (index === undefined) return undefined
        if (!taken.has(index)) return combination(axes, index)
      }
    }
  }
  return { ok: true, sampler, size }
}

/** The indices of the combinations that are points, in order, found as far as they are asked for. */
function pointsOf(
  space: SearchSpace,
  axes: readonly Float64Array[],
  digits: Digits,
): { at(number: number): number | undefined } {
  const size = axes.reduce((product, axis) => product * axis.length, 1)
  const found: number[] = []
  let next = 0
  const isPoint = (index: number): boolean => {
    const point = space.settle(combination(axes, index))
    return point.ok && indexOf(digits, point.coordinates) === index
  }
  return {
    at: number => {
      for (let skipped = 0; found.length <= number && next < size && skipped < SKIPPED_MAX; skipped++) {
        if (isPoint(next)) found.push(next)
        next++
      }
      return found[number]
    },
  }
}

// Mixed radix, the last dimension fastest.
function combination(axes: readonly Float64Array[], index: number): Float64Array {
  const point = new Float64Array(axes.length)
  let rest = index
  for (let i = axes.length - 1; i >= 0; i--) {
    const axis = axes[i] ?? point
    point[i] = at(axis, rest % axis.length)
    rest = Math.floor(rest / axis.length)
  }
  return point
}

type Digits = readonly ReadonlyMap<number, number>[]

const digitsOf = (axes: readonly Float64Array[]): Digits =>
  axes.map(axis => new Map(Array.from(axis, (coordinate, i) => [coordinate, i])))

/** The index of a combination, an inactive parameter counting as its first value; NaN for what is none. */
function indexOf(digits: Digits, coordinates: Float64Array): number {
  let index = 0
  digits.forEach((digit, i) => {
    const coordinate = at(coordinates, i)
    index = index * digit.size + (Number.isNaN(coordinate) ? 0 : (digit.get(coordinate) ?? Number.NaN))
  })
  return index
}

const indicesOf = (digits: Digits, { observations, pending }: View): ReadonlySet<number> =>
  new Set([...observations, ...pending].map(({ coordinates }) => indexOf(digits, coordinates)))
