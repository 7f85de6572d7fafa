import type { Parameter } from '../parameter.ts'
import type { Stream } from '../stream.ts'

/**
 * Another value of a parameter: a normal step of deviation `step`, reflected at the ends, at least to a neighbouring
 * level; any other category.
 */
export function mutated(parameter: Parameter, value: number, step: number, stream: Stream): number {
  const { kind, size, index, coordinate } = parameter
  if (kind === 'categories') return (value + 1 + stream.below(size - 1)) % size
  const moved = reflected(value + step * stream.normal())
  if (kind === 'range' || index(moved) !== index(value)) return moved
  const next = index(value) + (stream.uniform() < 0.5 ? -1 : 1)
  return coordinate(Math.min(size - 1, Math.max(0, next)))
}

function reflected(x: number): number {
  const folded = Math.abs(x) % 2
  return folded > 1 ? 2 - folded : folded
}
