// Attention of the reference model, with rotary positions, normalised queries and keys, and windows.

import { type Arithmetic, cosPi, flush, laneSum, type Numbers } from './arithmetic.ts'
import { get, num, product, transposed, type View, view } from './parts.ts'

export interface Head {
  readonly qkv: Numbers
  readonly row: number
  readonly column: number
  readonly T: number
  readonly D: number
  readonly size: number
  readonly window: number
}

const parts = (data: Numbers, { row, column, D }: Head) => {
  const part = (which: number): View => view(data, 3 * D, row * 3 * D + which * D + column)
  return { q: part(0), k: part(1), v: part(2) }
}

/** Whether row i sees column j. */
const sees = (i: number, j: number, { window }: Head): boolean => j <= i && j > i - window

/** The sum over the columns that row i sees, lanes counted from a multiple of eight. */
const seenSum = (A: Arithmetic, i: number, head: Head, term: (j: number) => number): number => {
  const from = Math.floor(Math.max(0, i - (i % 8) - head.window + 1) / 8) * 8
  return laneSum(A, i + 1 - from, j => (sees(i, from + j, head) ? term(from + j) : 0))
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
    const top = Math.max(...row.filter((_, j) => sees(i, j, head)))
    for (let j = 0; j < T; j++) row[j] = sees(i, j, head) ? A.exp(round(round(num(row, j) - top) * scale)) : 0
    const factor = round(1 / seenSum(A, i, head, j => num(row, j)))
    for (let j = 0; j <= i; j++) row[j] = flush(A, round(num(row, j) * factor))
  }
  product(A, view(head.mixed, D, head.row * D + head.column), view(probabilities, T), v, [T, size, T])
  return probabilities
}

export interface HeadBack extends Head {
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
    const mean = seenSum(A, i, head, j => round(get(p, i, j) * num(row, j)))
    for (let j = 0; j < T; j++) {
      const slope = round(round(get(p, i, j) * round(num(row, j) - mean)) * scale)
      row[j] = sees(i, j, head) ? flush(A, slope) : 0
    }
  }
  product(A, d.q, view(slopes, T), k, [T, size, T])
  product(A, d.k, transposed(view(slopes, T)), q, [T, size, T])
}

/** e^x as the kernel has it in f64. */
function exp64(x: number): number {
  const z = x / 1024
  let p = 1
  for (let i = 8; i > 0; i--) p = 1 + (p * z) / i
  for (let i = 0; i < 10; i++) p *= p
  return p
}

/** Cosine and sine by which pair i of a head of `size` turns at position t. */
export function rotation(A: Arithmetic, t: number, i: number, size: number): { c: number; s: number } {
  const turns = t * (exp64(-9.210340371976182 * ((2 * i) / size)) / Math.PI)
  const angle = turns - 2 * Math.floor(turns / 2)
  const cosine = (x: number): number => cosPi(x > 1 ? 2 - x : x)
  return { c: A.round(cosine(angle)), s: A.round(cosine(Math.abs(angle - 0.5))) }
}

/** Turns one head's row, `direction` 1 forth and -1 back. */
export function rotate(A: Arithmetic, x: Numbers, t: number, direction: 1 | -1): void {
  const { round } = A
  const half = x.length / 2
  for (let i = 0; i < half; i++) {
    const { c, s } = rotation(A, t, i, x.length)
    const [x1, x2] = [num(x, i), num(x, half + i)]
    x[i] = round(round(x1 * c) - direction * round(x2 * s))
    x[half + i] = round(round(x2 * c) + direction * round(x1 * s))
  }
}

/** One row divided by its root mean square, in place; 1 / rms. */
export function normaliseRow(A: Arithmetic, x: Numbers): number {
  const { round } = A
  const squares = laneSum(A, x.length, i => round(num(x, i) * num(x, i)))
  const rstd = round(1 / round(Math.sqrt(round(round(squares * round(1 / x.length)) + round(1e-5)))))
  x.forEach((value, i) => {
    x[i] = round(value * rstd)
  })
  return rstd
}

export function normaliseRowBack(A: Arithmetic, dy: Numbers, u: Numbers, rstd: number): void {
  const { round } = A
  const sum = laneSum(A, dy.length, i => round(num(dy, i) * num(u, i)))
  const mean = round(sum * round(1 / dy.length))
  dy.forEach((d, i) => {
    dy[i] = round(rstd * round(d - round(num(u, i) * mean)))
  })
}
