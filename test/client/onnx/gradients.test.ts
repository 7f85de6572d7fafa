// Every operator's gradient against central differences, both computed by ONNX Runtime.

import { describe, expect, test } from 'vitest'
import { type GraphBuilder, sizeOf, type Tensor } from '#client/onnx/graph.ts'
import { convolution3x3, maxPool2x2 } from '#client/onnx/images.ts'
import * as layers from '#client/onnx/layers.ts'
import * as op from '#client/onnx/operators.ts'
import { computing, DEVICES } from './session.ts'

/** Numbers in ±1 that are always the same, none near 0, where some operators have a corner. */
function numbers(count: number, seed: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    const u = (state >>> 8) / 2 ** 24
    return (u < 0.5 ? -1 : 1) * (0.15 + 0.85 * ((2 * u) % 1))
  })
}

type Shapes = Readonly<Record<string, readonly number[]>>
type Build = (g: GraphBuilder, x: Readonly<Record<string, Tensor>>) => Tensor

const a = [3, 4]
const b = [4, 5]
const at = (x: Readonly<Record<string, Tensor>>, name: string): Tensor => {
  const tensor = x[name]
  if (tensor === undefined) throw new Error(name)
  return tensor
}
const ids = (g: GraphBuilder, values: number[]): Tensor => g.constant('int32', [values.length], values)
const parts = (g: GraphBuilder, x: Tensor): readonly Tensor[] => op.split(g, x, 1, [1, 3])

const CASES: readonly (readonly [string, Shapes, Build])[] = [
  ['add', { x: a, y: a }, (g, v) => op.add(g, at(v, 'x'), at(v, 'y'))],
  ['add, broadcast', { x: a, y: [4] }, (g, v) => op.add(g, at(v, 'x'), at(v, 'y'))],
  ['subtract, broadcast', { x: [3, 1], y: a }, (g, v) => op.subtract(g, at(v, 'x'), at(v, 'y'))],
  ['multiply', { x: a, y: a }, (g, v) => op.multiply(g, at(v, 'x'), at(v, 'y'))],
  ['multiply, broadcast', { x: a, y: [1, 4] }, (g, v) => op.multiply(g, at(v, 'x'), at(v, 'y'))],
  ['a square', { x: a }, (g, v) => op.multiply(g, at(v, 'x'), at(v, 'x'))],
  ['divide', { x: a, y: a }, (g, v) => op.divide(g, at(v, 'x'), at(v, 'y'))],
  ['scale', { x: a }, (g, v) => op.scale(g, at(v, 'x'), -0.7)],
  ['reciprocalRoot', { x: a }, (g, v) => op.reciprocalRoot(g, op.multiply(g, at(v, 'x'), at(v, 'x')), 0.1)],
  ['tanh', { x: a }, (g, v) => op.tanh(g, at(v, 'x'))],
  ['relu', { x: a }, (g, v) => op.relu(g, at(v, 'x'))],
  ['reluSquared', { x: a }, (g, v) => layers.reluSquared(g, at(v, 'x'))],
  ['silu', { x: a }, (g, v) => layers.silu(g, at(v, 'x'))],
  ['gelu', { x: a }, (g, v) => layers.gelu(g, at(v, 'x'))],
  ['product', { x: a, y: b }, (g, v) => op.product(g, at(v, 'x'), at(v, 'y'))],
  ...[{ transposeA: true }, { transposeB: true }, { transposeA: true, transposeB: true }].map(
    sides =>
      [
        `product, ${Object.keys(sides)}`,
        { x: sides.transposeA ? a.toReversed() : a, y: sides.transposeB ? b.toReversed() : b },
        (g, v) => op.product(g, at(v, 'x'), at(v, 'y'), sides),
      ] as readonly [string, Shapes, Build],
  ),
  ['batchedProduct', { x: [2, 3, 4], y: [2, 4, 2] }, (g, v) => op.batchedProduct(g, at(v, 'x'), at(v, 'y'))],
  ['transpose', { x: [2, 3, 4] }, (g, v) => op.transpose(g, at(v, 'x'), [2, 0, 1])],
  ['reshape', { x: a }, (g, v) => op.reshape(g, at(v, 'x'), [2, 6])],
  ['one part of a split', { x: a }, (g, v) => parts(g, at(v, 'x'))[1] as Tensor],
  ['both parts of a split', { x: a }, (g, v) => op.concat(g, parts(g, at(v, 'x')).toReversed(), 1)],
  ['rowsOf', { x: a }, (g, v) => layers.rowsOf(g, at(v, 'x'), ids(g, [2, 0, 2, 2]))],
  [
    'product, plus',
    { x: a, y: b, z: [3, 5] },
    (g, v) => op.product(g, at(v, 'x'), at(v, 'y'), { plus: at(v, 'z') }),
  ],
  ['mixedBy', { x: [2, 3, 4], y: [2, 4, 5] }, (g, v) => layers.mixedBy(g, at(v, 'x'), at(v, 'y'))],
  ['sumOver', { x: a }, (g, v) => op.sumOver(g, at(v, 'x'), [1])],
  ['meanOver', { x: a }, (g, v) => op.meanOver(g, at(v, 'x'), [0])],
  ['layerNorm', { x: a, y: [4], z: [4] }, (g, v) => layers.layerNorm(g, at(v, 'x'), at(v, 'y'), at(v, 'z'))],
  ['rootMeanSquareNorm', { x: a }, (g, v) => layers.rootMeanSquareNorm(g, at(v, 'x'))],
  ['crossEntropy', { x: a }, (g, v) => layers.crossEntropy(g, at(v, 'x'), ids(g, [1, 3, 0]))],
  [
    'convolution3x3',
    { x: [2, 2, 4, 3], y: [3, 2, 3, 3] },
    (g, v) => convolution3x3(g, at(v, 'x'), at(v, 'y')),
  ],
  ['maxPool2x2', { x: [1, 2, 4, 5] }, (g, v) => maxPool2x2(g, at(v, 'x'))],
]

const STEP = 0.01
const TOLERANCE = 5e-3

describe.each(DEVICES)('on $device the gradient of', ({ isMissing, runtime }) => {
  test.skipIf(isMissing).each(CASES)('%s', async (_, shapes, build) => {
    const names = Object.keys(shapes)
    const compute = await computing(
      shapes,
      (g, inputs) => {
        const y = build(g, inputs)
        // Any weighting will do that tells elements apart; a mean would hide most mistakes.
        const weights = g.constant('float32', y.shape, numbers(sizeOf(y.shape), 99))
        const axes = y.shape.map((_axis, i) => i)
        const weighted = op.multiply(g, y, weights)
        const loss = axes.length === 0 ? weighted : op.reshape(g, op.sumOver(g, weighted, axes), [])
        return [
          loss,
          ...g.gradients(
            loss,
            names.map(name => at(inputs, name)),
          ),
        ]
      },
      runtime(),
    )
    const values = Object.fromEntries(
      names.map((name, i) => [name, numbers(sizeOf(shapes[name] ?? []), i + 1)]),
    )
    const [, ...gradients] = await compute(values)
    for (const [i, name] of names.entries()) {
      const x = values[name] ?? []
      expect(gradients[i]).toHaveLength(x.length)
      for (let j = 0; j < x.length; j++) {
        const lossAt = async (step: number): Promise<number> =>
          (await compute({ ...values, [name]: x.with(j, (x[j] ?? 0) + step) }))[0]?.[0] ?? Number.NaN
        const slope = ((await lossAt(STEP)) - (await lossAt(-STEP))) / (2 * STEP)
        expect(Math.abs((gradients[i]?.[j] ?? Number.NaN) - slope), `${name}[${j}]`).toBeLessThan(
          TOLERANCE * (1 + Math.abs(slope)),
        )
      }
    }
  })

  test.skipIf(isMissing)('what a loss does not depend on is refused', async () => {
    const build = computing({ x: a, y: a }, (g, v) =>
      g.gradients(op.sumOver(g, at(v, 'x'), [0, 1]), [at(v, 'y')]),
    )
    await expect(build).rejects.toThrow('does not depend on y')
  })
})

describe('shapes that do not fit are refused when the graph is built', () => {
  const wrong: readonly (readonly [string, Shapes, Build])[] = [
    ['a product', { x: a, y: a }, (g, v) => op.product(g, at(v, 'x'), at(v, 'y'))],
    ['a sum', { x: a, y: [3] }, (g, v) => op.add(g, at(v, 'x'), at(v, 'y'))],
    ['a reshape', { x: a }, (g, v) => op.reshape(g, at(v, 'x'), [5])],
    ['a split', { x: a }, (g, v) => op.split(g, at(v, 'x'), 1, [1, 1])[0] as Tensor],
    ['filters', { x: [1, 2, 4, 4], y: [1, 1, 3, 3] }, (g, v) => convolution3x3(g, at(v, 'x'), at(v, 'y'))],
  ]
  test.each(wrong)('%s', async (_, shapes, build) => {
    await expect(computing(shapes, (g, inputs) => [build(g, inputs)])).rejects.toThrow(RangeError)
  })
})
