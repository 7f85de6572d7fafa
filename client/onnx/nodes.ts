/** Single ONNX nodes and small sums of them, without gradients: what operators and their gradients are built of. */
import { type GraphBuilder, sizeOf, type Tensor } from './graph.ts'

export type Shape = readonly number[]

/** (R, V): 1 where a row's number is the column's. */
export function oneHot(g: GraphBuilder, index: Tensor, columns: number): Tensor {
  const [rows = 0] = index.shape
  const column = g.constant(
    index.type,
    [1, columns],
    Array.from({ length: columns }, (_, i) => i),
  )
  const shape = [rows, columns]
  const asColumn = g.node({
    ...{ op: 'Reshape', shape: [rows, 1], type: index.type },
    inputs: [index, g.constant('int64', [2], [rows, 1])],
  })
  return asFloat(g, g.node({ op: 'Equal', inputs: [asColumn, column], shape, type: 'bool' }))
}

export const zeros = (g: GraphBuilder, shape: Shape): Tensor =>
  g.node({
    op: 'ConstantOfShape',
    inputs: [g.constant('int64', [shape.length], shape)],
    shape,
  })

/** An operator on one tensor, element by element, without a gradient. */
export const unary = (g: GraphBuilder, op: string, x: Tensor): Tensor =>
  g.node({ op, inputs: [x], shape: x.shape, type: x.type })

/** An operator on two tensors that broadcast, without a gradient. */
export const binary = (g: GraphBuilder, op: string, a: Tensor, b: Tensor): Tensor =>
  g.node({ op, inputs: [a, b], shape: broadcast(a.shape, b.shape), type: a.type })

/** A reduction along axes (negative ones count from the end), which stay with length 1; without a gradient. */
export function reduced(g: GraphBuilder, op: string, x: Tensor, axes: readonly number[]): Tensor {
  const positive = axes.map(axis => (axis < 0 ? axis + x.shape.length : axis))
  return g.node({
    op,
    inputs: [x, g.constant('int64', [axes.length], positive)],
    shape: x.shape.map((n, i) => (positive.includes(i) ? 1 : n)),
    attributes: { keepdims: { int: 1 } },
  })
}

export const isAbove = (g: GraphBuilder, x: Tensor, bound: number): Tensor =>
  g.node({ op: 'Greater', inputs: [x, g.scalar(bound)], shape: x.shape, type: 'bool' })

const FLOAT = 1

export const asFloat = (g: GraphBuilder, x: Tensor): Tensor =>
  g.node({ op: 'Cast', inputs: [x], shape: x.shape, attributes: { to: { int: FLOAT } } })

/** The same values in another shape, without a gradient. @throws RangeError for another number of them */
export function reshaped(g: GraphBuilder, x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== sizeOf(x.shape)) throw new RangeError(`[${x.shape}] as [${shape}]`)
  if (String(shape) === String(x.shape)) return x
  const inputs = [x, g.constant('int64', [shape.length], shape)]
  return g.node({ op: 'Reshape', inputs, shape, type: x.type })
}

/**
 * A matrix with its axes exchanged, without a gradient; written so that ONNX Runtime does not make it an attribute of the product
 * behind it. Its products of turned matrices take a fifth longer than turning them first (ops/LOG.md, "where an update's time goes").
 */
export function turned(g: GraphBuilder, x: Tensor): Tensor {
  const [rows, columns] = pair(x.shape)
  const perm = { perm: { ints: [0, 2, 1] } }
  const inputs = [reshaped(g, x, [1, rows, columns])]
  const y = g.node({ op: 'Transpose', inputs, shape: [1, columns, rows], attributes: perm })
  return reshaped(g, y, [columns, rows])
}

/** (R, 1): `factor` times the sum of a·b along the last axis. */
export function rowDots(g: GraphBuilder, a: Tensor, b: Tensor, factor: number): Tensor {
  const sums = reduced(g, 'ReduceSum', binary(g, 'Mul', a, b), [-1])
  return binary(g, 'Mul', sums, g.scalar(factor))
}

/** (D) of (R, D). */
export function columnSums(g: GraphBuilder, x: Tensor): Tensor {
  const [, d] = pair(x.shape)
  return reshaped(g, reduced(g, 'ReduceSum', x, [0]), [d])
}

/** The gradient of something broadcast: summed over what it was repeated along. */
export function summedTo(g: GraphBuilder, x: Tensor, shape: Shape): Tensor {
  if (String(x.shape) === String(shape)) return x
  const added = x.shape.length - shape.length
  const axes = x.shape.flatMap((n, i) => (i < added || (shape[i - added] === 1 && n !== 1) ? [i] : []))
  return reshaped(g, reduced(g, 'ReduceSum', x, axes), shape)
}

function broadcast(a: Shape, b: Shape): Shape {
  const length = Math.max(a.length, b.length)
  return Array.from({ length }, (_, i) => {
    const [m, n] = [a[i - length + a.length] ?? 1, b[i - length + b.length] ?? 1]
    if (m !== n && m !== 1 && n !== 1) throw new RangeError(`[${a}] and [${b}] do not broadcast`)
    return m === 1 ? n : m
  })
}

export function pair(shape: Shape): readonly [number, number] {
  const [m, n] = shape
  if (m === undefined || n === undefined || shape.length !== 2)
    throw new RangeError(`[${shape}] is no matrix`)
  return [m, n]
}
