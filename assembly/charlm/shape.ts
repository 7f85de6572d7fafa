// The model's shapes and where everything lies. One table in static memory, filled once in `xee_init`.
//
// Letters: L layers, D width, H heads, T context, V symbols, B sequences of a batch, S sequences computed at once,
// R = S T rows. Parameters, their gradients and their moments share one order, so an offset is valid in all four.

import { roundUp8 } from '../lib/attention'
import { recipe } from './recipe'

// Rows computed at once: activations stay near the cache, and no stage of any recipe exceeds 2 GFLOP.
const ROWS_AT_ONCE: u32 = 256

@unmanaged
class Shape {
  depth: u32
  width: u32
  heads: u32
  headSize: u32
  context: u32
  symbols: u32
  batch: u32
  sequences: u32 // S
  rows: u32 // R
  scoreStride: u32 // floats from row to row of a probability matrix
  logitStride: u32
  matrices: u32 // parameters that decay; the rest are gains and biases
  parameters: u32
}

export const shape = changetype<Shape>(memory.data(offsetof<Shape>(), 16))

/** Derives every shape from the recipe and the number of symbols. */
export function setShape(symbols: u32): void {
  const D = recipe.width
  shape.depth = recipe.depth
  shape.width = D
  shape.heads = recipe.heads
  shape.headSize = D / recipe.heads
  shape.context = recipe.context
  shape.symbols = symbols
  shape.batch = recipe.batch
  shape.sequences = min(recipe.batch, max<u32>(1, ROWS_AT_ONCE / recipe.context))
  shape.rows = shape.sequences * recipe.context
  shape.scoreStride = roundUp8(recipe.context)
  shape.logitStride = roundUp8(symbols)
  shape.matrices = (symbols + recipe.context) * D + 12 * D * D * recipe.depth
  shape.parameters = shape.matrices + 2 * D * (2 * recipe.depth + 1)
}

// Offsets of parameters, in bytes: token embedding (V, D), position embedding (T, D), then for each layer qkv (D, 3D),
// projection (D, D), expand (D, 4D), contract (4D, D); then for each layer gain and bias of both norms; then the last norm's.

/** (T, D); the token embedding, which is the head as well, is at 0. */
export function positionOffset(): usize {
  return usize(shape.symbols * shape.width) << 2
}

/** (D, 3D): columns are q, k, v, each head by head. */
export function qkvOffset(layer: u32): usize {
  const D = shape.width
  return usize((shape.symbols + shape.context) * D + 12 * D * D * layer) << 2
}

/** (D, D) */
export function projectionOffset(layer: u32): usize {
  return qkvOffset(layer) + (usize(3 * shape.width * shape.width) << 2)
}

/** (D, 4D) */
export function expandOffset(layer: u32): usize {
  return qkvOffset(layer) + (usize(4 * shape.width * shape.width) << 2)
}

/** (4D, D) */
export function contractOffset(layer: u32): usize {
  return qkvOffset(layer) + (usize(8 * shape.width * shape.width) << 2)
}

/** Gain of norm `which` (0 before attention, 1 before the MLP), its bias behind it; layer L norm 0 is the last one. */
export function normOffset(layer: u32, which: u32): usize {
  return usize(shape.matrices + 2 * shape.width * (2 * layer + which)) << 2
}
