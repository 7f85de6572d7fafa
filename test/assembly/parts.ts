// The parts of the reference model: products, normalisation, attention, GELU, the loss, each with its gradient.

import { type Arithmetic, flush, laneSum, type Numbers } from './arithmetic.ts'

/** A matrix inside an array: element (i, j) is at start + i * down + j * right. */
export interface View {
  readonly data: Numbers
  readonly start: number
  readonly down: number
  readonly right: number
}

export const view = (data: Numbers, stride: number, start = 0): View => ({
  data,
  start,
  down: stride,
  right: 1,
})
export const transposed = ({ data, start, down, right }: View): View => ({
  data,
  start,
  down: right,
  right: down,
})
const get = ({ data, start, down, right }: View, i: number, j: number): number =>
  data[start + i * down + j * right] ?? Number.NaN

/** C += A B, (m, k) by (k, n): acc = C; for k ascending acc = acc + a b, each operation rounded. */
export function product(
  arithmetic: Arithmetic,
  c: View,
  a: View,
  b: View,
  [m, n, k]: readonly [number, number, number],
): void {
  const { round } = arithmetic
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = get(c, i, j)
      for (let p = 0; p < k; p++) sum = round(sum + round(get(a, i, p) * get(b, p, j)))
      c.data[c.start + i * c.down + j * c.right] = sum
    }
  }
}

export const num = (list: ArrayLike<number>, i: number): number => list[i] ?? Number.NaN

export interface Normed {
  readonly out: Numbers
  readonly mean: Numbers
  readonly rstd: Numbers
}

export function normalise(A: Arithmetic, x: Numbers, parameters: Numbers, offset: number, D: number): Normed {
  const { round } = A
  const R = x.length / D
  const normed = { out: A.numbers(x.length), mean: A.numbers(R), rstd: A.numbers(R) }
  const scale = round(1 / D)
  for (let r = 0; r < R; r++) {
    const mean = round(laneSum(A, D, c => num(x, r * D + c)) * scale)
    const squares = laneSum(A, D, c => {
      const centred = round(num(x, r * D + c) - mean)
      return round(centred * centred)
    })
    const rstd = round(1 / round(Math.sqrt(round(round(squares * scale) + round(1e-5)))))
    for (let c = 0; c < D; c++) {
      const unit = round(round(num(x, r * D + c) - mean) * rstd)
      normed.out[r * D + c] = round(
        round(unit * num(parameters, offset + c)) + num(parameters, offset + D + c),
      )
    }
    normed.mean[r] = mean
    normed.rstd[r] = rstd
  }
  return normed
}

interface NormBack {
  readonly dx: Numbers // added to
  readonly dy: Numbers
  readonly x: Numbers
  readonly stats: Normed
  readonly parameters: Numbers
  readonly gradients: Numbers
  readonly offset: number
  readonly D: number
}

export function normaliseBack(
  A: Arithmetic,
  { dx, dy, x, stats, parameters, gradients, offset, D }: NormBack,
): void {
  const { round } = A
  const scale = round(1 / D)
  for (let r = 0; r < dx.length / D; r++) {
    const unit = (c: number) => round(round(num(x, r * D + c) - num(stats.mean, r)) * num(stats.rstd, r))
    const g = (c: number) => round(num(dy, r * D + c) * num(parameters, offset + c))
    const meanG = round(laneSum(A, D, g) * scale)
    const meanGUnit = round(laneSum(A, D, c => round(g(c) * unit(c))) * scale)
    for (let c = 0; c < D; c++) {
      const slope = num(dy, r * D + c)
      gradients[offset + c] = round(num(gradients, offset + c) + round(slope * unit(c)))
      gradients[offset + D + c] = round(num(gradients, offset + D + c) + slope)
      const d = round(round(g(c) - meanG) - round(unit(c) * meanGUnit))
      dx[r * D + c] = round(num(dx, r * D + c) + round(num(stats.rstd, r) * d))
    }
  }
}

interface Head {
  readonly qkv: Numbers
  readonly row: number
  readonly column: number
  readonly T: number
  readonly D: number
  readonly size: number
}

const parts = (data: Numbers, { row, column, D }: Head) => {
  const part = (which: number): View => view(data, 3 * D, row * 3 * D + which * D + column)
  return { q: part(0), k: part(1), v: part(2) }
}

export function attend(A: Arithmetic, head: Head & { readonly mixed: Numbers }): Numbers {
  const { round } = A
  const { T, D, size } = head
  const { q, k, v } = parts(head.qkv, head)
  const probabilities = A.numbers(T * T)
  product(A, view(probabilities, T), q, transposed(k), [T, T, size])
  const scale = round(1 / round(Math.sqrt(size)))
  for (let i = 0; i < T; i++) {
    const row = probabilities.subarray(i * T, (i + 1) * T)
    const top = Math.max(...row.subarray(0, i + 1))
    for (let j = 0; j < T; j++) row[j] = j > i ? 0 : A.exp(round(round(num(row, j) - top) * scale))
    const factor = round(1 / laneSum(A, i + 1, j => num(row, j)))
    for (let j = 0; j <= i; j++) row[j] = flush(A, round(num(row, j) * factor))
  }
  product(A, view(head.mixed, D, head.row * D + head.column), view(probabilities, T), v, [T, size, T])
  return probabilities
}

interface HeadBack extends Head {
  readonly dQkv: Numbers
  readonly dMixed: Numbers
  readonly probabilities: Numbers
}

export function attendBack(A: Arithmetic, head: HeadBack): void {
  const { round } = A
  const { T, D, size } = head
  const { q, k, v } = parts(head.qkv, head)
  const d = parts(head.dQkv, head)
  const dOut = view(head.dMixed, D, head.row * D + head.column)
  const p = view(head.probabilities, T)
  product(A, d.v, transposed(p), dOut, [T, size, T])
  const slopes = A.numbers(T * T)
  product(A, view(slopes, T), dOut, transposed(v), [T, T, size])
  const scale = round(1 / round(Math.sqrt(size)))
  for (let i = 0; i < T; i++) {
    const row = slopes.subarray(i * T, (i + 1) * T)
    const mean = laneSum(A, i + 1, j => round(get(p, i, j) * num(row, j)))
    for (let j = 0; j < T; j++)
      row[j] = j > i ? 0 : flush(A, round(round(get(p, i, j) * round(num(row, j) - mean)) * scale))
  }
  product(A, d.q, view(slopes, T), k, [T, size, T])
  product(A, d.k, transposed(view(slopes, T)), q, [T, size, T])
}

export function gelu(A: Arithmetic, x: Numbers): { readonly value: Numbers; readonly slope: Numbers } {
  const { round } = A
  const a = round(0.7978845608028654)
  const b = round(0.035677408136300125)
  const b3 = round(0.10703222440890037)
  const value = A.numbers(x.length)
  const slope = A.numbers(x.length)
  x.forEach((z, i) => {
    const square = round(z * z)
    const t = A.tanh(round(z * round(a + round(b * square))))
    const half = round(0.5 * z)
    const upper = round(1 + t)
    value[i] = round(half * upper)
    const bend = round(round(half * round(1 - round(t * t))) * round(a + round(b3 * square)))
    slope[i] = round(round(0.5 * upper) + bend)
  })
  return { value, slope }
}

export function crossEntropy(A: Arithmetic, row: Numbers, target: number, weight: number): number {
  const { round } = A
  const wanted = num(row, target)
  const top = Math.max(...row)
  for (let j = 0; j < row.length; j++) row[j] = A.exp(round(num(row, j) - top))
  const sum = laneSum(A, row.length, j => num(row, j))
  const factor = round(1 / sum)
  const share = round(weight)
  for (let j = 0; j < row.length; j++) row[j] = round(flush(A, round(num(row, j) * factor)) * share)
  row[target] = round(num(row, target) - share)
  return round(round(top + A.log(sum)) - wanted)
}
