// The model's shapes and where everything lies. One table in static memory, filled once in `xee_init`.
//
// Letters: L layers, D width, H heads, T context, V symbols, E hidden units of the MLP, G columns of its first matrix (E, or 2E
// with a gate), B sequences of a batch, S sequences computed at once, R = S T rows. Parameters, their gradients and
// their moments share one order, so an offset is valid in all four.

import { roundUp8 } from '../lib/attention'
import { recipe, SWIGLU } from './recipe'

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
  hidden: u32 // E
  expanded: u32 // G
  batch: u32
  sequences: u32 // S
  rows: u32 // R
  scoreStride: u32 // floats from row to row of a probability matrix
  logitStride: u32
  tables: u32 // floats of the embeddings and an untied head, in front of the layers
  layer: u32 // floats of a layer's matrices
  normFloats: u32 // gain and bias, or gain
  matrices: u32 // parameters that decay; the rest are gains and biases
  parameters: u32
}

export const shape = changetype<Shape>(memory.data(offsetof<Shape>(), 16))

/** Derives every shape from the recipe and the number of symbols. */
export function setShape(symbols: u32): void {
  const D = recipe.width
  const L = recipe.depth
  shape.depth = L
  shape.width = D
  shape.heads = recipe.heads
  shape.headSize = D / recipe.heads
  shape.context = recipe.context
  shape.symbols = symbols
  shape.hidden = recipe.mlpRatio * D
  shape.expanded = recipe.activation == SWIGLU ? 2 * shape.hidden : shape.hidden
  shape.batch = recipe.batch
  shape.sequences = min(recipe.batch, max<u32>(1, ROWS_AT_ONCE / recipe.context))
  shape.rows = shape.sequences * recipe.context
  shape.scoreStride = roundUp8(recipe.context)
  shape.logitStride = roundUp8(symbols)
  const embeddings = 1 + u32(recipe.untied) + (recipe.valueEmbeddings ? L : 0)
  shape.tables = (embeddings * symbols + (recipe.rope ? 0 : recipe.context)) * D
  shape.layer = (4 * D + shape.expanded + shape.hidden) * D
  shape.normFloats = recipe.rms ? D : 2 * D
  shape.matrices = shape.tables + shape.layer * L
  shape.parameters = shape.matrices + shape.normFloats * (2 * L + 1)
}

// Offsets of parameters, in bytes: token embedding (V, D); position embedding (T, D) if learned; head (V, D) if untied; value
// embeddings (V, D) of each layer, if any; then for each layer qkv (D, 3D), projection (D, D), expand (D, G), contract
// (E, D); then for each layer the gain, and the bias if there is one, of both norms; then the last norm's.

/** (T, D), if learned; the token embedding is at 0. */
export function positionOffset(): usize {
  return tableOffset(1)
}

/** (V, D): the token embedding, if tied. */
export function headOffset(): usize {
  if (!recipe.untied) return 0
  return tableOffset(1) + (recipe.rope ? 0 : usize(shape.context * shape.width) << 2)
}

/** (V, D), if there are value embeddings: the last of the tables. */
export function valueOffset(layer: u32): usize {
  return qkvOffset(0) - tableOffset(shape.depth - layer)
}

/** (D, 3D): columns are q, k, v, each head by head. */
export function qkvOffset(layer: u32): usize {
  return usize(shape.tables + shape.layer * layer) << 2
}

/** (D, D) */
export function projectionOffset(layer: u32): usize {
  return qkvOffset(layer) + (usize(3 * shape.width * shape.width) << 2)
}

/** (D, G): with a gate the gate's columns come first. */
export function expandOffset(layer: u32): usize {
  return qkvOffset(layer) + (usize(4 * shape.width * shape.width) << 2)
}

/** (E, D) */
export function contractOffset(layer: u32): usize {
  return expandOffset(layer) + (usize(shape.width * shape.expanded) << 2)
}

/** Gain of norm `which` (0 before attention, 1 before the MLP), its bias behind it; layer L norm 0 is the last one. */
export function normOffset(layer: u32, which: u32): usize {
  return usize(shape.matrices + shape.normFloats * (2 * layer + which)) << 2
}

// Where table number `index` of (V, D) would begin if only such tables were there.
@inline function tableOffset(index: u32): usize {
  return usize(index * shape.symbols * shape.width) << 2
}
