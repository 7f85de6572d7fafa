import { isTaken, type Observation, type PendingPoint, type View } from '../history.ts'
import type { SearchSpace } from '../search-space.ts'
import { type Mixture, mixtureOf } from './parzen.ts'
import { randomPoint, type Sampler } from './sampler.ts'

// Draws from the density of the good among which the best ratio is taken: Bergstra et al. 2011.
const CANDIDATES = 24
// The good are the best tenth, at most 25: with more the density blurs as the campaign grows.
const GOOD_SHARE = 0.1
const GOOD_MAX = 25

/**
 * The multivariate tree-structured Parzen estimator: a density l of the good points and one g of all others, each a
 * mixture of products of kernels, one per point; the candidate from l with the highest l/g is next. Bergstra et al.,
 * "Algorithms for hyper-parameter optimization" (2011); products of kernels: Falkner et al., "BOHB" (2018). Pending
 * points are constant liars: they count as bad, so that parallel asks spread. A parameter that is inactive in a kernel
 * or a candidate has the density of an even draw there.
 */
export function tpeSampler(space: SearchSpace): Sampler {
  return view => {
    const { good, others } = mixtures(space, view)
    return stream => {
      let best: Float64Array | undefined
      let bestScore = -Infinity
      for (let i = 0; i < CANDIDATES; i++) {
        const point = space.settle(good.draw(stream, randomPoint(space, stream)))
        if (point === undefined || isTaken(view, point.coordinates)) continue
        const score = Math.log(good.density(point.coordinates)) - Math.log(others.density(point.coordinates))
        if (score > bestScore || best === undefined) {
          best = point.coordinates
          bestScore = score
        }
      }
      return best
    }
  }
}

function mixtures(space: SearchSpace, view: View): { good: Mixture; others: Mixture } {
  const { observations, ranked, pending } = view
  const count = Math.min(Math.ceil(GOOD_SHARE * ranked.length), GOOD_MAX)
  // A failure is never good, however few there are.
  const good = new Set<PendingPoint>(ranked.slice(0, count).filter(isMeasured))
  const isOther = (point: PendingPoint): boolean => !good.has(point)
  return {
    good: mixture(
      space,
      observations.filter(point => good.has(point)),
    ),
    others: mixture(space, [...observations.filter(isOther), ...pending]),
  }
}

const isMeasured = ({ state }: Observation): boolean => state === 'finished' || state === 'partial'

const mixture = (space: SearchSpace, points: readonly PendingPoint[]): Mixture =>
  mixtureOf(
    space,
    points.map(({ coordinates }) => coordinates),
  )
