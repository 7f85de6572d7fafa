// Closed-form operation counts: 2 m n k for a product, attention over the causal triangle, and published weights for the rest.
// They size slices, drive the progress figure, and go into the report; no schedule depends on them.

import { PARTS } from './backward'
import { shape } from './shape'

// Operations per item, as counted in the sources: per float of a norm, of GELU, of a softmax, of AdamW with its norm.
const NORM: u64 = 8
const NORM_BACK: u64 = 16
const GELU: u64 = 35
const SOFTMAX: u64 = 25
const UPDATE: u64 = 16

/** Operations of a forward stage over `rows` rows (forward.ts numbers them). */
export function forwardFlops(stage: u32, rows: u32): u64 {
  const D = u64(shape.width)
  const V = u64(shape.symbols)
  const R = u64(rows)
  if (stage == 0) return R * D
  if (stage == 2 * shape.depth + 1) return R * (NORM * D + 2 * V * D + SOFTMAX * V)
  if ((stage & 1) == 0) return R * (NORM * D + 16 * D * D + GELU * 4 * D)
  return R * (NORM * D + 8 * D * D) + attentionFlops(rows)
}

/** Operations of a backward stage over `rows` rows (backward.ts numbers them). */
export function backwardFlops(stage: u32, rows: u32): u64 {
  const D = u64(shape.width)
  const V = u64(shape.symbols)
  const R = u64(rows)
  if (stage == 0) return R * (4 * V * D + NORM_BACK * D)
  if (stage == PARTS * shape.depth + 1) return R * 2 * D
  const part = (stage - 1) % PARTS
  if (part == 0) return R * (16 * D * D + 4 * D)
  if (part == 1) return R * (16 * D * D + NORM_BACK * D)
  return R * (16 * D * D + NORM_BACK * D) + 2 * attentionFlops(rows)
}

/** Operations of AdamW, its gradient norm included. */
export function updateFlops(): u64 {
  return UPDATE * u64(shape.parameters)
}

// Two products over the triangle of each head, T (T + 1) / 2 pairs, and its softmax.
function attentionFlops(rows: u32): u64 {
  const pairs = (u64(shape.context) * u64(shape.context + 1)) >> 1
  const sequences = u64(rows / shape.context)
  return sequences * pairs * (4 * u64(shape.width) + SOFTMAX * u64(shape.heads))
}
