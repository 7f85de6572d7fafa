// The parts of the reference model: products, normalisation, the loss, each with its gradient.

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
export const get = ({ data, start, down, right }: View, i: number, j: number): number =>
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

export interface NormPlace {
  readonly offset: number
  readonly D: number
  readonly rms: boolean
}

export function normalise(
  A: Arithmetic,
  x: Numbers,
  parameters: Numbers,
  { offset, D, rms }: NormPlace,
): Normed {
  const { round } = A
  const R = x.length / D
  const normed = { out: A.numbers(x.length), mean: A.numbers(R), rstd: A.numbers(R) }
  const scale = round(1 / D)
  for (let r = 0; r < R; r++) {
    const mean = rms ? 0 : round(laneSum(A, D, c => num(x, r * D + c)) * scale)
    const squares = laneSum(A, D, c => {
      const centred = round(num(x, r * D + c) - mean)
      return round(centred * centred)
    })
    const rstd = round(1 / round(Math.sqrt(round(round(squares * scale) + round(1e-5)))))
    for (let c = 0; c < D; c++) {
      const unit = round(round(num(x, r * D + c) - mean) * rstd)
      const scaled = round(unit * num(parameters, offset + c))
      normed.out[r * D + c] = rms ? scaled : round(scaled + num(parameters, offset + D + c))
    }
    normed.mean[r] = mean
    normed.rstd[r] = rstd
  }
  return normed
}

interface NormBack extends NormPlace {
  readonly dx: Numbers // added to
  readonly dy: Numbers
  readonly x: Numbers
  readonly stats: Normed
  readonly parameters: Numbers
  readonly gradients: Numbers
}

export function normaliseBack(
  A: Arithmetic,
  { dx, dy, x, stats, parameters, gradients, offset, D, rms }: NormBack,
): void {
  const { round } = A
  const scale = round(1 / D)
  for (let r = 0; r < dx.length / D; r++) {
    const unit = (c: number) => round(round(num(x, r * D + c) - num(stats.mean, r)) * num(stats.rstd, r))
    const g = (c: number) => round(num(dy, r * D + c) * num(parameters, offset + c))
    const meanG = rms ? 0 : round(laneSum(A, D, g) * scale)
    const meanGUnit = round(laneSum(A, D, c => round(g(c) * unit(c))) * scale)
    for (let c = 0; c < D; c++) {
      const slope = num(dy, r * D + c)
      gradients[offset + c] = round(num(gradients, offset + c) + round(slope * unit(c)))
      if (!rms) gradients[offset + D + c] = round(num(gradients, offset + D + c) + slope)
      const d = round(round(g(c) - meanG) - round(unit(c) * meanGUnit))
      dx[r * D + c] = round(num(dx, r * D + c) + round(num(stats.rstd, r) * d))
    }
  }
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
