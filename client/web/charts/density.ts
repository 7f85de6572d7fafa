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
  readonly rows: number
}

/** What no filter changes of a gap: lines that begin and end in the same rows are one bundle. */
interface Bundles {
  readonly of: Gap
  /** The bundle of each line; NONE: it is not drawn. */
  readonly lines: Int32Array
  /** In which rows each begins and ends. */
  readonly ends: readonly (readonly [from: number, to: number])[]
  /** How many lines there are in each. */
  readonly weights: Uint32Array
  readonly all: Uint32Array
}

const NONE = -1

// By the left axis, since a plot has one gap to the right of it: a filter changes, the axes and the window seldom do.
const known = new WeakMap<Float64Array, Bundles>()

/**
 * Ten thousand strokes take a browser a quarter of a second, and where they overlap they say no more than that they do. Here they are
 * counted: a bundle is as heavy as its lines are many; it adds its weight where it enters a column and takes it away where it leaves, and
 * the sums down the columns are the counts. What is steep fills its column, what is flat a cell. Of those that fit and those that do not,
 * the fewer are drawn: the others are the rest of all.
 */
export function densityOf(gap: Gap, fits: readonly boolean[]): Densities {
  const bundles = bundlesOf(gap)
  const { lines, weights, all } = bundles
  const fitting = new Uint32Array(weights.length)
  let [count, total] = [0, 0]
  for (let i = 0; i < lines.length; i++) {
    const bundle = lines[i] ?? NONE
    if (bundle === NONE) continue
    total++
    if (fits[i] !== true) continue
    count++
    fitting[bundle] = (fitting[bundle] ?? 0) + 1
  }
  if (2 * count <= total) {
    const counts = drawn(bundles, fitting)
    return { fitting: counts, others: rest(all, counts) }
  }
  const counts = drawn(bundles, rest(weights, fitting))
  return { fitting: rest(all, counts), others: counts }
}

function rest(all: Uint32Array, some: Uint32Array): Uint32Array {
  const counts = new Uint32Array(all.length)
  for (let i = 0; i < all.length; i++) counts[i] = (all[i] ?? 0) - (some[i] ?? 0)
  return counts
}

function bundlesOf(gap: Gap): Bundles {
  const found = known.get(gap.left)
  if (found !== undefined && isSame(found.of, gap)) return found
  const { left, right, rows } = gap
  const numbers = new Map<number, number>()
  const ends: [number, number][] = []
  const lines = new Int32Array(left.length).fill(NONE)
  for (let i = 0; i < left.length; i++) {
    const [from, to] = [rowOf(left[i], rows), rowOf(right[i], rows)]
    const pair = from * rows + to
    if (Number.isNaN(pair)) continue
    const number = numbers.get(pair) ?? ends.push([from, to]) - 1
    numbers.set(pair, number)
    lines[i] = number
  }
  const weights = new Uint32Array(ends.length)
  for (const bundle of lines) if (bundle !== NONE) weights[bundle] = (weights[bundle] ?? 0) + 1
  const made = { of: gap, lines, ends, weights }
  const bundles = { ...made, all: drawn(made, weights) }
  known.set(gap.left, bundles)
  return bundles
}

const isSame = (a: Gap, b: Gap): boolean =>
  a.right === b.right && a.columns === b.columns && a.rows === b.rows

const rowOf = (height: number | undefined, rows: number): number =>
  Math.round((1 - (height ?? Number.NaN)) * (rows - 1))

function drawn(
  { of: { columns, rows }, ends }: Pick<Bundles, 'of' | 'ends'>,
  weights: Uint32Array,
): Uint32Array {
  // Column by column, so that a line is written near to where it was written before; a row more for what leaves at the bottom.
  const changes = new Int32Array(columns * (rows + 1))
  ends.forEach(([from, to], bundle) => {
    const weight = weights[bundle] ?? 0
    if (weight > 0) draw(changes, { from, to, weight, columns, rows })
  })
  return summed(changes, columns, rows)
}

interface Stroke {
  readonly from: number
  readonly to: number
  readonly weight: number
  readonly columns: number
  readonly rows: number
}

// The innermost loop of a brush, a million rounds in 10,000 lines: it makes no pair and no fraction that lives longer than a line of it.
function draw(changes: Int32Array, { from, to, weight, columns, rows }: Stroke): void {
  const step = (to - from) / columns
  let row = from
  for (let column = 1, at = 0; column <= columns; column++, at += rows + 1) {
    const next = (from + step * column + 0.5) | 0
    const top = at + (next < row ? next : row)
    const below = at + (next < row ? row : next) + 1
    changes[top] = (changes[top] ?? 0) + weight
    changes[below] = (changes[below] ?? 0) - weight
    row = next
  }
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
