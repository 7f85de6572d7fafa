/** How many lines cross each cell of the room between two axes, row by row from the top: those that fit a filter, and the others. */
export interface Densities {
  readonly fitting: Uint32Array
  readonly others: Uint32Array
}

interface Gap {
  /** 0 (bottom) to 1 of each line at either axis; NaN: it has no value there, and is not drawn. */
  readonly left: Float64Array
  readonly right: Float64Array
  readonly columns: number
}

/**
 * Ten thousand strokes take a browser a quarter of a second, and where they overlap they say no more than that they do. Counting them
 * takes a twentieth of it: each line adds one where it enters a column and takes it away where it leaves; the sums down the columns are
 * the counts. A line that is steep fills its column, one that is flat a cell.
 */
export function densityOf({ left, right, columns }: Gap, fits: readonly boolean[], rows: number): Densities {
  // Column by column, so that a line is written near to where it was written before; a row more for what leaves at the bottom.
  const [fitting, others] = [new Int32Array(columns * (rows + 1)), new Int32Array(columns * (rows + 1))]
  for (let i = 0; i < left.length; i++) {
    const from = (1 - (left[i] ?? Number.NaN)) * (rows - 1)
    const to = (1 - (right[i] ?? Number.NaN)) * (rows - 1)
    if (Number.isNaN(from) || Number.isNaN(to)) continue
    const counts = fits[i] === true ? fitting : others
    const step = (to - from) / columns
    let row = Math.round(from)
    for (let column = 0, at = column * (rows + 1); column < columns; column++, at += rows + 1) {
      const next = Math.round(from + step * (column + 1))
      const [top, bottom] = next < row ? [next, row] : [row, next]
      counts[at + top] = (counts[at + top] ?? 0) + 1
      counts[at + bottom + 1] = (counts[at + bottom + 1] ?? 0) - 1
      row = next
    }
  }
  return { fitting: summed(fitting, columns, rows), others: summed(others, columns, rows) }
}

/** The sums down each column, as an image has its cells: row by row. */
function summed(changes: Int32Array, columns: number, rows: number): Uint32Array {
  const counts = new Uint32Array(columns * rows)
  for (let column = 0; column < columns; column++) {
    let count = 0
    for (let row = 0; row < rows; row++) {
      count += changes[column * (rows + 1) + row] ?? 0
      counts[row * columns + column] = count
    }
  }
  return counts
}
