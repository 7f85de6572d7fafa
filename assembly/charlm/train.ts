// Fresh weights, and which windows of the text an update sees.

import { job } from '../lib/job'
import { fillNormal, stream } from '../lib/rng'
import { slotBytes, slotStart } from '../lib/slots'
import { drawBatch, drawn } from '../lib/state'
import { arena } from './arena'
import { contractOffset, expandOffset, normOffset, projectionOffset, qkvOffset, shape } from './shape'
import { TRAIN_SLOT } from './slots'
import { symbolAt } from './vocabulary'

/** Fresh weights: N(0, 0.02), products that end in the residual stream N(0, 0.02 / sqrt(2L)), gains 1, biases 0. */
export function initialise(): void {
  const D = shape.width
  const random = memory.data(8, 16)
  store<u64>(random, stream(job.seed, 0))
  const deviation: f32 = 0.02
  const residual: f32 = f32(0.02 / sqrt<f64>(f64(2 * shape.depth)))
  fillNormal(random, arena.parameters, shape.tables, deviation)
  for (let l: u32 = 0; l < shape.depth; l++) {
    fillNormal(random, arena.parameters + qkvOffset(l), 3 * D * D, deviation)
    fillNormal(random, arena.parameters + projectionOffset(l), D * D, residual)
    fillNormal(random, arena.parameters + expandOffset(l), D * shape.expanded, deviation)
    fillNormal(random, arena.parameters + contractOffset(l), D * shape.hidden, residual)
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
