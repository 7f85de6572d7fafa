// The training run of SPEC.md around the reference model, in exact arithmetic: initialisation, windows, AdamW, the metric.

import { below, cosPi, exact, fillNormal, flush, type Numbers, randomStream } from './arithmetic.ts'
import { num } from './parts.ts'
import { offsets, pass, type Shape } from './reference.ts'

export interface TrainingRecipe {
  readonly vocabulary: string
  readonly depth: number
  readonly width: number
  readonly heads: number
  readonly context: number
  readonly batch: number
  readonly lr: number
  readonly beta2: number
  readonly weight_decay: number
  readonly warmup: number
  readonly final: number
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
  const { depth, width, heads, context } = recipe
  const shape = { depth, width, heads, context, symbols: new Set(symbolOf.filter(s => s >= 0)).size }
  const at = offsets(shape)
  const parameters = initialise(shape, seed)
  const next = randomStream(seed, 1)
  const moments = { mean: new Float32Array(at.parameters), square: new Float32Array(at.parameters) }
  const losses: number[] = []
  let powers = { beta1: 1, beta2: 1 }
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
    powers = { beta1: powers.beta1 * 0.9, beta2: powers.beta2 * recipe.beta2 }
    const lr = learningRate(recipe, update, updates)
    adamw(
      { parameters, gradients: result.gradients, ...moments },
      { recipe, powers, lr, decaying: at.matrices },
    )
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
  const { depth, width: D, context, symbols } = shape
  const at = offsets(shape)
  const parameters = new Float32Array(at.parameters)
  const next = randomStream(seed, 0)
  const residual = 0.02 / Math.sqrt(2 * depth)
  fillNormal(next, parameters.subarray(0, (symbols + context) * D), 0.02)
  for (let l = 0; l < depth; l++) {
    fillNormal(next, parameters.subarray(at.qkv(l), at.projection(l)), 0.02)
    fillNormal(next, parameters.subarray(at.projection(l), at.expand(l)), residual)
    fillNormal(next, parameters.subarray(at.expand(l), at.contract(l)), 0.02)
    fillNormal(next, parameters.subarray(at.contract(l), at.contract(l) + 4 * D * D), residual)
  }
  for (let i = 0; i <= 2 * depth; i++) parameters.fill(1, at.norm(0, i), at.norm(0, i) + D)
  return parameters
}

/** The learning rate of an update, in f64. */
export function learningRate(
  { lr, warmup, final }: Pick<TrainingRecipe, 'lr' | 'warmup' | 'final'>,
  update: number,
  planned: number,
): number {
  if (update < warmup) return (lr * (update + 1)) / (warmup + 1)
  const done = planned > warmup ? (update - warmup) / (planned - warmup) : 0
  return lr * (final + (1 - final) * 0.5 * (1 + cosPi(done)))
}

interface AdamState {
  readonly parameters: Float32Array
  readonly gradients: Numbers
  readonly mean: Float32Array
  readonly square: Float32Array
}

interface AdamStep {
  readonly recipe: Pick<TrainingRecipe, 'clip' | 'beta2' | 'weight_decay'>
  readonly powers: { readonly beta1: number; readonly beta2: number }
  readonly lr: number
  readonly decaying: number
}

/** One update: clipping, moments, decay of the first `decaying` parameters. */
export function adamw(
  { parameters, gradients, mean, square }: AdamState,
  { recipe, powers, lr, decaying }: AdamStep,
): void {
  const norm = gradientNorm(gradients)
  const scale = norm > recipe.clip ? r(recipe.clip / norm) : 1
  const beta1 = r(0.9)
  const beta2 = r(recipe.beta2)
  const rate = r(lr / (1 - powers.beta1))
  const correction = r(1 / Math.sqrt(1 - powers.beta2))
  for (let i = 0; i < parameters.length; i++) {
    const g = r(num(gradients, i) * scale)
    const m = flush(exact, r(r(num(mean, i) * beta1) + r(g * r(1 - beta1))))
    const v = flush(exact, r(r(num(square, i) * beta2) + r(r(g * g) * r(1 - beta2))))
    mean[i] = m
    square[i] = v
    const keep = i < decaying ? r(1 - lr * recipe.weight_decay) : 1
    const step = r(r(rate * m) / r(r(r(Math.sqrt(v)) * correction) + r(1e-8)))
    parameters[i] = r(r(num(parameters, i) * keep) - step)
  }
}

/** In f64: four running sums, index mod 4, joined as (s0 + s2) + (s1 + s3). */
function gradientNorm(gradients: Numbers): number {
  const s: [number, number, number, number] = [0, 0, 0, 0]
  gradients.forEach((g, i) => {
    s[(i % 4) as 0 | 1 | 2 | 3] += g * g
  })
  return Math.sqrt(s[0] + s[2] + (s[1] + s[3]))
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
