/** Points of a learning curve besides that of the metric, as the kernels have them. */
export const CURVE_POINTS = 60

/** Training losses in the metric's unit: means since the last point, and what was added up since. */
export interface Losses {
  readonly points: readonly number[]
  readonly sum: number
  readonly count: number
}

/** The points of a run's curve: after every ⌈updates / 60⌉ updates the mean loss since the last one. */
export function curveOf(
  { points }: Losses,
  updates: number,
): readonly { readonly update: number; readonly fuel: number; readonly train: number; readonly val: null }[] {
  const every = Math.ceil(updates / CURVE_POINTS)
  return points.map((train, i) => {
    const update = (i + 1) * every
    return { update, fuel: update / updates, train, val: null }
  })
}
