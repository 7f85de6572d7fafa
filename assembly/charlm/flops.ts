// Closed-form operation counts: 2 m n k for a product, attention over the band that is seen, and published weights for the rest.
// They size slices, drive the progress figure, and go into the report; no schedule depends on them.

import { PARTS } from './backward'
import { recipe, RELU2, SWIGLU, windowOf } from './recipe'
import { shape } from './shape'

// Operations per item, as counted in the sources.
const NORM: u64 = 8
const NORM_BACK: u64 = 16
const GELU: u64 = 35
const SILU: u64 = 30
const RELU: u64 = 3
const SOFTMAX: u64 = 25
const TANH: u64 = 24
const ROTATE: u64 = 3

/** Operations of a forward stage over `rows` rows (forward.ts numbers them). */
export function forwardFlops(stage: u32, rows: u32): u64 {
  const D = u64(shape.width)
  const V = u64(shape.symbols)
  const E = u64(shape.hidden)
  const R = u64(rows)
  if (stage == 0) return R * D
  if (stage == 2 * shape.depth + 1) return R * (NORM * D + 2 * V * D + (SOFTMAX + softcap()) * V)
  if ((stage & 1) == 0) return R * (NORM * D + 2 * D * (u64(shape.expanded) + E) + activation() * E)
  return R * (NORM * D + 8 * D * D + extras()) + attentionFlops((stage - 1) >> 1, rows)
}

/** Operations of a backward stage over `rows` rows (backward.ts numbers them). */
export function backwardFlops(stage: u32, rows: u32): u64 {
  const D = u64(shape.width)
  const V = u64(shape.symbols)
  const E = u64(shape.hidden)
  const G = u64(shape.expanded)
  const R = u64(rows)
  if (stage == 0) return R * (4 * V * D + NORM_BACK * D)
  if (stage == PARTS * shape.depth + 1) return R * 2 * D
  const part = (stage - 1) % PARTS
  if (part == 0) return R * (4 * D * E + G)
  if (part == 1) return R * (2 * D * G + NORM_BACK * D)
  if (part == 2) return R * 2 * D * G
  const layer = shape.depth - 1 - (stage - 1) / PARTS
  return R * (16 * D * D + NORM_BACK * D + 2 * extras()) + 2 * attentionFlops(layer, rows)
}

function activation(): u64 {
  if (recipe.activation == SWIGLU) return SILU
  return recipe.activation == RELU2 ? RELU : GELU
}

@inline function softcap(): u64 {
  return recipe.softcap > 0 ? TANH : 0
}

// Of one row: rotation and normalisation of q and k, value embeddings.
function extras(): u64 {
  const D = u64(shape.width)
  return (recipe.rope ? 2 * ROTATE * D : 0) + (recipe.qkNorm ? NORM * D : 0) + (recipe.valueEmbeddings ? D : 0)
}

// Two products over the pairs that the layer's window leaves of the causal triangle, and the softmax of each head over them.
function attentionFlops(layer: u32, rows: u32): u64 {
  const T = u64(shape.context)
  const W = u64(windowOf(layer))
  const pairs = ((W * (W + 1)) >> 1) + (T - W) * W
  const sequences = u64(rows / shape.context)
  return sequences * pairs * (4 * u64(shape.width) + SOFTMAX * u64(shape.heads))
}
