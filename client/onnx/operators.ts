/**
 * ONNX operators with their gradients. Shapes are checked when the graph is built, so that a mistake is found there and not
 * by the runtime; the tests check every gradient against finite differences in ONNX Runtime.
 */
import { type GraphBuilder, sizeOf, type Tensor } from './graph.ts'

type Shape = readonly number[]

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

/** max(x, 0)². */
export function reluSquared(g: GraphBuilder, x: Tensor): Tensor {
  const z = unary(g, 'Relu', x)
  return g.differentiable([x], binary(g, 'Mul', z, z), dy => [binary(g, 'Mul', dy, binary(g, 'Add', z, z))])
}

/** x σ(x). */
export function silu(g: GraphBuilder, x: Tensor): Tensor {
  const s = unary(g, 'Sigmoid', x)
  const y = binary(g, 'Mul', x, s)
  // y' = s + y (1 − s)
  return g.differentiable([x], y, dy => {
    const slope = binary(g, 'Add', s, binary(g, 'Sub', y, binary(g, 'Mul', y, s)))
    return [binary(g, 'Mul', dy, slope)]
  })
}

/** 2 √(2/π) and its cubic term: GELU by tanh is x σ(x (A + B x²)), since ½ (1 + tanh u) = σ(2u). */
const GELU_A = 1.5957691216057308
const GELU_B = 0.07135481627260025

/** GELU in its tanh form, in few operators: y = x s with s = σ(x (A + B x²)), y' = s + (y − y s)(A + 3B x²). */
export function gelu(g: GraphBuilder, x: Tensor): Tensor {
  const square = binary(g, 'Mul', x, x)
  const inner = (b: number): Tensor =>
    binary(g, 'Add', binary(g, 'Mul', square, g.scalar(b)), g.scalar(GELU_A))
  const s = unary(g, 'Sigmoid', binary(g, 'Mul', x, inner(GELU_B)))
  const y = binary(g, 'Mul', x, s)
  return g.differentiable([x], y, dy => {
    const bend = binary(g, 'Mul', binary(g, 'Sub', y, binary(g, 'Mul', y, s)), inner(3 * GELU_B))
    return [binary(g, 'Mul', dy, binary(g, 'Add', s, bend))]
  })
}

interface Sides {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/** A B of two matrices, either of them transposed first. */
export function product(
  g: GraphBuilder,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: Sides = {},
): Tensor {
  const [m, k] = pair(transposeA ? a.shape.toReversed() : a.shape)
  const [inner, n] = pair(transposeB ? b.shape.toReversed() : b.shape)
  if (k !== inner) throw new RangeError(`a product of [${a.shape}] and [${b.shape}]`)
  const attributes = { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) } }
  const y = g.node({ op: 'Gemm', inputs: [a, b], shape: [m, n], attributes })
  return g.differentiable([a, b], y, dy => [
    transposeA
      ? product(g, b, dy, { transposeA: transposeB, transposeB: true })
      : product(g, dy, b, { transposeB: !transposeB }),
    transposeB
      ? product(g, dy, a, { transposeA: true, transposeB: transposeA })
      : product(g, a, dy, { transposeA: !transposeA }),
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
  if (sizeOf(shape) !== sizeOf(x.shape)) throw new RangeError(`[${x.shape}] as [${shape}]`)
  if (String(shape) === String(x.shape)) return x
  const y = g.node({
    op: 'Reshape',
    inputs: [x, g.constant('int64', [shape.length], shape)],
    shape,
    type: x.type,
  })
  return g.differentiable([x], y, dy => [reshape(g, dy, x.shape)])
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

/** Rows of a matrix by number: (R) of (V, D) gives (R, D). Its gradient is a product with the rows' one-hot matrix. */
export function rowsOf(g: GraphBuilder, table: Tensor, index: Tensor): Tensor {
  const [v, d] = pair(table.shape)
  const y = g.node({ op: 'Gather', inputs: [table, index], shape: [...index.shape, d] })
  return g.differentiable([table], y, dy => [product(g, oneHot(g, index, v), dy, { transposeA: true })])
}

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

/** Over the last axis. */
export function softmax(g: GraphBuilder, x: Tensor): Tensor {
  const y = g.node({ op: 'Softmax', inputs: [x], shape: x.shape, attributes: { axis: { int: -1 } } })
  return g.differentiable([x], y, dy => {
    const weighted = binary(g, 'Mul', dy, y)
    const share = binary(g, 'Mul', y, reduced(g, 'ReduceSum', weighted, [-1]))
    return [binary(g, 'Sub', weighted, share)]
  })
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

const NORM_EPSILON = 1e-5

/** (x − mean) / √(variance + 1e-5) of each row, times a gain, plus a bias. */
export function layerNorm(g: GraphBuilder, x: Tensor, gain: Tensor, bias: Tensor): Tensor {
  const [rows, d] = pair(x.shape)
  const stats = { type: 'float32' as const, shape: [rows, 1] }
  const [y, mean, rstd] = g.nodes('LayerNormalization', [x, gain, bias], [x, stats, stats], {
    axis: { int: -1 },
    epsilon: { float: NORM_EPSILON },
  })
  if (y === undefined || mean === undefined || rstd === undefined) throw new Error('three outputs')
  return g.differentiable([x, gain, bias], y, dy => {
    const u = binary(g, 'Mul', binary(g, 'Sub', x, mean), rstd)
    const dyu = binary(g, 'Mul', dy, u)
    const scaled = binary(g, 'Mul', dy, gain)
    const level = reduced(g, 'ReduceMean', scaled, [-1])
    const along = binary(g, 'Mul', u, rowDots(g, scaled, u, 1 / d))
    const dx = binary(g, 'Mul', rstd, binary(g, 'Sub', binary(g, 'Sub', scaled, level), along))
    return [dx, columnSums(g, dyu), columnSums(g, dy)]
  })
}

/** x / √(mean of x² + 1e-5) along the last axis. */
export function rootMeanSquareNorm(g: GraphBuilder, x: Tensor): Tensor {
  const d = x.shape.at(-1) ?? 1
  const rstd = g.untaped(() =>
    reciprocalRoot(g, reduced(g, 'ReduceMean', binary(g, 'Mul', x, x), [-1]), NORM_EPSILON),
  )
  const u = binary(g, 'Mul', x, rstd)
  return g.differentiable([x], u, dy => [
    binary(g, 'Mul', rstd, binary(g, 'Sub', dy, binary(g, 'Mul', u, rowDots(g, dy, u, 1 / d)))),
  ])
}

/** The mean over rows of −log softmax at the targets, natural logarithm; logits (R, V), targets (R). */
export function crossEntropy(g: GraphBuilder, logits: Tensor, targets: Tensor): Tensor {
  const [rows, columns] = pair(logits.shape)
  const hot = oneHot(g, targets, columns)
  const logs = g.node({
    ...{ op: 'LogSoftmax', inputs: [logits], shape: logits.shape },
    attributes: { axis: { int: -1 } },
  })
  const chosen = g.node({
    op: 'GatherElements',
    inputs: [logs, reshape(g, targets, [rows, 1])],
    shape: [rows, 1],
    attributes: { axis: { int: 1 } },
  })
  const loss = g.untaped(() => reshape(g, unary(g, 'Neg', reduced(g, 'ReduceMean', chosen, [0, 1])), []))
  return g.differentiable([logits], loss, dy => {
    const share = binary(g, 'Mul', dy, g.scalar(1 / rows))
    return [binary(g, 'Mul', binary(g, 'Sub', unary(g, 'Exp', logs), hot), share)]
  })
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

/** (R, 1): `factor` times the sum of a·b along the last axis. */
function rowDots(g: GraphBuilder, a: Tensor, b: Tensor, factor: number): Tensor {
  const sums = reduced(g, 'ReduceSum', binary(g, 'Mul', a, b), [-1])
  return binary(g, 'Mul', sums, g.scalar(factor))
}

/** (D) of (R, D). */
function columnSums(g: GraphBuilder, x: Tensor): Tensor {
  const [, d] = pair(x.shape)
  return reshape(g, reduced(g, 'ReduceSum', x, [0]), [d])
}

/** The gradient of something broadcast: summed over what it was repeated along. */
function summedTo(g: GraphBuilder, x: Tensor, shape: Shape): Tensor {
  if (String(x.shape) === String(shape)) return x
  const added = x.shape.length - shape.length
  const axes = x.shape.flatMap((n, i) => (i < added || (shape[i - added] === 1 && n !== 1) ? [i] : []))
  return reshape(g, reduced(g, 'ReduceSum', x, axes), shape)
}

function broadcast(a: Shape, b: Shape): Shape {
  const length = Math.max(a.length, b.length)
  return Array.from({ length }, (_, i) => {
    const [m, n] = [a[i - length + a.length] ?? 1, b[i - length + b.length] ?? 1]
    if (m !== n && m !== 1 && n !== 1) throw new RangeError(`[${a}] and [${b}] do not broadcast`)
    return m === 1 ? n : m
  })
}

function pair(shape: Shape): readonly [number, number] {
  const [m, n] = shape
  if (m === undefined || n === undefined || shape.length !== 2)
    throw new RangeError(`[${shape}] is no matrix`)
  return [m, n]
}
