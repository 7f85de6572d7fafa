// Where the buffers of a run lie: one reservation, made in `xee_init`, of a size that follows from the shapes.

import { beginCount, beginPlacing, floats, isReal, position, take } from '../lib/arena'
import { setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { countersBytes, setCounters } from '../lib/state'
import { PREFACE_BYTES } from './artifact'
import { BATCH_MAX } from './recipe'
import { shape } from './shape'

/** Buffers of one layer's activations that the backward pass reads again. */
@unmanaged
export class Layer {
  input: usize // (R, D) the residual stream before the layer
  norm1: usize // (R, D)
  stats1: usize // (R, 2) mean and 1 / deviation
  qkv: usize // (R, 3D)
  probabilities: usize // (S, H, T, scoreStride)
  mixed: usize // (R, D) heads side by side
  middle: usize // (R, D) the residual stream between attention and MLP
  norm2: usize // (R, D)
  stats2: usize // (R, 2)
  slope: usize // (R, 4D) before GELU; afterwards GELU's derivative
  hidden: usize // (R, 4D)
}

@unmanaged
class Arena {
  state: usize // counters, then the artifact: header and parameters, then both moments
  stateBytes: usize
  artifact: usize
  parameters: usize
  mean: usize // AdamW's first moment
  square: usize // the second
  gradients: usize
  embeddingGradients: usize // (V, D) from the token lookup alone: added to the head's share at the update
  layers: usize // L records of type Layer, and one whose input is the last layer's output
  lastNorm: usize // (R, D)
  lastStats: usize // (R, 2)
  logits: usize // (R, logitStride); afterwards their gradient
  dx: usize // (R, D) gradient of the residual stream
  wide: usize // (R, 4D) working memory
  narrow: usize // (R, D) working memory
  scores: usize // (T, scoreStride) working memory
  inputs: usize // (R) symbols, u32
  targets: usize // (R) symbols, u32
}

export const arena = changetype<Arena>(memory.data(offsetof<Arena>(), 16))

/** Lays out everything; false if it would take more than `pagesMax` pages. Training needs moments and gradients as well. */
export function arrange(train: bool, pagesMax: u32): bool {
  beginCount()
  place(train)
  if (!beginPlacing(pagesMax)) return false
  place(train)
  setCounters(arena.state)
  return true
}

export function layer(index: u32): Layer {
  return changetype<Layer>(arena.layers + usize(index) * offsetof<Layer>())
}

function place(train: bool): void {
  const real = isReal()
  const weights = usize(shape.parameters) << 2
  const D = shape.width
  const R = shape.rows
  arena.state = take(countersBytes(BATCH_MAX))
  arena.artifact = take(PREFACE_BYTES)
  arena.parameters = take(weights)
  arena.mean = take(train ? weights : 0)
  arena.square = take(train ? weights : 0)
  arena.stateBytes = position() - arena.state
  arena.gradients = take(train ? weights : 0)
  arena.embeddingGradients = floats(train ? shape.symbols * D : 0)
  arena.layers = take(offsetof<Layer>() * usize(shape.depth + 1))
  for (let l: u32 = 0; l <= shape.depth; l++) placeLayer(l, real)
  arena.lastNorm = floats(R * D)
  arena.lastStats = floats(R * 2)
  arena.logits = floats(R * shape.logitStride)
  arena.dx = floats(train ? R * D : 0)
  arena.wide = floats(train ? R * 4 * D : 0)
  arena.narrow = floats(train ? R * D : 0)
  arena.scores = floats(train ? shape.context * shape.scoreStride : 0)
  arena.inputs = floats(R)
  arena.targets = floats(R)
  const workspace = take(WORKSPACE_BYTES)
  if (real) setWorkspace(workspace)
}

function placeLayer(index: u32, real: bool): void {
  const D = shape.width
  const R = shape.rows
  const input = floats(R * D)
  if (real) layer(index).input = input
  if (index == shape.depth) return
  const norm1 = floats(R * D)
  const stats1 = floats(R * 2)
  const qkv = floats(R * 3 * D)
  const probabilities = floats(R * shape.heads * shape.scoreStride)
  const mixed = floats(R * D)
  const middle = floats(R * D)
  const norm2 = floats(R * D)
  const stats2 = floats(R * 2)
  const slope = floats(R * 4 * D)
  const hidden = floats(R * 4 * D)
  if (!real) return
  const at = layer(index)
  at.norm1 = norm1
  at.stats1 = stats1
  at.qkv = qkv
  at.probabilities = probabilities
  at.mixed = mixed
  at.middle = middle
  at.norm2 = norm2
  at.stats2 = stats2
  at.slope = slope
  at.hidden = hidden
}
