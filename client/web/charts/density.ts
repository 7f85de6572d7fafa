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
 * Ten thousand strokes take a browser a quarter of a second, and where they overlap they say no more than that they do. Here they are
 * counted: lines that begin and end in the same rows are one line, as heavy as they are many; it adds its weight where it enters a column
 * and takes it away where it leaves, and the sums down the columns are the counts. What is steep fills its column, what is flat a cell.
 */
export function densityOf({ left, right, columns }: Gap, fits: readonly boolean[], rows: number): Densities {
  const pairs = { fitting: new Uint32Array(rows * rows), others: new Uint32Array(rows * rows) }
  for (let i = 0; i < left.length; i++) {
    const pair = rowOf(left[i], rows) * rows + rowOf(right[i], rows)
    if (Number.isNaN(pair)) continue
    const counts = fits[i] === true ? pairs.fitting : pairs.others
    counts[pair] = (counts[pair] ?? 0) + 1
  }
  return { fitting: drawn(pairs.fitting, columns, rows), others: drawn(pairs.others, columns, rows) }
}

const rowOf = (height: number | undefined, rows: number): number =>
  Math.round((1 - (height ?? Number.NaN)) * (rows - 1))

function drawn(pairs: Uint32Array, columns: number, rows: number): Uint32Array {
  // Column by column, so that a line is written near to where it was written before; a row more for what leaves at the bottom.
  const changes = new Int32Array(columns * (rows + 1))
  for (let pair = 0; pair < pairs.length; pair++) {
    const weight = pairs[pair] ?? 0
    if (weight === 0) continue
    const from = Math.floor(pair / rows)
    const step = ((pair % rows) - from) / columns
    let row = from
    for (let column = 1, at = 0; column <= columns; column++, at += rows + 1) {
      const next = Math.round(from + step * column)
      const [top, below] = next < row ? [next, row + 1] : [row, next + 1]
      changes[at + top] = (changes[at + top] ?? 0) + weight
      changes[at + below] = (changes[at + below] ?? 0) - weight
      row = next
    }
  }
  return summed(changes, columns, rows)
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
