// The model of charlm@1, slow and clear: one loop per formula, no blocks, no strips. With `exact` it is the specification
// that the kernel must equal bit for bit; with `real` it is the mathematics whose gradients finite differences confirm.

import { activate, activateBack, softcap } from './activations.ts'
import { type Arithmetic, flush, type Numbers } from './arithmetic.ts'
import { attend, attendBack, normaliseRow, normaliseRowBack, rotate } from './attention.ts'
import { expandedOf, hiddenOf, offsets, type Shape, windowOf } from './layout.ts'
import {
  crossEntropy,
  type Normed,
  normalise,
  normaliseBack,
  num,
  product,
  transposed,
  type View,
  view,
} from './parts.ts'

export interface Pass {
  readonly losses: readonly number[] // nats, one a row
  readonly gradients: Numbers
}

interface Rows {
  readonly inputs: readonly number[]
  /** -1 where a row has no loss. */
  readonly targets: readonly number[]
}

const NO_PARAMETERS = 0

/** Losses of rows (whole sequences of `context`), and the gradients of weight times their sum. */
export function pass(A: Arithmetic, shape: Shape, parameters: Numbers, rows: Rows, weight: number): Pass {
  const { round } = A
  const { depth, width: D, heads, context: T, symbols: V } = shape
  const [G, E] = [expandedOf(shape), hiddenOf(shape)]
  const at = offsets(shape)
  const R = rows.inputs.length
  const rms = shape.norm === 'rms'
  const gradients = A.numbers(weight > 0 ? at.parameters : NO_PARAMETERS)
  const weights = (offset: number, stride: number): View => view(parameters, stride, offset)
  const slopes = (offset: number, stride: number): View => view(gradients, stride, offset)
  const norm = (x: Numbers, offset: number) => normalise(A, x, parameters, { offset, D, rms })

  let x = embed(A, shape, parameters, rows.inputs)
  const tape = Array.from({ length: depth }, (_, l) => {
    const input = x
    const norm1 = norm(input, at.norm(l, 0))
    const qkv = A.numbers(R * 3 * D)
    product(A, view(qkv, 3 * D), view(norm1.out, D), weights(at.qkv(l), 3 * D), [R, 3 * D, D])
    if (shape.value_embeddings === 'on') addValues(A, { qkv, rows, parameters, offset: at.value(l), D })
    const rstds = turn(A, shape, qkv)
    const mixed = A.numbers(R * D)
    const window = windowOf(shape, l)
    const attention = eachHead(R, shape, (row, column) =>
      attend(A, { mixed, qkv, row, column, T, D, size: D / heads, window }),
    )
    const middle = input.slice()
    product(A, view(middle, D), view(mixed, D), weights(at.projection(l), D), [R, D, D])
    const norm2 = norm(middle, at.norm(l, 1))
    const wide = A.numbers(R * G)
    product(A, view(wide, G), view(norm2.out, D), weights(at.expand(l), G), [R, G, D])
    const activated = activate(A, shape.activation, wide, E)
    x = middle.slice()
    product(A, view(x, D), view(activated.value, E), weights(at.contract(l), D), [R, D, E])
    return { input, norm1, qkv, rstds, mixed, attention, middle, norm2, activated }
  })

  const last = norm(x, at.norm(depth, 0))
  const logits = A.numbers(R * V)
  product(A, view(logits, V), view(last.out, D), transposed(weights(at.head, D)), [R, V, D])
  const caps = shape.softcap > 0 ? softcap(A, logits, shape.softcap) : undefined
  const losses = rows.targets.map((target, r) =>
    target < 0 ? 0 : crossEntropy(A, logits.subarray(r * V, (r + 1) * V), target, weight),
  )
  if (weight === 0) return { losses, gradients }

  caps?.forEach((slope, i) => {
    logits[i] = flush(A, round(num(logits, i) * slope))
  })
  const dx = A.numbers(R * D)
  const normBack = (dy: Numbers, x: Numbers, stats: Normed, offset: number) =>
    normaliseBack(A, { dx, dy, x, stats, parameters, gradients, offset, D, rms })
  const dLast = A.numbers(R * D)
  product(A, view(dLast, D), view(logits, V), weights(at.head, D), [R, D, V])
  product(A, slopes(at.head, D), transposed(view(logits, V)), view(last.out, D), [V, D, R])
  normBack(dLast, x, last, at.norm(depth, 0))
  for (let l = depth - 1; l >= 0; l--) {
    const t = tape[l]!
    const dHidden = A.numbers(R * E)
    product(A, view(dHidden, E), view(dx, D), transposed(weights(at.contract(l), D)), [R, E, D])
    product(A, slopes(at.contract(l), D), transposed(view(t.activated.value, E)), view(dx, D), [E, D, R])
    const dWide = activateBack(A, dHidden, t.activated, E)
    const dNorm2 = A.numbers(R * D)
    product(A, view(dNorm2, D), view(dWide, G), transposed(weights(at.expand(l), G)), [R, D, G])
    product(A, slopes(at.expand(l), G), transposed(view(t.norm2.out, D)), view(dWide, G), [D, G, R])
    normBack(dNorm2, t.middle, t.norm2, at.norm(l, 1))
    const dMixed = A.numbers(R * D)
    product(A, view(dMixed, D), view(dx, D), transposed(weights(at.projection(l), D)), [R, D, D])
    product(A, slopes(at.projection(l), D), transposed(view(t.mixed, D)), view(dx, D), [D, D, R])
    const dQkv = A.numbers(R * 3 * D)
    const window = windowOf(shape, l)
    let index = 0
    eachHead(R, shape, (row, column) => {
      const probabilities = t.attention[index++]!
      attendBack(A, { dQkv, dMixed, qkv: t.qkv, probabilities, row, column, T, D, size: D / heads, window })
    })
    turnBack(A, shape, dQkv, t)
    if (shape.value_embeddings === 'on')
      gatherValues(A, { dQkv, inputs: rows.inputs, gradients, offset: at.value(l), D })
    const dNorm1 = A.numbers(R * D)
    product(A, view(dNorm1, D), view(dQkv, 3 * D), transposed(weights(at.qkv(l), 3 * D)), [R, D, 3 * D])
    product(A, slopes(at.qkv(l), 3 * D), transposed(view(t.norm1.out, D)), view(dQkv, 3 * D), [D, 3 * D, R])
    normBack(dNorm1, t.input, t.norm1, at.norm(l, 0))
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

function embed(A: Arithmetic, shape: Shape, parameters: Numbers, inputs: readonly number[]): Numbers {
  const { width: D, context, position } = shape
  const x = A.numbers(inputs.length * D)
  inputs.forEach((symbol, r) => {
    for (let c = 0; c < D; c++) {
      const token = num(parameters, symbol * D + c)
      const place = offsets(shape).position + (r % context) * D + c
      x[r * D + c] = position === 'rope' ? token : A.round(token + num(parameters, place))
    }
  })
  return x
}

function addValues(
  A: Arithmetic,
  {
    qkv,
    rows,
    parameters,
    offset,
    D,
  }: {
    qkv: Numbers
    rows: Rows
    parameters: Numbers
    offset: number
    D: number
  },
): void {
  rows.inputs.forEach((symbol, r) => {
    for (let c = 0; c < D; c++) {
      const i = r * 3 * D + 2 * D + c
      qkv[i] = A.round(num(qkv, i) + num(parameters, offset + symbol * D + c))
    }
  })
}

function gatherValues(
  A: Arithmetic,
  {
    dQkv,
    inputs,
    gradients,
    offset,
    D,
  }: {
    dQkv: Numbers
    inputs: readonly number[]
    gradients: Numbers
    offset: number
    D: number
  },
): void {
  inputs.forEach((symbol, r) => {
    for (let c = 0; c < D; c++) {
      const i = offset + symbol * D + c
      gradients[i] = A.round(num(gradients, i) + num(dQkv, r * 3 * D + 2 * D + c))
    }
  })
}

/** Each head of q and k of each row: turned, then divided by its root mean square; the divisors' inverses. */
function turn(A: Arithmetic, { width: D, heads, context, position, qk_norm }: Shape, qkv: Numbers): number[] {
  const size = D / heads
  const rstds: number[] = []
  for (let r = 0; r < qkv.length / (3 * D); r++)
    for (let h = 0; h < 2 * heads; h++) {
      const row = qkv.subarray(r * 3 * D + h * size, r * 3 * D + (h + 1) * size)
      if (position === 'rope') rotate(A, row, r % context, 1)
      if (qk_norm === 'on') rstds.push(normaliseRow(A, row))
    }
  return rstds
}

function turnBack(
  A: Arithmetic,
  { width: D, heads, context, position, qk_norm }: Shape,
  dQkv: Numbers,
  { qkv, rstds }: { readonly qkv: Numbers; readonly rstds: readonly number[] },
): void {
  const size = D / heads
  for (let r = 0; r < dQkv.length / (3 * D); r++)
    for (let h = 0; h < 2 * heads; h++) {
      const [from, to] = [r * 3 * D + h * size, r * 3 * D + (h + 1) * size]
      const row = dQkv.subarray(from, to)
      if (qk_norm === 'on') normaliseRowBack(A, row, qkv.subarray(from, to), num(rstds, r * 2 * heads + h))
      if (position === 'rope') rotate(A, row, r % context, -1)
    }
}

/** Token rows are summed apart and then added to the head's share. */
function embedBack(
  A: Arithmetic,
  { width: D, context, symbols, position }: Shape,
  { gradients, dx, inputs }: { gradients: Numbers; dx: Numbers; inputs: readonly number[] },
): void {
  const { round } = A
  const token = A.numbers(symbols * D)
  inputs.forEach((symbol, r) => {
    for (let c = 0; c < D; c++) {
      const place = symbols * D + (r % context) * D + c
      token[symbol * D + c] = round(num(token, symbol * D + c) + num(dx, r * D + c))
      if (position === 'learned') gradients[place] = round(num(gradients, place) + num(dx, r * D + c))
    }
  })
  token.forEach((d, i) => {
    gradients[i] = round(num(gradients, i) + d)
  })
}
