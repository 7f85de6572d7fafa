// The backward pass over the rows of the last forward pass, in stages: 0 is the head; then for each layer, last first, the
// MLP's second product, its first one, and attention; last the embeddings. Gradients of parameters are added to, row after
// row in f32, so that cutting a batch into blocks changes no bit.

import { attendBackward, Heads } from '../lib/attention'
import { multiply } from '../lib/activation'
import { gemm, NN, NT, TN, WHOLE } from '../lib/gemm'
import { layerNormBackward } from '../lib/norm'
import { arena, layer } from './arena'
import { narrowHead, probabilities, setHeads } from './forward'
import {
  contractOffset, expandOffset, normOffset, positionOffset, projectionOffset, qkvOffset, shape,
} from './shape'

export const PARTS: u32 = 3 // stages of a layer

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
  else if (part == 1) expand(l, rows)
  else attention(l, rows)
}

// From the gradient of the logits: the tied embedding's first share, and dx.
function head(rows: u32): void {
  const D = shape.width
  const V = shape.symbols
  const stride = shape.logitStride
  gemm(NN, WHOLE, rows, D, V, arena.logits, stride, arena.parameters, D, arena.narrow, D, false)
  gemm(TN, WHOLE, V, D, rows, arena.logits, stride, arena.lastNorm, D, arena.gradients, D, true)
  memory.fill(arena.dx, 0, usize(rows * D) << 2)
  norm(normOffset(shape.depth, 0), layer(shape.depth).input, arena.lastStats, rows)
}

// wide = gradient before GELU, from dx behind the MLP
function contract(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  const weights = contractOffset(l)
  gemm(NT, WHOLE, rows, 4 * D, D, arena.dx, D, arena.parameters + weights, D, arena.wide, 4 * D, false)
  gemm(TN, WHOLE, 4 * D, D, rows, at.hidden, 4 * D, arena.dx, D, arena.gradients + weights, D, true)
  multiply(arena.wide, at.slope, rows * 4 * D)
}

function expand(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  const weights = expandOffset(l)
  gemm(NT, WHOLE, rows, D, 4 * D, arena.wide, 4 * D, arena.parameters + weights, 4 * D, arena.narrow, D, false)
  gemm(TN, WHOLE, D, 4 * D, rows, at.norm2, D, arena.wide, 4 * D, arena.gradients + weights, 4 * D, true)
  norm(normOffset(l, 1), at.middle, at.stats2, rows)
}

function attention(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  const outer = projectionOffset(l)
  const inner = qkvOffset(l)
  gemm(NT, WHOLE, rows, D, D, arena.dx, D, arena.parameters + outer, D, arena.narrow, D, false)
  gemm(TN, WHOLE, D, D, rows, at.mixed, D, arena.dx, D, arena.gradients + outer, D, true)
  for (let s: u32 = 0; s < rows / shape.context; s++) {
    for (let h: u32 = 0; h < shape.heads; h++) {
      setHeads(values, at.qkv, s, h)
      setHeads(slopes, arena.wide, s, h)
      attendBackward(
        slopes, narrowHead(arena.narrow, s, h), D, values,
        probabilities(at.probabilities, s, h), arena.scores, shape.scoreStride, shape.context,
      )
    }
  }
  gemm(NT, WHOLE, rows, D, 3 * D, arena.wide, 3 * D, arena.parameters + inner, 3 * D, arena.narrow, D, false)
  gemm(TN, WHOLE, D, 3 * D, rows, at.norm1, D, arena.wide, 3 * D, arena.gradients + inner, 3 * D, true)
  norm(normOffset(l, 0), at.input, at.stats1, rows)
}

const values = changetype<Heads>(memory.data(offsetof<Heads>(), 16))
const slopes = changetype<Heads>(memory.data(offsetof<Heads>(), 16))

// dx += the gradient through a norm, from `narrow`, which is the gradient of its output
function norm(offset: usize, input: usize, stats: usize, rows: u32): void {
  const D = shape.width
  const bias = usize(D) << 2
  const gradient = arena.gradients + offset
  layerNormBackward(arena.dx, gradient, gradient + bias, arena.narrow, input, arena.parameters + offset, stats, rows, D)
}

// Token rows are gathered apart from the head's share, so that the two never interleave block by block.
function embedding(rows: u32): void {
  const bytes = usize(shape.width) << 2
  const positions = arena.gradients + positionOffset()
  let from = arena.dx
  for (let r: u32 = 0; r < rows; r++) {
    const token = arena.embeddingGradients + usize(load<u32>(arena.inputs + (usize(r) << 2))) * bytes
    const position = positions + usize(r % shape.context) * bytes
    for (let i: usize = 0; i < bytes; i += 16) {
      const d = v128.load(from + i)
      v128.store(token + i, f32x4.add(v128.load(token + i), d))
      v128.store(position + i, f32x4.add(v128.load(position + i), d))
    }
    from += bytes
  }
}
