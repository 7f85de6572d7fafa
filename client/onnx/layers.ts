/** What networks are made of, each with a gradient in few operators. */
import type { GraphBuilder, Tensor } from './graph.ts'
import { binary, columnSums, oneHot, pair, reduced, reshaped, rowDots, unary } from './nodes.ts'
import { batchedProduct, product, reciprocalRoot, reshape, swapped } from './operators.ts'

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

/** Rows of a matrix by number: (R) of (V, D) gives (R, D). Its gradient is a product with the rows' one-hot matrix. */
export function rowsOf(g: GraphBuilder, table: Tensor, index: Tensor): Tensor {
  const [v, d] = pair(table.shape)
  const y = g.node({ op: 'Gather', inputs: [table, index], shape: [...index.shape, d] })
  return g.differentiable([table], y, dy => [product(g, oneHot(g, index, v), dy, { transposeA: true })])
}

/**
 * softmax(scores) · v over the last axis: scores (…, T, S), v (…, S, d). The sum that a softmax's gradient takes off each row is here
 * that of dy · y, which has d columns in place of S (Dao et al. 2022).
 */
export function mixedBy(g: GraphBuilder, scores: Tensor, v: Tensor): Tensor {
  const shares = g.node({
    op: 'Softmax',
    inputs: [scores],
    shape: scores.shape,
    attributes: { axis: { int: -1 } },
  })
  const y = g.untaped(() => batchedProduct(g, shares, v))
  return g.differentiable([scores, v], y, dy => {
    const level = reduced(g, 'ReduceSum', binary(g, 'Mul', dy, y), [-1])
    const dshares = batchedProduct(g, dy, swapped(g, v))
    return [
      binary(g, 'Mul', shares, binary(g, 'Sub', dshares, level)),
      batchedProduct(g, swapped(g, shares), dy),
    ]
  })
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
    // Means along rows of what is multiplied by the gain, as products with it: nothing of the size of x is written for them.
    const shares = reshaped(g, binary(g, 'Mul', gain, g.scalar(1 / d)), [d, 1])
    const along = binary(g, 'Mul', u, product(g, dyu, shares))
    const level = product(g, dy, shares)
    const scaled = binary(g, 'Mul', dy, gain)
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
