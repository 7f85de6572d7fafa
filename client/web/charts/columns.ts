interface Points {
  readonly points: readonly (readonly [number, number])[]
}

/**
 * Lines as uPlot takes them: the x of all, ascending, then the y of each, null where a line has no point. A line by itself keeps every
 * point, also those above one another; of several each has one at an x.
 */
export function aligned(lines: readonly Points[]): [number[], ...(number | null)[][]] {
  const [only] = lines
  if (lines.length === 1 && only !== undefined) {
    const points = only.points.toSorted(([a], [b]) => a - b)
    return [points.map(([at]) => at), points.map(([, value]) => value)]
  }
  const xs = [...new Set(lines.flatMap(line => line.points.map(([at]) => at)))].sort((a, b) => a - b)
  const columns = lines.map(({ points }) => {
    const known = new Map(points)
    return xs.map(at => known.get(at) ?? null)
  })
  return [xs, ...columns]
}
