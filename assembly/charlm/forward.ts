// The forward pass over R rows (S sequences of T), in stages small enough to stop between any two:
// 0 embeds, 1 + 2l is layer l's attention, 2 + 2l its MLP, 2L + 1 the head with the loss.

import { attend, Heads } from '../lib/attention'
import { gelu } from '../lib/activation'
import { gemm, NN, NT, WHOLE } from '../lib/gemm'
import { layerNorm } from '../lib/norm'
import { crossEntropy } from '../lib/softmax'
import { arena, layer } from './arena'
import {
  contractOffset, expandOffset, normOffset, positionOffset, projectionOffset, qkvOffset, shape,
} from './shape'

/** A row whose target is this has no loss: it lies behind the end of the text, or its byte is unknown. */
export const NO_TARGET: u32 = 0xffffffff

export function forwardStages(): u32 {
  return 2 * shape.depth + 2
}

/** Runs stage `stage`, not the head, over `rows` rows. */
export function forward(stage: u32, rows: u32): void {
  if (stage == 0) embed(rows)
  else if ((stage & 1) == 1) attention((stage - 1) >> 1, rows)
  else perceptron((stage - 2) >> 1, rows)
}

/**
 * The head's stage: logits, and the sum of the losses in nats, in f64, row by row. With weight > 0 the logits become the
 * gradient of weight times that sum.
 */
export function head(rows: u32, weight: f32): f64 {
  const D = shape.width
  const stride = shape.logitStride
  const gain = arena.parameters + normOffset(shape.depth, 0)
  const bias = gain + (usize(D) << 2)
  layerNorm(arena.lastNorm, layer(shape.depth).input, gain, bias, arena.lastStats, rows, D)
  gemm(NT, WHOLE, rows, shape.symbols, D, arena.lastNorm, D, arena.parameters, D, arena.logits, stride, false)
  let sum: f64 = 0
  for (let r: u32 = 0; r < rows; r++) {
    const target = load<u32>(arena.targets + (usize(r) << 2))
    const row = arena.logits + (usize(r * stride) << 2)
    if (target != NO_TARGET) sum += f64(crossEntropy(row, shape.symbols, stride, target, weight))
  }
  return sum
}

// x = token embedding of the symbol + position embedding
function embed(rows: u32): void {
  const bytes = usize(shape.width) << 2
  const positions = arena.parameters + positionOffset()
  let out = layer(0).input
  for (let r: u32 = 0; r < rows; r++) {
    const token = arena.parameters + usize(load<u32>(arena.inputs + (usize(r) << 2))) * bytes
    const position = positions + usize(r % shape.context) * bytes
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, f32x4.add(v128.load(token + i), v128.load(position + i)))
    }
    out += bytes
  }
}

// middle = input + heads(norm1(input) Wqkv) Wprojection; the product is added onto a copy of the input
function attention(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  const gain = arena.parameters + normOffset(l, 0)
  layerNorm(at.norm1, at.input, gain, gain + (usize(D) << 2), at.stats1, rows, D)
  gemm(NN, WHOLE, rows, 3 * D, D, at.norm1, D, arena.parameters + qkvOffset(l), 3 * D, at.qkv, 3 * D, false)
  for (let s: u32 = 0; s < rows / shape.context; s++) {
    for (let h: u32 = 0; h < shape.heads; h++) {
      setHeads(qkvHeads, at.qkv, s, h)
      attend(narrowHead(at.mixed, s, h), D, probabilities(at.probabilities, s, h), shape.scoreStride, shape.context, qkvHeads)
    }
  }
  memory.copy(at.middle, at.input, usize(rows * D) << 2)
  gemm(NN, WHOLE, rows, D, D, at.mixed, D, arena.parameters + projectionOffset(l), D, at.middle, D, true)
}

// the next layer's input = middle + gelu(norm2(middle) Wexpand) Wcontract
function perceptron(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  const next = layer(l + 1).input
  const gain = arena.parameters + normOffset(l, 1)
  layerNorm(at.norm2, at.middle, gain, gain + (usize(D) << 2), at.stats2, rows, D)
  gemm(NN, WHOLE, rows, 4 * D, D, at.norm2, D, arena.parameters + expandOffset(l), 4 * D, at.slope, 4 * D, false)
  gelu(at.hidden, at.slope, rows * 4 * D)
  memory.copy(next, at.middle, usize(rows * D) << 2)
  gemm(NN, WHOLE, rows, D, 4 * D, at.hidden, 4 * D, arena.parameters + contractOffset(l), D, next, D, true)
}

const qkvHeads = changetype<Heads>(memory.data(offsetof<Heads>(), 16))

/** Points `heads` at head h of sequence s in a (R, 3D) buffer of q, k and v. */
export function setHeads(heads: Heads, qkv: usize, s: u32, h: u32): void {
  const D = shape.width
  heads.q = qkv + (usize(s * shape.context * 3 * D + h * shape.headSize) << 2)
  heads.k = heads.q + (usize(D) << 2)
  heads.v = heads.k + (usize(D) << 2)
  heads.stride = 3 * D
  heads.size = shape.headSize
}

/** Head h of sequence s in a (R, D) buffer. */
export function narrowHead(buffer: usize, s: u32, h: u32): usize {
  return buffer + (usize(s * shape.context * shape.width + h * shape.headSize) << 2)
}

/** The (T, scoreStride) matrix of head h of sequence s. */
export function probabilities(buffer: usize, s: u32, h: u32): usize {
  return buffer + (usize((s * shape.heads + h) * shape.context * shape.scoreStride) << 2)
}
