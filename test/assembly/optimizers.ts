// The update of SPEC.md in exact arithmetic: schedule, clipping, AdamW, SGD, Muon.

import { cosPi, exact, flush, type Numbers } from './arithmetic.ts'
import { expandedOf, hiddenOf, offsets, type Shape } from './layout.ts'
import { num, product, transposed, view } from './parts.ts'
import type { TrainingRecipe } from './training.ts'

const r = Math.fround

export interface OptimizerState {
  readonly parameters: Float32Array
  readonly mean: Float32Array
  readonly square: Float32Array
  readonly powers: { beta1: number; beta2: number }
}

type ScheduleRecipe = Pick<TrainingRecipe, 'lr' | 'warmup' | 'final' | 'schedule' | 'decay'>

export function learningRate(recipe: ScheduleRecipe, update: number, planned: number): number {
  const { lr, warmup, final } = recipe
  if (update < warmup) return (lr * (update + 1)) / (warmup + 1)
  const done = planned > warmup ? (update - warmup) / (planned - warmup) : 0
  return lr * (final + (1 - final) * left(recipe, done))
}

function left({ schedule, decay }: ScheduleRecipe, done: number): number {
  if (schedule === 'cosine') return 0.5 * (1 + cosPi(done))
  if (schedule === 'linear') return 1 - done
  if (schedule === 'constant') return 1
  return done < 1 - decay ? 1 : (1 - done) / decay
}

/** Applies the gradients of one update. */
export function applyUpdate(
  state: OptimizerState,
  gradients: Numbers,
  { recipe, shape, lr }: { recipe: TrainingRecipe; shape: Shape; lr: number },
): void {
  const at = offsets(shape)
  const norm = Math.sqrt(squaredNorm(gradients))
  const scale = norm > recipe.clip ? r(recipe.clip / norm) : 1
  state.powers.beta1 *= 0.9
  state.powers.beta2 *= recipe.beta2
  const keep = r(1 - lr * recipe.weight_decay)
  const plain = recipe.optimizer === 'sgd' ? sgd : adamw
  const step = { recipe, lr, scale }
  plain(state, gradients, {
    ...step,
    from: 0,
    to: recipe.optimizer === 'muon' ? at.layers : at.matrices,
    keep,
  })
  plain(state, gradients, { ...step, from: at.matrices, to: at.parameters, keep: 1 })
  if (recipe.optimizer !== 'muon') return
  for (const block of blocks(shape)) muon(state, gradients, { ...step, block, keep })
}

/** What `descend` of the library is told. */
export type DescentRecipe = ScheduleRecipe &
  Pick<TrainingRecipe, 'optimizer' | 'beta2' | 'momentum' | 'weight_decay' | 'clip'>

/** One update of parameters that are all treated alike; the first `matrices` of them decay. */
export function descend(
  state: OptimizerState,
  gradients: Numbers,
  { recipe, lr, matrices }: { recipe: DescentRecipe; lr: number; matrices: number },
): void {
  const norm = Math.sqrt(squaredNorm(gradients))
  const scale = norm > recipe.clip ? r(recipe.clip / norm) : 1
  state.powers.beta1 *= 0.9
  state.powers.beta2 *= recipe.beta2
  const plain = recipe.optimizer === 'sgd' ? sgd : adamw
  const keep = r(1 - lr * recipe.weight_decay)
  plain(state, gradients, { recipe, lr, scale, keep, from: 0, to: matrices })
  plain(state, gradients, { recipe, lr, scale, keep: 1, from: matrices, to: gradients.length })
}

interface Step {
  readonly recipe: Pick<TrainingRecipe, 'beta2' | 'momentum'>
  readonly lr: number
  readonly scale: number
  readonly keep: number
}

function adamw(
  { parameters, mean, square, powers }: OptimizerState,
  gradients: Numbers,
  { recipe, lr, scale, keep, from, to }: Step & { readonly from: number; readonly to: number },
): void {
  const beta1 = r(0.9)
  const beta2 = r(recipe.beta2)
  const rate = r(lr / (1 - powers.beta1))
  const correction = r(1 / Math.sqrt(1 - powers.beta2))
  for (let i = from; i < to; i++) {
    const g = r(num(gradients, i) * scale)
    const m = flush(exact, r(r(num(mean, i) * beta1) + r(g * r(1 - beta1))))
    const v = flush(exact, r(r(num(square, i) * beta2) + r(r(g * g) * r(1 - beta2))))
    mean[i] = m
    square[i] = v
    const step = r(r(rate * m) / r(r(r(Math.sqrt(v)) * correction) + r(1e-8)))
    parameters[i] = r(r(num(parameters, i) * keep) - step)
  }
}

function sgd(
  { parameters, mean }: OptimizerState,
  gradients: Numbers,
  { recipe, lr, scale, keep, from, to }: Step & { readonly from: number; readonly to: number },
): void {
  for (let i = from; i < to; i++) {
    const m = flush(exact, r(r(num(mean, i) * r(recipe.momentum)) + r(num(gradients, i) * scale)))
    mean[i] = m
    parameters[i] = r(r(num(parameters, i) * keep) - r(r(lr) * m))
  }
}

interface Block {
  readonly offset: number
  readonly rows: number
  readonly columns: number
  readonly stride: number
}

/** The layers' matrices, q, k, v, gate and value apart. */
function blocks(shape: Shape): Block[] {
  const at = offsets(shape)
  const [D, G, E] = [shape.width, expandedOf(shape), hiddenOf(shape)]
  return Array.from({ length: shape.depth }, (_, l): Block[] => [
    ...[0, 1, 2].map(i => ({ offset: at.qkv(l) + i * D, rows: D, columns: D, stride: 3 * D })),
    { offset: at.projection(l), rows: D, columns: D, stride: D },
    ...(G === E ? [0] : [0, E]).map(i => ({ offset: at.expand(l) + i, rows: D, columns: E, stride: G })),
    { offset: at.contract(l), rows: E, columns: D, stride: D },
  ]).flat()
}

function muon(
  { parameters, mean }: OptimizerState,
  gradients: Numbers,
  { recipe, lr, scale, keep, block }: Step & { readonly block: Block },
): void {
  const { rows, columns } = block
  const place = (i: number): number => block.offset + Math.floor(i / columns) * block.stride + (i % columns)
  const momentum = r(recipe.momentum)
  const direction = Float32Array.from({ length: rows * columns }, (_, i) => {
    const g = r(r(num(gradients, place(i)) * scale) * r(1 - momentum))
    const m = flush(exact, r(r(num(mean, place(i)) * momentum) + g))
    mean[place(i)] = m
    return r(r(m * momentum) + g)
  })
  const factor = r(1 / (Math.sqrt(squaredNorm(direction)) + 1e-7))
  const unit = direction.map(d => {
    const x = r(d * factor)
    return Math.abs(x) >= r(1e-15) ? x : 0
  })
  const wide = rows <= columns
  const turned = (x: Float32Array, height: number, width: number): Float32Array =>
    x.map((_, i) => num(x, (i % height) * width + Math.floor(i / height)))
  const flat = orthogonal(wide ? unit : turned(unit, rows, columns), Math.min(rows, columns))
  const update = wide ? flat : turned(flat, columns, rows)
  const rate = r(lr * 0.2 * Math.sqrt(Math.max(rows, columns)))
  update.forEach((x, i) => {
    parameters[place(i)] = r(r(num(parameters, place(i)) * keep) - r(x * rate))
  })
}

/** Five Newton-Schulz steps on a matrix of `height` rows, no more than columns. */
export function orthogonal(x: Float32Array, height: number): Float32Array {
  const width = x.length / height
  for (let step = 0; step < 5; step++) {
    const s = new Float32Array(height * height)
    product(exact, view(s, height), view(x, width), transposed(view(x, width)), [height, height, width])
    const squares = new Float32Array(height * height)
    product(exact, view(squares, height), view(s, height), view(s, height), [height, height, height])
    const p = s.map((value, i) => r(r(value * r(-4.775)) + r(num(squares, i) * r(2.0315))))
    const y = x.map(value => r(value * r(3.4445)))
    product(exact, view(y, width), view(p, height), view(x, width), [height, width, height])
    x = y
  }
  return x
}

/** In f64: four running sums, index mod 4, joined as (s0 + s2) + (s1 + s3). */
function squaredNorm(numbers: Numbers): number {
  const s: [number, number, number, number] = [0, 0, 0, 0]
  numbers.forEach((g, i) => {
    s[(i % 4) as 0 | 1 | 2 | 3] += g * g
  })
  return s[0] + s[2] + (s[1] + s[3])
}
