import { REJECTED_DRAWS_MAX } from '#protocol/limits.ts'
import type { View } from '../history.ts'
import { PERMUTE_MAX, permute } from '../random.ts'
import type { SearchSpace } from '../search-space.ts'
import { fromUnit, pointOf, randomPoint, type Sampler } from './sampler.ts'
import { sobolPoint } from './sobol.ts'

/** A sampler that gives only refused draws, in a small space or a narrow corner, gives way to chance. */
export const PATIENCE = REJECTED_DRAWS_MAX / 2

// Samplers that look at how many experiments there are, not at what became of them.

const ordinalOf = ({ observations, pending }: View): number => observations.length + pending.length

/** Without replacement: a finite space without conditions and constraints is walked in a shuffled order. */
export function randomSampler(space: SearchSpace, seed: number): Sampler {
  const { parameters, size } = space
  if (!space.isPlain || size > PERMUTE_MAX) return () => stream => randomPoint(space, stream)
  return view => (stream, attempt) => {
    // Where a kernel refuses many points the order is soon far ahead of the ordinal.
    if (attempt >= PATIENCE) return randomPoint(space, stream)
    let rest = permute(seed, (ordinalOf(view) + attempt) % size, size)
    return pointOf(parameters, parameter => {
      const index = rest % parameter.size
      rest = Math.floor(rest / parameter.size)
      return parameter.coordinate(index)
    })
  }
}

/** Point number `ordinal` of a scrambled Sobol sequence; a refused one is replaced by that of another scrambling. */
export function sobolSampler(space: SearchSpace, seed: number): Sampler {
  return view => (_, attempt) =>
    fromUnit(space, sobolPoint((seed + attempt * 0x9e3779b1) >>> 0, ordinalOf(view), space.parameters.length))
}
