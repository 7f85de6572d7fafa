// One update: which windows, which learning rate, AdamW.

import { adamw, squaredNorm, Update } from '../lib/adamw'
import { job } from '../lib/job'
import { fillNormal, stream } from '../lib/rng'
import { learningRate } from '../lib/schedule'
import { slotBytes, slotStart } from '../lib/slots'
import { counters, drawBatch, drawn } from '../lib/state'
import { arena } from './arena'
import { recipe, schedule } from './recipe'
import { contractOffset, expandOffset, normOffset, projectionOffset, qkvOffset, shape } from './shape'
import { TRAIN_SLOT } from './slots'
import { symbolAt } from './vocabulary'

const BETA1: f64 = 0.9

/** Fresh weights: N(0, 0.02), products that end in the residual stream N(0, 0.02 / sqrt(2L)), gains 1, biases 0. */
export function initialise(): void {
  const D = shape.width
  const random = memory.data(8, 16)
  store<u64>(random, stream(job.seed, 0))
  const deviation: f32 = 0.02
  const residual: f32 = f32(0.02 / sqrt<f64>(f64(2 * shape.depth)))
  fillNormal(random, arena.parameters, (shape.symbols + shape.context) * D, deviation)
  for (let l: u32 = 0; l < shape.depth; l++) {
    fillNormal(random, arena.parameters + qkvOffset(l), 3 * D * D, deviation)
    fillNormal(random, arena.parameters + projectionOffset(l), D * D, residual)
    fillNormal(random, arena.parameters + expandOffset(l), 4 * D * D, deviation)
    fillNormal(random, arena.parameters + contractOffset(l), 4 * D * D, residual)
  }
  for (let i: u32 = 0; i <= 2 * shape.depth; i++) {
    const gain = arena.parameters + normOffset(0, i)
    for (let c: u32 = 0; c < D; c++) store<f32>(gain + (usize(c) << 2), 1)
  }
}

/** Draws the windows of the next batch and clears the gradients. */
export function beginUpdate(): void {
  drawBatch(shape.batch, slotBytes(TRAIN_SLOT) - shape.context)
  memory.fill(arena.gradients, 0, usize(shape.parameters) << 2)
  memory.fill(arena.embeddingGradients, 0, usize(shape.symbols * shape.width) << 2)
}

/** Rows of block `block` of a batch: the last one may have fewer sequences. */
export function batchRows(block: u32): u32 {
  return min(shape.sequences, shape.batch - block * shape.sequences) * shape.context
}

/** Writes inputs and targets of block `block` of the present batch: a byte predicts the one behind it. */
export function fillBatch(block: u32): void {
  const rows = batchRows(block)
  const text = slotStart(TRAIN_SLOT)
  for (let r: u32 = 0; r < rows; r++) {
    const window = block * shape.sequences + r / shape.context
    const at = text + usize(drawn(window) + (r % shape.context))
    store<u32>(arena.inputs + (usize(r) << 2), symbolAt(at))
    store<u32>(arena.targets + (usize(r) << 2), symbolAt(at + 1))
  }
}

const update = changetype<Update>(memory.data(offsetof<Update>(), 16))

/** Clips and applies the gradients; false, with nothing changed, if their norm is not finite. */
export function applyUpdate(): bool {
  const s = counters()
  addEmbeddingGradients()
  const norm = sqrt<f64>(squaredNorm(arena.gradients, shape.parameters))
  if (!(norm < Infinity)) return false
  s.beta1Power *= BETA1
  s.beta2Power *= recipe.beta2
  const lr = learningRate(schedule, s.updates, s.planned)
  update.gradientScale = norm > recipe.clip ? f32(recipe.clip / norm) : 1
  update.beta1 = f32(BETA1)
  update.beta2 = f32(recipe.beta2)
  update.rate = f32(lr / (1 - s.beta1Power))
  update.correction = f32(1 / sqrt<f64>(1 - s.beta2Power))
  const split = usize(shape.matrices) << 2
  const rest = shape.parameters - shape.matrices
  const keep = f32(1 - lr * recipe.weightDecay)
  const p = arena.parameters, g = arena.gradients, m = arena.mean, v = arena.square
  adamw(p, g, m, v, shape.matrices, keep, update)
  adamw(p + split, g + split, m + split, v + split, rest, 1, update)
  return true
}

function addEmbeddingGradients(): void {
  const bytes = usize(shape.symbols * shape.width) << 2
  for (let i: usize = 0; i < bytes; i += 16) {
    const sum = f32x4.add(v128.load(arena.gradients + i), v128.load(arena.embeddingGradients + i))
    v128.store(arena.gradients + i, sum)
  }
}
