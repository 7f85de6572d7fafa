import type { Dimension } from '#protocol/space.ts'
import { gridAxis } from '../axis.ts'
import { isTaken, type View } from '../history.ts'
import { at } from '../linear.ts'
import type { SearchSpace } from '../search-space.ts'
import type { Sampler } from './sampler.ts'

type GridReply =
  | { readonly ok: true; readonly sampler: Sampler; readonly size: number }
  | { readonly ok: false; readonly detail: string }

// Combinations looked through for one experiment: those of an inactive parameter are all one point.
const SKIPPED_MAX = 100_000

/**
 * Every combination of the values of a grid, lazily, the last parameter fastest; it goes on after the last combination
 * that the history has. Refuses ranges without `points` and repeated values.
 */
export function gridSampler(space: SearchSpace, dimensions: Readonly<Record<string, Dimension>>): GridReply {
  const axes: Float64Array[] = []
  for (const parameter of space.parameters) {
    const dimension = dimensions[parameter.name]
    if (dimension === undefined) continue
    const reply = gridAxis(parameter.name, dimension)
    if (!reply.ok) return reply
    const { axis } = reply
    axes.push(Float64Array.from({ length: axis.size ?? 0 }, (_, i) => parameter.encode(axis.at(i))))
  }
  const size = axes.reduce((product, axis) => product * axis.length, 1)
  const sampler: Sampler = view => {
    let next = lastIndex(axes, view) + 1
    return () => {
      for (let skipped = 0; skipped < SKIPPED_MAX && next < size; skipped++) {
        const point = space.settle(combination(axes, next++))
        if (point !== undefined && !isTaken(view, point.coordinates)) return point.coordinates
      }
      return undefined
    }
  }
  return { ok: true, sampler, size }
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

/** The highest index of the combinations in the history, −1 without any; an inactive parameter counts as its first value. */
function lastIndex(axes: readonly Float64Array[], { observations, pending }: View): number {
  const digits = axes.map(axis => new Map(Array.from(axis, (coordinate, i) => [coordinate, i])))
  let last = -1
  for (const { coordinates } of [...observations, ...pending]) {
    let index = 0
    digits.forEach((digit, i) => {
      const coordinate = at(coordinates, i)
      const number = Number.isNaN(coordinate) ? 0 : (digit.get(coordinate) ?? Number.NaN)
      index = index * digit.size + number
    })
    if (index > last) last = index
  }
  return last
}
