import type { Observation, View } from '../history.ts'
import { byMerit } from '../history.ts'
import { at } from '../linear.ts'
import type { SearchSpace } from '../search-space.ts'
import type { Stream } from '../stream.ts'
import { mutated } from './mutate.ts'
import { pointOf, randomPoint, type Sampler } from './sampler.ts'

export const POPULATION = 20
const TOURNAMENT = 6
const STEP = 0.15

/**
 * Regularised evolution (Real et al., "Regularized evolution for image classifier architecture search", 2019): the
 * parent is the best of a random few among the latest trials, so that every one dies of age; the child is the parent
 * with one parameter changed, others with a chance of one in their number. Pending trials do not matter to it.
 */
export function evolutionSampler(space: SearchSpace): Sampler {
  return view => stream => {
    const parent = tournament(view, stream)
    const even = randomPoint(space, stream)
    if (parent === undefined) return even
    const { parameters } = space
    const changed = stream.below(parameters.length)
    return pointOf(parameters, (parameter, i) => {
      const value = at(parent.coordinates, i)
      // What was inactive in the parent may be active in the child.
      if (Number.isNaN(value)) return at(even, i)
      return i === changed || stream.uniform() < 1 / parameters.length
        ? mutated(parameter, value, STEP, stream)
        : value
    })
  }
}

function tournament({ observations }: View, stream: Stream): Observation | undefined {
  const living = observations.slice(-POPULATION)
  let best: Observation | undefined
  for (let i = 0; i < TOURNAMENT; i++) {
    const rival = living[stream.below(living.length)]
    if (rival !== undefined && (best === undefined || byMerit(rival, best) < 0)) best = rival
  }
  return best
}
