/**
 * ONNX operators with their gradients. Shapes are checked when the graph is built, so that a mistake is found there and not
 * by the runtime; the tests check every gradient against finite differences in ONNX Runtime.
 */
import { type GraphBuilder, sizeOf, type Tensor } from './graph.ts'
import {
  asFloat,
  binary,
  isAbove,
  pair,
  reduced,
  reshaped,
  type Shape,
  summedTo,
  turned,
  unary,
  zeros,
} from './nodes.ts'

export const add = (g: GraphBuilder, a: Tensor, b: Tensor): Tensor =>
  g.differentiable([a, b], binary(g, 'Add', a, b), dy => [summedTo(g, dy, a.shape), summedTo(g, dy, b.shape)])

export const subtract = (g: GraphBuilder, a: Tensor, b: Tensor): Tensor =>
  g.differentiable([a, b], binary(g, 'Sub', a, b), dy => [
    summedTo(g, dy, a.shape),
    summedTo(g, unary(g, 'Neg', dy), b.shape),
  ])

export const multiply = (g: GraphBuilder, a: Tensor, b: Tensor): Tensor =>
  g.differentiable([a, b], binary(g, 'Mul', a, b), dy => [
    summedTo(g, binary(g, 'Mul', dy, b), a.shape),
    summedTo(g, binary(g, 'Mul', dy, a), b.shape),
  ])

export function divide(g: GraphBuilder, a: Tensor, b: Tensor): Tensor {
  const y = binary(g, 'Div', a, b)
  return g.differentiable([a, b], y, dy => {
    const da = binary(g, 'Div', dy, b)
    return [summedTo(g, da, a.shape), summedTo(g, unary(g, 'Neg', binary(g, 'Mul', da, y)), b.shape)]
  })
}

/** x times a number. */
export const scale = (g: GraphBuilder, x: Tensor, factor: number): Tensor => multiply(g, x, g.scalar(factor))

/** 1 / √(x + ε): what a norm divides by. */
export function reciprocalRoot(g: GraphBuilder, x: Tensor, epsilon: number): Tensor {
  const root = unary(g, 'Sqrt', binary(g, 'Add', x, g.scalar(epsilon)))
  const y = unary(g, 'Reciprocal', root)
  // −½ y³
  return g.differentiable([x], y, dy => {
    const cubed = binary(g, 'Mul', binary(g, 'Mul', y, y), binary(g, 'Mul', y, g.scalar(-0.5)))
    return [binary(g, 'Mul', dy, cubed)]
  })
}

export function tanh(g: GraphBuilder, x: Tensor): Tensor {
  const y = unary(g, 'Tanh', x)
  return g.differentiable([x], y, dy => {
    const slope = binary(g, 'Sub', g.scalar(1), binary(g, 'Mul', y, y))
    return [binary(g, 'Mul', dy, slope)]
  })
}

export function relu(g: GraphBuilder, x: Tensor): Tensor {
  const y = unary(g, 'Relu', x)
  return g.differentiable([x], y, dy => [binary(g, 'Mul', dy, asFloat(g, isAbove(g, x, 0)))])
}

interface Sides {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/** A B of two matrices, either of them transposed first, and a third added to it. */
export function product(
  g: GraphBuilder,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, plus }: Sides & { readonly plus?: Tensor } = {},
): Tensor {
  const [m, k] = pair(transposeA ? a.shape.toReversed() : a.shape)
  const [inner, n] = pair(transposeB ? b.shape.toReversed() : b.shape)
  if (k !== inner) throw new RangeError(`a product of [${a.shape}] and [${b.shape}]`)
  const attributes = { transA: { int: 0 }, transB: { int: Number(transposeB) } }
  if (plus !== undefined && String(plus.shape) !== String([m, n]))
    throw new RangeError(`[${plus.shape}] on a product of [${m},${n}]`)
  const added = plus === undefined ? [] : [plus]
  const inputs = [transposeA ? turned(g, a) : a, b, ...added]
  const y = g.node({ op: 'Gemm', inputs, shape: [m, n], attributes })
  return g.differentiable([a, b, ...added], y, dy => [
    transposeA
      ? product(g, b, dy, { transposeA: transposeB, transposeB: true })
      : product(g, dy, b, { transposeB: !transposeB }),
    transposeB
      ? product(g, dy, a, { transposeA: true, transposeB: transposeA })
      : product(g, a, dy, { transposeA: !transposeA }),
    dy,
  ])
}

/** The products of matrices in the last two axes; the axes before are the same in both. */
export function batchedProduct(g: GraphBuilder, a: Tensor, b: Tensor): Tensor {
  const [m, k] = pair(a.shape.slice(-2))
  const [inner, n] = pair(b.shape.slice(-2))
  const outer = a.shape.slice(0, -2)
  if (k !== inner || String(outer) !== String(b.shape.slice(0, -2)))
    throw new RangeError(`products of [${a.shape}] and [${b.shape}]`)
  const y = g.node({ op: 'MatMul', inputs: [a, b], shape: [...outer, m, n] })
  return g.differentiable([a, b], y, dy => [
    batchedProduct(g, dy, swapped(g, b)),
    batchedProduct(g, swapped(g, a), dy),
  ])
}

/** The last two axes exchanged. */
export function swapped(g: GraphBuilder, x: Tensor): Tensor {
  const axes = x.shape.map((_, i) => i)
  return transpose(g, x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2])
}

export function transpose(g: GraphBuilder, x: Tensor, axes: readonly number[]): Tensor {
  const shape = axes.map(axis => x.shape[axis] ?? 0)
  const y = g.node({ op: 'Transpose', inputs: [x], shape, attributes: { perm: { ints: axes } } })
  const back = axes.map((_, i) => axes.indexOf(i))
  return g.differentiable([x], y, dy => [transpose(g, dy, back)])
}

export function reshape(g: GraphBuilder, x: Tensor, shape: Shape): Tensor {
  const y = reshaped(g, x, shape)
  return y === x ? x : g.differentiable([x], y, dy => [reshape(g, dy, x.shape)])
}

/** Cuts an axis into parts of these sizes. */
export function split(g: GraphBuilder, x: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] {
  if (sizes.reduce((sum, n) => sum + n, 0) !== x.shape[axis])
    throw new RangeError(`axis ${axis} of [${x.shape}] in ${sizes}`)
  const shapes = sizes.map(size => x.shape.with(axis, size))
  const parts = g.nodes(
    'Split',
    [x, g.constant('int64', [sizes.length], sizes)],
    shapes.map(shape => ({ type: x.type, shape })),
    { axis: { int: axis } },
  )
  g.record([x], parts, gradients => {
    const whole = shapes.map((shape, i) => gradients[i] ?? zeros(g, shape))
    return [concat(g, whole, axis)]
  })
  return parts
}

/** Tensors one behind the other along an axis. */
export function concat(g: GraphBuilder, parts: readonly Tensor[], axis: number): Tensor {
  const [first] = parts
  if (first === undefined) throw new RangeError('nothing to put together')
  const sizes = parts.map(({ shape }) => shape[axis] ?? 0)
  const shape = first.shape.with(
    axis,
    sizes.reduce((sum, n) => sum + n, 0),
  )
  const y = g.node({ op: 'Concat', inputs: parts, shape, attributes: { axis: { int: axis } } })
  return g.differentiable(parts, y, dy => split(g, dy, axis, sizes))
}

/** Sums along axes, which stay with length 1. */
export function sumOver(g: GraphBuilder, x: Tensor, axes: readonly number[]): Tensor {
  return g.differentiable([x], reduced(g, 'ReduceSum', x, axes), dy => [
    binary(g, 'Add', zeros(g, x.shape), dy),
  ])
}

/** Means along axes, which stay with length 1. */
export function meanOver(g: GraphBuilder, x: Tensor, axes: readonly number[]): Tensor {
  const y = reduced(g, 'ReduceMean', x, axes)
  const share = sizeOf(y.shape) / sizeOf(x.shape)
  return g.differentiable([x], y, dy => [
    binary(g, 'Add', zeros(g, x.shape), binary(g, 'Mul', dy, g.scalar(share))),
  ])
}
