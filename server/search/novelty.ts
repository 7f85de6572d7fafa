import type { Recipe } from '#protocol/job.ts'
import type { SearchSpace } from './search-space.ts'

/**
 * How far apart two recipes are in a space, 0…1: Gower's distance (1971), the mean over the parameters of the distance
 * in the parameter's own scale; two categories, or active and inactive, are 1 apart. Parameters inactive in both do not
 * count.
 */
export function distanceOf({ parameters }: SearchSpace, a: Float64Array, b: Float64Array): number {
  let [sum, counted] = [0, 0]
  parameters.forEach(({ kind }, i) => {
    const [x, y] = [a[i] ?? Number.NaN, b[i] ?? Number.NaN]
    if (Number.isNaN(x) && Number.isNaN(y)) return
    counted++
    if (x === y) return
    sum += kind === 'categories' || Number.isNaN(x) || Number.isNaN(y) ? 1 : Math.abs(x - y)
  })
  return counted === 0 ? 0 : sum / counted
}

export interface Neighbour {
  /** In the list that was given. */
  readonly index: number
  readonly distance: number
}

/** The nearest of the recipes that were tried, the nearest first, at most `count`. */
export function nearest(
  space: SearchSpace,
  recipe: Recipe,
  { tried, count }: { readonly tried: readonly Recipe[]; readonly count: number },
): readonly Neighbour[] {
  const point = space.encode(recipe)
  return tried
    .map((other, index) => ({ index, distance: distanceOf(space, point, space.encode(other)) }))
    .sort((a, b) => a.distance - b.distance || a.index - b.index)
    .slice(0, count)
}

/** How many neighbours novelty goes by. */
export const NEIGHBOURS = 5

/**
 * How new a recipe is, 0 (tried) … 1: its mean distance to the five nearest tried ones (Lehman and Stanley 2011), 0 when
 * it was tried itself; 1 when nothing was.
 */
export const noveltyOf = (space: SearchSpace, recipe: Recipe, tried: readonly Recipe[]): number =>
  noveltyAmong(nearest(space, recipe, { tried, count: NEIGHBOURS }))

/** The same, given its neighbours, the nearest first. */
export function noveltyAmong(neighbours: readonly Neighbour[]): number {
  const near = neighbours.slice(0, NEIGHBOURS)
  const [first] = near
  if (first === undefined) return 1
  return first.distance === 0 ? 0 : near.reduce((sum, { distance }) => sum + distance, 0) / near.length
}
