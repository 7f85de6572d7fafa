// The training run of SPEC.md around the reference model, in exact arithmetic: initialisation, windows, updates, the metric.

import { below, exact, fillNormal, type Numbers, randomStream } from './arithmetic.ts'
import { offsets, type Shape } from './layout.ts'
import { applyUpdate, learningRate } from './optimizers.ts'
import { pass } from './reference.ts'

export interface TrainingRecipe {
  readonly vocabulary: string
  readonly depth: number
  readonly width: number
  readonly heads: number
  readonly context: number
  readonly batch: number
  readonly mlp_ratio: number
  readonly activation: string
  readonly norm: string
  readonly position: string
  readonly windows: string
  readonly qk_norm: string
  readonly softcap: number
  readonly head: string
  readonly value_embeddings: string
  readonly optimizer: string
  readonly lr: number
  readonly beta2: number
  readonly momentum: number
  readonly weight_decay: number
  readonly warmup: number
  readonly schedule: string
  readonly final: number
  readonly decay: number
  readonly clip: number
}

export interface Trained {
  readonly shape: Shape
  readonly parameters: Float32Array
  readonly losses: readonly number[] // bits per byte of each batch
  readonly valBpb: number
}

const r = Math.fround
const BITS_PER_NAT = Math.LOG2E

/** Trains for `updates` updates and evaluates. Slow: tiny shapes only. */
export function trainReference(
  recipe: TrainingRecipe,
  { train, val }: { train: Uint8Array; val: Uint8Array },
  { seed, updates }: { seed: number; updates: number },
): Trained {
  const symbolOf = vocabularyOf(recipe.vocabulary, train)
  const { context } = recipe
  const shape = { ...recipe, symbols: new Set(symbolOf.filter(s => s >= 0)).size }
  const at = offsets(shape)
  const parameters = initialise(shape, seed)
  const next = randomStream(seed, 1)
  const moments = { mean: new Float32Array(at.parameters), square: new Float32Array(at.parameters) }
  const state = { parameters, ...moments, powers: { beta1: 1, beta2: 1 } }
  const losses: number[] = []
  for (let update = 0; update < updates; update++) {
    const starts = Array.from({ length: recipe.batch }, () => below(next, train.length - context))
    const inputs = starts.flatMap(start =>
      Array.from({ length: context }, (_, t) => symbolOf[train[start + t]!]!),
    )
    const targets = starts.flatMap(start =>
      Array.from({ length: context }, (_, t) => symbolOf[train[start + t + 1]!]!),
    )
    const weight = r(1 / (recipe.batch * context))
    const result = pass(exact, shape, parameters, { inputs, targets }, weight)
    losses.push((sum(result.losses) / inputs.length) * BITS_PER_NAT)
    applyUpdate(state, result.gradients, { recipe, shape, lr: learningRate(recipe, update, updates) })
  }
  return { shape, parameters, losses, valBpb: evaluate(shape, parameters, symbolOf, val) }
}

const sum = (list: readonly number[]): number => list.reduce((total, x) => total + x, 0)

/** The symbol of each byte, -1 for none. */
function vocabularyOf(vocabulary: string, train: Uint8Array): number[] {
  if (vocabulary === 'bytes') return Array.from({ length: 256 }, (_, b) => b)
  const known = [...new Set(train)].sort((a, b) => a - b)
  return Array.from({ length: 256 }, (_, b) => known.indexOf(b))
}

/** Weights in the order of the artifact; every tensor draws from one stream, an odd count losing half a pair. */
export function initialise(shape: Shape, seed: number): Float32Array {
  const { depth, width: D } = shape
  const at = offsets(shape)
  const parameters = new Float32Array(at.parameters)
  const next = randomStream(seed, 0)
  const residual = 0.02 / Math.sqrt(2 * depth)
  fillNormal(next, parameters.subarray(0, at.layers), 0.02)
  for (let l = 0; l < depth; l++) {
    fillNormal(next, parameters.subarray(at.qkv(l), at.projection(l)), 0.02)
    fillNormal(next, parameters.subarray(at.projection(l), at.expand(l)), residual)
    fillNormal(next, parameters.subarray(at.expand(l), at.contract(l)), 0.02)
    fillNormal(next, parameters.subarray(at.contract(l), at.qkv(l + 1)), residual)
  }
  for (let i = 0; i <= 2 * depth; i++) parameters.fill(1, at.norm(0, i), at.norm(0, i) + D)
  return parameters
}

/** Bits per byte: 8 for the first byte, then windows that do not overlap; an unknown byte pays 24 bits, a known one the surcharge. */
function evaluate(shape: Shape, parameters: Numbers, symbolOf: readonly number[], val: Uint8Array): number {
  const symbols = [...val].map(b => symbolOf[b]!)
  let nats = 0
  let unknown = 0
  for (let start = 0; start < val.length - 1; start += shape.context) {
    const window = Array.from({ length: shape.context }, (_, t) => start + t)
    const inputs = window.map(i => Math.max(0, i < val.length - 1 ? symbols[i]! : 0))
    const targets = window.map(i => symbols[i + 1] ?? -1)
    unknown += window.filter(i => symbols[i + 1] === -1).length
    nats = pass(exact, shape, parameters, { inputs, targets }, 0).losses.reduce((total, x) => total + x, nats)
  }
  const known = val.length - 1 - unknown
  const surcharge = shape.symbols < 256 ? 2.2013947263955502e-5 : 0
  return (nats * BITS_PER_NAT + known * surcharge + unknown * 24 + 8) / val.length
}
