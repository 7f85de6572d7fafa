// Where the buffers of a run lie: one reservation, made in `xee_init`, of a size that follows from the shapes.

import { beginCount, beginPlacing, floats, isReal, position, take } from '../lib/arena'
import { HEADER_BYTES } from '../lib/artifact'
import { Tensors } from '../lib/descend'
import { setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { placePerceptron } from '../lib/perceptron'
import { countersBytes, setCounters } from '../lib/state'
import { gridFloats, gridLead } from './grid'
import { BATCH_MAX, recipe } from './recipe'
import { biasOffset, channelsOf, convolutionOffset, head, heightOf, shape, widthOf } from './shape'

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

@unmanaged
class Arena {
  state: usize // counters, then the artifact: header and parameters, then the moments
  stateBytes: usize
  artifact: usize
  convolutions: usize // records of type Convolution
  pixels: usize // (S, height, width) of models without convolutions
  firstWeights: usize // (12, channels) of the first convolution with zeros for the fourth tap of each run
  firstSlopes: usize // their gradient
  turned: usize // (9 outs, channels) weights of the second convolution, turned round
  dgrid: usize // grid of the gradient of the second convolution's input
  dpooled: usize // (S, h/2, w/2, channels) the same, dense
  labels: usize // (S) u32
}

export const tensors = changetype<Tensors>(memory.data(offsetof<Tensors>(), 16))
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

function place(train: bool): void {
  const weights = usize(shape.parameters) << 2
  arena.state = take(countersBytes(BATCH_MAX))
  arena.artifact = take(HEADER_BYTES)
  tensors.parameters = take(weights)
  tensors.mean = take(train ? weights : 0)
  tensors.square = take(train ? weights : 0)
  arena.stateBytes = position() - arena.state
  tensors.gradients = take(train ? weights : 0)
  tensors.matrices = shape.matrices
  tensors.count = shape.parameters
  arena.labels = floats(shape.images)
  placePerceptron(head, train)
  if (shape.convolutions > 0) placeConvolutions(train)
  else arena.pixels = floats(shape.images * head.features)
  const workspace = take(WORKSPACE_BYTES)
  if (!isReal()) return
  setWorkspace(workspace)
  head.weights = tensors.parameters + convolutionOffset(shape.convolutions)
  head.biases = tensors.parameters + biasOffset(shape.convolutions)
  head.weightSlopes = tensors.gradients + convolutionOffset(shape.convolutions)
  head.biasSlopes = tensors.gradients + biasOffset(shape.convolutions)
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
  arena.dpooled = floats(train ? S * heightOf(1) * widthOf(1) * c : 0)
}

// The first pixel of a new grid of level `b`.
function grid(b: u32, channels: u32, needed: bool): usize {
  if (!needed) return 0
  const start = floats(gridFloats(shape.images, heightOf(b), widthOf(b), channels))
  return start + (usize(gridLead(widthOf(b)) * channels) << 2)
}
