/** One cell of a grid: how many points lie in it, and the mean of their values. */
interface Cell {
  readonly n: number
  readonly mean: number | null
}

interface Grid {
  readonly columns: number
  readonly cells: readonly Cell[] // row by row
  /** Whether neighbours along an axis are near to each other: they are not when its values have no order. */
  readonly isOrdered: { readonly x: boolean; readonly y: boolean }
}

/** In cells. */
const WIDTH = 1
const REACH = 3

/**
 * A value for each cell, by a Gaussian kernel (Nadaraya 1964, Watson 1964) one cell wide over the cells within three of it: Σ w·mean ÷ Σ w with
 * w = n·exp(−d²/2). Along an axis without order only the cell's own row or column counts. Null where none of them has a point.
 */
export function smoothed({ columns, cells, isOrdered }: Grid): readonly (number | null)[] {
  const rows = cells.length / columns
  const reach = { x: isOrdered.x ? REACH : 0, y: isOrdered.y ? REACH : 0 }
  return cells.map((_, at) => {
    const [column, row] = [at % columns, Math.floor(at / columns)]
    let [sum, weight] = [0, 0]
    for (let j = Math.max(0, row - reach.y); j <= Math.min(rows - 1, row + reach.y); j++)
      for (let i = Math.max(0, column - reach.x); i <= Math.min(columns - 1, column + reach.x); i++) {
        const { n, mean } = cells[j * columns + i] ?? { n: 0, mean: null }
        if (mean === null) continue
        const w = n * Math.exp(-((i - column) ** 2 + (j - row) ** 2) / (2 * WIDTH ** 2))
        sum += w * mean
        weight += w
      }
    return weight === 0 ? null : sum / weight
  })
}
