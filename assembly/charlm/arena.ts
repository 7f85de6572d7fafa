// Where the buffers of a run lie: one reservation, made in `xee_init`, of a size that follows from the shapes.

import { beginCount, beginPlacing, floats, isReal, position, take } from '../lib/arena'
import { setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { Space } from '../lib/muon'
import { fillRotations } from '../lib/rope'
import { countersBytes, setCounters } from '../lib/state'
import { PREFACE_BYTES } from './artifact'
import { BATCH_MAX, MUON, recipe, SWIGLU } from './recipe'
import { shape } from './shape'

/** Buffers of one layer's activations that the backward pass reads again. */
@unmanaged
export class Layer {
  input: usize // (R, D) the residual stream before the layer
  norm1: usize // (R, D)
  stats1: usize // (R, 2) mean and 1 / deviation
  qkv: usize // (R, 3D)
  headStats: usize // (R, 2H) 1 / rms of each head's q, then of each head's k, with qk_norm
  probabilities: usize // (S, H, T, scoreStride)
  mixed: usize // (R, D) heads side by side
  middle: usize // (R, D) the residual stream between attention and MLP
  norm2: usize // (R, D)
  stats2: usize // (R, 2)
  slope: usize // (R, G) before the activation; afterwards its derivative
  hidden: usize // (R, E)
}

@unmanaged
class Arena {
  state: usize // counters, then the artifact: preface and parameters, then both moments
  stateBytes: usize
  artifact: usize
  parameters: usize
  mean: usize // the first moment, or momentum
  square: usize // AdamW's second moment
  gradients: usize
  embeddingGradients: usize // (V, D) from the token lookup alone: added to the head's share at the update
  layers: usize // L records of type Layer, and one whose input is the last layer's output
  lastNorm: usize // (R, D)
  lastStats: usize // (R, 2)
  logits: usize // (R, logitStride); afterwards their gradient
  caps: usize // (R, logitStride) the softcap's derivative, if there is one
  dx: usize // (R, D) gradient of the residual stream
  wide: usize // (R, max(3D, G)) working memory
  deep: usize // (R, E) working memory, with a gate
  narrow: usize // (R, D) working memory
  scores: usize // (T, scoreStride) working memory
  rotations: usize // (2, T, d/2) cosines and sines, with rope
  inputs: usize // (R) symbols, u32
  targets: usize // (R) symbols, u32
}

export const arena = changetype<Arena>(memory.data(offsetof<Arena>(), 16))
/** Muon's working memory. */
export const space = changetype<Space>(memory.data(offsetof<Space>(), 16))

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
  arena.caps = floats(recipe.softcap > 0 ? R * shape.logitStride : 0)
  arena.dx = floats(train ? R * D : 0)
  arena.wide = floats(train ? R * max(3 * D, shape.expanded) : 0)
  arena.deep = floats(train && recipe.activation == SWIGLU ? R * shape.hidden : 0)
  arena.narrow = floats(train ? R * D : 0)
  arena.scores = floats(train ? shape.context * shape.scoreStride : 0)
  arena.rotations = floats(recipe.rope ? shape.context * shape.headSize : 0)
  arena.inputs = floats(R)
  arena.targets = floats(R)
  placeMuon(train && recipe.optimizer == MUON, real)
  const workspace = take(WORKSPACE_BYTES)
  if (!real) return
  setWorkspace(workspace)
  if (recipe.rope) fillRotations(arena.rotations, shape.context, shape.headSize)
}

// Room for the largest matrix, (D, E) or (D, D), twice, and for (D, D) twice.
function placeMuon(used: bool, real: bool): void {
  const D = shape.width
  const x = floats(used ? D * shape.hidden : 0)
  const y = floats(used ? D * shape.hidden : 0)
  const s = floats(used ? D * D : 0)
  const p = floats(used ? D * D : 0)
  if (!real) return
  space.x = x
  space.y = y
  space.s = s
  space.p = p
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
  const headStats = floats(recipe.qkNorm ? R * 2 * shape.heads : 0)
  const probabilities = floats(R * shape.heads * shape.scoreStride)
  const mixed = floats(R * D)
  const middle = floats(R * D)
  const norm2 = floats(R * D)
  const stats2 = floats(R * 2)
  const slope = floats(R * shape.expanded)
  const hidden = floats(R * shape.hidden)
  if (!real) return
  const at = layer(index)
  at.norm1 = norm1
  at.stats1 = stats1
  at.qkv = qkv
  at.headStats = headStats
  at.probabilities = probabilities
  at.mixed = mixed
  at.middle = middle
  at.norm2 = norm2
  at.stats2 = stats2
  at.slope = slope
  at.hidden = hidden
}
