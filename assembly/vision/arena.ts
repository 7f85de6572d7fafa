// Where the buffers of a run lie: one reservation, made in `xee_init`, of a size that follows from the shapes.

import { beginCount, beginPlacing, floats, isReal, position, take } from '../lib/arena'
import { HEADER_BYTES } from '../lib/artifact'
import { setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { countersBytes, setCounters } from '../lib/state'
import { gridFloats, gridLead } from './grid'
import { BATCH_MAX, recipe } from './recipe'
import { channelsOf, heightOf, outsOf, shape, widthOf } from './shape'

/** Buffers of a convolution with its pooling. Grids are named by the address of their first pixel. */
@unmanaged
export class Convolution {
  input: usize // grid of what it reads
  out: usize // grid of its outputs
  dout: usize // grid of their gradient: zeros but at pixels
  which: usize // (S, h/2, w/2, outs) places of the greatest, i32
  slope: usize // (S, h/2, w/2, outs) pooled and biased; afterwards the activation's derivative
  value: usize // (S, h/2, w/2, outs) activated
}

/** Buffers of a dense layer. */
@unmanaged
export class Dense {
  slope: usize // (S, outs) before the activation; afterwards its derivative. Of the last layer: the logits, then their gradient
  value: usize // (S, outs) activated
}

@unmanaged
class Arena {
  state: usize // counters, then the artifact: header and parameters, then the moments
  stateBytes: usize
  artifact: usize
  parameters: usize
  mean: usize // the optimizer's first moment
  square: usize // the second
  gradients: usize
  convolutions: usize // records of type Convolution
  dense: usize // records of type Dense
  pixels: usize // (S, F) of models without convolutions
  firstWeights: usize // (12, channels) of the first convolution with zeros for the fourth tap of each run
  firstSlopes: usize // their gradient
  turned: usize // (9 outs, channels) weights of the second convolution, turned round
  dgrid: usize // grid of the gradient of the second convolution's input
  dvalue: usize // (S, the largest layer) gradient of a layer's input
  dvalue2: usize // the same: two take turns
  labels: usize // (S) u32
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

export function convolution(b: u32): Convolution {
  return changetype<Convolution>(arena.convolutions + usize(b) * offsetof<Convolution>())
}

export function dense(l: u32): Dense {
  return changetype<Dense>(arena.dense + usize(l) * offsetof<Dense>())
}

function place(train: bool): void {
  const weights = usize(shape.parameters) << 2
  arena.state = take(countersBytes(BATCH_MAX))
  arena.artifact = take(HEADER_BYTES)
  arena.parameters = take(weights)
  arena.mean = take(train ? weights : 0)
  arena.square = take(train ? weights : 0)
  arena.stateBytes = position() - arena.state
  arena.gradients = take(train ? weights : 0)
  arena.labels = floats(shape.images)
  placeDense(train)
  if (shape.convolutions > 0) placeConvolutions(train)
  else arena.pixels = floats(shape.images * shape.features)
  const workspace = take(WORKSPACE_BYTES)
  if (isReal()) setWorkspace(workspace)
}

function placeDense(train: bool): void {
  const S = shape.images
  arena.dense = take(usize(shape.dense) * offsetof<Dense>())
  for (let l: u32 = 0; l < shape.dense; l++) {
    const last = l == shape.dense - 1
    const slope = floats(S * (last ? shape.classStride : outsOf(l)))
    const value = floats(last ? 0 : S * outsOf(l))
    if (!isReal()) continue
    dense(l).slope = slope
    dense(l).value = value
  }
  const largest = max(recipe.width, shape.features)
  arena.dvalue = floats(train ? S * largest : 0)
  arena.dvalue2 = floats(train ? S * largest : 0)
}

function placeConvolutions(train: bool): void {
  const S = shape.images
  const c = recipe.channels
  arena.convolutions = take(usize(shape.convolutions) * offsetof<Convolution>())
  for (let b: u32 = 0; b < shape.convolutions; b++) {
    const outs = channelsOf(b + 1)
    const pooled = S * heightOf(b + 1) * widthOf(b + 1) * outs
    const input = grid(b, channelsOf(b), true)
    const out = grid(b, outs, true)
    const dout = grid(b, outs, train)
    const which = floats(pooled)
    const slope = floats(pooled)
    const value = floats(pooled)
    if (!isReal()) continue
    const at = convolution(b)
    at.input = input
    at.out = out
    at.dout = dout
    at.which = which
    at.slope = slope
    at.value = value
  }
  arena.firstWeights = floats(12 * c)
  arena.firstSlopes = floats(12 * c)
  arena.turned = floats(train ? 18 * c * c : 0)
  arena.dgrid = grid(1, c, train)
}

// The first pixel of a new grid of level `b`.
function grid(b: u32, channels: u32, needed: bool): usize {
  if (!needed) return 0
  const start = floats(gridFloats(shape.images, heightOf(b), widthOf(b), channels))
  return start + (usize(gridLead(widthOf(b)) * channels) << 2)
}
