import { isTaken, type Observation, type PendingPoint, type View } from '../history.ts'
import type { SearchSpace } from '../search-space.ts'
import { type Mixture, mixtureOf } from './parzen.ts'
import { perBatch, randomPoint, type Sampler } from './sampler.ts'

// Draws from the density of the good among which the best ratio is taken: Bergstra et al. 2011.
const CANDIDATES = 24
// The good are the best tenth, at most 25: with more the density blurs as the campaign grows.
const GOOD_SHARE = 0.1
const GOOD_MAX = 25
// Of more bad points every second, third… stands for its neighbours in time: a density needs no more, an ask waits for it.
const BAD_KERNELS_MAX = 2_000

/**
 * The multivariate tree-structured Parzen estimator: a density l of the good points and one g of all others, each a
 * mixture of products of kernels, one per point; the candidate from l with the highest l/g is next. Bergstra et al.,
 * "Algorithms for hyper-parameter optimization" (2011); products of kernels: Falkner et al., "BOHB" (2018). Pending
 * points are constant liars: they count as bad, so that parallel asks spread. A parameter that is inactive in a kernel
 * or a candidate has the density of an even draw there.
 */
export function tpeSampler(space: SearchSpace): Sampler {
  const split = perBatch(view => splitOf(space, view))
  return view => {
    const { good, bad, badCount, weight } = split(view)
    const liars = mixtureOf(space, coordinatesOf(view.pending), badCount + view.pending.length)
    const ratio = (point: Float64Array): number =>
      (good.sum(point) + good.even(point)) / (weight * bad.sum(point) + liars.sum(point) + bad.even(point))
    return stream => {
      let best: Float64Array | undefined
      let bestRatio = -Infinity
      for (let i = 0; i < CANDIDATES; i++) {
        const point = space.settle(good.draw(stream, randomPoint(space, stream)))
        if (!point.ok) continue
        const odds = ratio(point.coordinates)
        // Looking through the history is the dearest part: only for what would be chosen.
        if (odds > bestRatio && !isTaken(view, point.coordinates)) {
          best = point.coordinates
          bestRatio = odds
        }
      }
      return best
    }
  }
}

interface Split {
  readonly good: Mixture
  readonly bad: Mixture
  readonly badCount: number
  /** How many bad points each kernel stands for. */
  readonly weight: number
}

function splitOf(space: SearchSpace, { observations, ranked }: View): Split {
  const count = Math.min(Math.ceil(GOOD_SHARE * ranked.length), GOOD_MAX)
  // A failure is never good, however few there are.
  const good = ranked.slice(0, count).filter(isMeasured)
  const chosen = new Set(good)
  const bad = observations.filter(observation => !chosen.has(observation))
  const stride = Math.ceil(bad.length / BAD_KERNELS_MAX)
  const kept = bad.filter((_, i) => i % stride === 0)
  return {
    good: mixtureOf(space, coordinatesOf(good)),
    bad: mixtureOf(space, coordinatesOf(kept), bad.length),
    badCount: bad.length,
    weight: kept.length === 0 ? 1 : bad.length / kept.length,
  }
}

const isMeasured = ({ state }: Observation): boolean => state === 'finished' || state === 'partial'

const coordinatesOf = (points: readonly PendingPoint[]): Float64Array[] =>
  points.map(({ coordinates }) => coordinates)
