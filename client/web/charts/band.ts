type Points = readonly (readonly [number, number])[]

/** The middle of many curves: at each x the quartiles of those that reach it. */
export interface Band {
  readonly low: Points
  readonly median: Points
  readonly high: Points
}

const GRID = 40

/** Quartiles of `curves` (x from 0 to `end`, ascending) on an even grid, where at least three of them are. */
export function bandOf(curves: readonly Points[], end: number): Band {
  const rows = Array.from({ length: GRID + 1 }, (_, i) => (i / GRID) * end).flatMap(at => {
    const values = curves.flatMap(curve => valueAt(curve, at) ?? []).sort((a, b) => a - b)
    return values.length < 3 ? [] : [{ at, values }]
  })
  const of = (q: number): Points => rows.map(({ at, values }) => [at, quantile(values, q)] as const)
  return { low: of(0.25), median: of(0.5), high: of(0.75) }
}

/** Between two points a straight line; undefined outside the curve. */
function valueAt(curve: Points, at: number): number | undefined {
  const next = curve.findIndex(([x]) => x >= at)
  const right = curve[next]
  if (right === undefined) return undefined
  const left = curve[next - 1]
  if (right[0] === at || left === undefined) return right[0] === at ? right[1] : undefined
  return left[1] + ((right[1] - left[1]) * (at - left[0])) / (right[0] - left[0])
}

/** Of ascending values, by linear interpolation. */
function quantile(values: readonly number[], q: number): number {
  const place = (values.length - 1) * q
  const [low = 0, high = low] = [values[Math.floor(place)], values[Math.ceil(place)]]
  return low + (high - low) * (place - Math.floor(place))
}
