// The model of charlm@1, slow and clear: one loop per formula, no blocks, no strips. With `exact` it is the specification
// that the kernel must equal bit for bit; with `real` it is the mathematics whose gradients finite differences confirm.

import type { Arithmetic, Numbers } from './arithmetic.ts'
import {
  attend,
  attendBack,
  crossEntropy,
  gelu,
  normalise,
  normaliseBack,
  num,
  product,
  transposed,
  type View,
  view,
} from './parts.ts'

export interface Shape {
  readonly depth: number
  readonly width: number
  readonly heads: number
  readonly context: number
  readonly symbols: number
}

/** Offsets of parameters, in numbers: the order of assembly/charlm/shape.ts. */
export function offsets({ depth, width: D, context, symbols }: Shape) {
  const layers = (symbols + context) * D
  const matrices = layers + 12 * D * D * depth
  const layer = (l: number) => layers + 12 * D * D * l
  return {
    position: symbols * D,
    qkv: layer,
    projection: (l: number) => layer(l) + 3 * D * D,
    expand: (l: number) => layer(l) + 4 * D * D,
    contract: (l: number) => layer(l) + 8 * D * D,
    norm: (l: number, which: number) => matrices + 2 * D * (2 * l + which),
    matrices,
    parameters: matrices + 2 * D * (2 * depth + 1),
  }
}

export interface Pass {
  readonly losses: readonly number[] // nats, one a row
  readonly gradients: Numbers
}

const NO_PARAMETERS = 0

/**
 * Losses of rows (whole sequences of `context`), and the gradients of weight times their sum.
 * @param targets -1 where a row has no loss
 */
export function pass(
  A: Arithmetic,
  shape: Shape,
  parameters: Numbers,
  rows: { readonly inputs: readonly number[]; readonly targets: readonly number[] },
  weight: number,
): Pass {
  const { round } = A
  const { depth, width: D, heads, context: T, symbols: V } = shape
  const at = offsets(shape)
  const R = rows.inputs.length
  const gradients = A.numbers(weight > 0 ? at.parameters : NO_PARAMETERS)
  const weights = (offset: number, stride: number): View => view(parameters, stride, offset)
  const slopes = (offset: number, stride: number): View => view(gradients, stride, offset)

  let x = A.numbers(R * D)
  for (let r = 0; r < R; r++)
    for (let c = 0; c < D; c++)
      x[r * D + c] = round(
        num(parameters, num(rows.inputs, r) * D + c) + num(parameters, at.position + (r % T) * D + c),
      )

  const tape = Array.from({ length: depth }, (_, l) => {
    const input = x
    const norm1 = normalise(A, input, parameters, at.norm(l, 0), D)
    const qkv = A.numbers(R * 3 * D)
    product(A, view(qkv, 3 * D), view(norm1.out, D), weights(at.qkv(l), 3 * D), [R, 3 * D, D])
    const mixed = A.numbers(R * D)
    const attention = eachHead(R, shape, (row, column) =>
      attend(A, { mixed, qkv, row, column, T, D, size: D / heads }),
    )
    const middle = input.slice()
    product(A, view(middle, D), view(mixed, D), weights(at.projection(l), D), [R, D, D])
    const norm2 = normalise(A, middle, parameters, at.norm(l, 1), D)
    const wide = A.numbers(R * 4 * D)
    product(A, view(wide, 4 * D), view(norm2.out, D), weights(at.expand(l), 4 * D), [R, 4 * D, D])
    const activated = gelu(A, wide)
    x = middle.slice()
    product(A, view(x, D), view(activated.value, 4 * D), weights(at.contract(l), D), [R, D, 4 * D])
    return { input, norm1, qkv, mixed, attention, middle, norm2, activated }
  })

  const last = normalise(A, x, parameters, at.norm(depth, 0), D)
  const logits = A.numbers(R * V)
  product(A, view(logits, V), view(last.out, D), transposed(weights(0, D)), [R, V, D])
  const losses = rows.targets.map((target, r) =>
    target < 0 ? 0 : crossEntropy(A, logits.subarray(r * V, (r + 1) * V), target, weight),
  )
  if (weight === 0) return { losses, gradients }

  const dx = A.numbers(R * D)
  const dLast = A.numbers(R * D)
  product(A, view(dLast, D), view(logits, V), weights(0, D), [R, D, V])
  product(A, slopes(0, D), transposed(view(logits, V)), view(last.out, D), [V, D, R])
  normaliseBack(A, { dx, dy: dLast, x, stats: last, parameters, gradients, offset: at.norm(depth, 0), D })
  for (let l = depth - 1; l >= 0; l--) {
    const t = tape[l]!
    const dWide = A.numbers(R * 4 * D)
    product(A, view(dWide, 4 * D), view(dx, D), transposed(weights(at.contract(l), D)), [R, 4 * D, D])
    product(A, slopes(at.contract(l), D), transposed(view(t.activated.value, 4 * D)), view(dx, D), [
      4 * D,
      D,
      R,
    ])
    for (let i = 0; i < dWide.length; i++) dWide[i] = round(num(dWide, i) * num(t.activated.slope, i))
    const dNorm2 = A.numbers(R * D)
    product(A, view(dNorm2, D), view(dWide, 4 * D), transposed(weights(at.expand(l), 4 * D)), [R, D, 4 * D])
    product(A, slopes(at.expand(l), 4 * D), transposed(view(t.norm2.out, D)), view(dWide, 4 * D), [
      D,
      4 * D,
      R,
    ])
    normaliseBack(A, {
      dx,
      dy: dNorm2,
      x: t.middle,
      stats: t.norm2,
      parameters,
      gradients,
      offset: at.norm(l, 1),
      D,
    })
    const dMixed = A.numbers(R * D)
    product(A, view(dMixed, D), view(dx, D), transposed(weights(at.projection(l), D)), [R, D, D])
    product(A, slopes(at.projection(l), D), transposed(view(t.mixed, D)), view(dx, D), [D, D, R])
    const dQkv = A.numbers(R * 3 * D)
    let index = 0
    eachHead(R, shape, (row, column) => {
      const probabilities = t.attention[index++]!
      attendBack(A, { dQkv, dMixed, qkv: t.qkv, probabilities, row, column, T, D, size: D / heads })
    })
    const dNorm1 = A.numbers(R * D)
    product(A, view(dNorm1, D), view(dQkv, 3 * D), transposed(weights(at.qkv(l), 3 * D)), [R, D, 3 * D])
    product(A, slopes(at.qkv(l), 3 * D), transposed(view(t.norm1.out, D)), view(dQkv, 3 * D), [D, 3 * D, R])
    normaliseBack(A, {
      dx,
      dy: dNorm1,
      x: t.input,
      stats: t.norm1,
      parameters,
      gradients,
      offset: at.norm(l, 0),
      D,
    })
  }
  embedBack(A, shape, { gradients, dx, inputs: rows.inputs })
  return { losses, gradients }
}

/** Calls back for each head of each sequence with its first row and column. */
function eachHead<T>(
  R: number,
  { context, heads, width }: Shape,
  visit: (row: number, column: number) => T,
): T[] {
  const sequences = Array.from({ length: R / context }, (_, s) => s * context)
  return sequences.flatMap(row => Array.from({ length: heads }, (_, h) => visit(row, (h * width) / heads)))
}

/** Token rows are summed apart and then added to the head's share. */
function embedBack(
  A: Arithmetic,
  { width: D, context, symbols }: Shape,
  { gradients, dx, inputs }: { gradients: Numbers; dx: Numbers; inputs: readonly number[] },
): void {
  const { round } = A
  const token = A.numbers(symbols * D)
  inputs.forEach((symbol, r) => {
    for (let c = 0; c < D; c++) {
      const position = symbols * D + (r % context) * D + c
      token[symbol * D + c] = round(num(token, symbol * D + c) + num(dx, r * D + c))
      gradients[position] = round(num(gradients, position) + num(dx, r * D + c))
    }
  })
  token.forEach((d, i) => {
    gradients[i] = round(num(gradients, i) + d)
  })
}
