// The backward pass over the rows of the last forward pass, in stages: 0 is the head; then for each layer, last first, the
// MLP's second product, its first one (by its input, then by its weights), and attention; last the embeddings. Gradients of parameters are added to, row after
// row in f32, so that cutting a batch into blocks changes no bit.

import { attendBackward, Heads } from '../lib/attention'
import { multiply, softcapBackward, swigluBackward } from '../lib/activation'
import { gemm, NN, NT, TN, WHOLE } from '../lib/gemm'
import { layerNormBackward, normaliseRowBackward, rmsNormBackward } from '../lib/norm'
import { rotateBack } from '../lib/rope'
import { arena, layer } from './arena'
import { addRows, narrowHead, probabilities, setHeads, symbolOf } from './forward'
import { recipe, SWIGLU, windowOf } from './recipe'
import {
  contractOffset, expandOffset, headOffset, normOffset, positionOffset, projectionOffset, qkvOffset, shape, valueOffset,
} from './shape'

export const PARTS: u32 = 4 // stages of a layer

export function backwardStages(): u32 {
  return PARTS * shape.depth + 2
}

/** Runs stage `stage` over `rows` rows; `dx` and the working buffers carry what the next one needs. */
export function backward(stage: u32, rows: u32): void {
  if (stage == 0) {
    head(rows)
    return
  }
  const l = shape.depth - 1 - (stage - 1) / PARTS
  const part = (stage - 1) % PARTS
  if (stage == backwardStages() - 1) embedding(rows)
  else if (part == 0) contract(l, rows)
  else if (part == 1) expandInput(l, rows)
  else if (part == 2) expandWeights(l, rows)
  else attention(l, rows)
}

// From the gradient of the logits: the head's own, and dx.
function head(rows: u32): void {
  const D = shape.width
  const V = shape.symbols
  const stride = shape.logitStride
  const offset = headOffset()
  if (recipe.softcap > 0) softcapBackward(arena.logits, arena.caps, rows * stride)
  gemm(NN, WHOLE, rows, D, V, arena.logits, stride, arena.parameters + offset, D, arena.narrow, D, false)
  gemm(TN, WHOLE, V, D, rows, arena.logits, stride, arena.lastNorm, D, arena.gradients + offset, D, true)
  memory.fill(arena.dx, 0, usize(rows * D) << 2)
  norm(normOffset(shape.depth, 0), layer(shape.depth).input, arena.lastStats, rows)
}

// wide = gradient before the activation, from dx behind the MLP
function contract(l: u32, rows: u32): void {
  const D = shape.width
  const E = shape.hidden
  const at = layer(l)
  const weights = contractOffset(l)
  const dHidden = recipe.activation == SWIGLU ? arena.deep : arena.wide
  gemm(NT, WHOLE, rows, E, D, arena.dx, D, arena.parameters + weights, D, dHidden, E, false)
  gemm(TN, WHOLE, E, D, rows, at.hidden, E, arena.dx, D, arena.gradients + weights, D, true)
  if (recipe.activation == SWIGLU) swigluBackward(arena.wide, dHidden, at.slope, rows, E)
  else multiply(arena.wide, at.slope, rows * E)
}

function expandInput(l: u32, rows: u32): void {
  const D = shape.width
  const G = shape.expanded
  const at = layer(l)
  gemm(NT, WHOLE, rows, D, G, arena.wide, G, arena.parameters + expandOffset(l), G, arena.narrow, D, false)
  norm(normOffset(l, 1), at.middle, at.stats2, rows)
}

function expandWeights(l: u32, rows: u32): void {
  const D = shape.width
  const G = shape.expanded
  gemm(TN, WHOLE, D, G, rows, layer(l).norm2, D, arena.wide, G, arena.gradients + expandOffset(l), G, true)
}

function attention(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  const outer = projectionOffset(l)
  const inner = qkvOffset(l)
  const window = windowOf(l)
  gemm(NT, WHOLE, rows, D, D, arena.dx, D, arena.parameters + outer, D, arena.narrow, D, false)
  gemm(TN, WHOLE, D, D, rows, at.mixed, D, arena.dx, D, arena.gradients + outer, D, true)
  for (let s: u32 = 0; s < rows / shape.context; s++) {
    for (let h: u32 = 0; h < shape.heads; h++) {
      setHeads(values, at.qkv, s, h)
      setHeads(slopes, arena.wide, s, h)
      attendBackward(
        slopes, narrowHead(arena.narrow, s, h), D, values,
        probabilities(at.probabilities, s, h), arena.scores, shape.scoreStride, shape.context, window,
      )
    }
  }
  if (recipe.rope || recipe.qkNorm) turnBack(at.qkv, at.headStats, rows)
  if (recipe.valueEmbeddings) gatherValues(l, rows)
  gemm(NT, WHOLE, rows, D, 3 * D, arena.wide, 3 * D, arena.parameters + inner, 3 * D, arena.narrow, D, false)
  gemm(TN, WHOLE, D, 3 * D, rows, at.norm1, D, arena.wide, 3 * D, arena.gradients + inner, 3 * D, true)
  norm(normOffset(l, 0), at.input, at.stats1, rows)
}

const values = changetype<Heads>(memory.data(offsetof<Heads>(), 16))
const slopes = changetype<Heads>(memory.data(offsetof<Heads>(), 16))

// The gradients of q and k, in `wide`, through their normalisation and rotation.
function turnBack(qkv: usize, stats: usize, rows: u32): void {
  const size = shape.headSize
  for (let r: u32 = 0; r < rows; r++) {
    let at = usize(r * 3 * shape.width) << 2
    for (let h: u32 = 0; h < 2 * shape.heads; h++) {
      const d = arena.wide + at
      if (recipe.qkNorm) {
        normaliseRowBackward(d, qkv + at, load<f32>(stats + (usize(r * 2 * shape.heads + h) << 2)), size)
      }
      if (recipe.rope) rotateBack(d, arena.rotations, r % shape.context, shape.context, size)
      at += usize(size) << 2
    }
  }
}

// The value embeddings' gradients grow by those of v, row after row.
function gatherValues(l: u32, rows: u32): void {
  const bytes = usize(shape.width) << 2
  const table = arena.gradients + valueOffset(l)
  let dv = arena.wide + 2 * bytes
  for (let r: u32 = 0; r < rows; r++) {
    const row = table + usize(symbolOf(r)) * bytes
    addRows(row, row, dv, bytes)
    dv += 3 * bytes
  }
}

// dx += the gradient through a norm, from `narrow`, which is the gradient of its output
function norm(offset: usize, input: usize, stats: usize, rows: u32): void {
  const D = shape.width
  const dgain = arena.gradients + offset
  const gain = arena.parameters + offset
  if (recipe.rms) rmsNormBackward(arena.dx, dgain, arena.narrow, input, gain, stats, rows, D)
  else layerNormBackward(arena.dx, dgain, dgain + (usize(D) << 2), arena.narrow, input, gain, stats, rows, D)
}

// Token rows are gathered apart from the head's share, so that the two never interleave block by block.
function embedding(rows: u32): void {
  const bytes = usize(shape.width) << 2
  const positions = arena.gradients + positionOffset()
  let from = arena.dx
  for (let r: u32 = 0; r < rows; r++) {
    const token = arena.embeddingGradients + usize(symbolOf(r)) * bytes
    addRows(token, token, from, bytes)
    if (!recipe.rope) {
      const position = positions + usize(r % shape.context) * bytes
      addRows(position, position, from, bytes)
    }
    from += bytes
  }
}
