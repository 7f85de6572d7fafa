// The forward pass over R rows (S sequences of T), in stages small enough to stop between any two:
// 0 embeds, 1 + 2l is layer l's attention, 2 + 2l its MLP, 2L + 1 the head with the loss.

import { attend, Heads } from '../lib/attention'
import { gelu, reluSquared, softcap, swiglu } from '../lib/activation'
import { gemm, NN, NT, WHOLE } from '../lib/gemm'
import { layerNorm, normaliseRow, rmsNorm } from '../lib/norm'
import { rotate } from '../lib/rope'
import { crossEntropy } from '../lib/softmax'
import { arena, layer } from './arena'
import { recipe, RELU2, SWIGLU, windowOf } from './recipe'
import {
  contractOffset, expandOffset, headOffset, normOffset, positionOffset, projectionOffset, qkvOffset, shape, valueOffset,
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
  norm(arena.lastNorm, layer(shape.depth).input, normOffset(shape.depth, 0), arena.lastStats, rows)
  const weights = arena.parameters + headOffset()
  gemm(NT, WHOLE, rows, shape.symbols, D, arena.lastNorm, D, weights, D, arena.logits, stride, false)
  if (recipe.softcap > 0) softcap(arena.logits, arena.caps, rows * stride, f32(recipe.softcap))
  let sum: f64 = 0
  for (let r: u32 = 0; r < rows; r++) {
    const target = load<u32>(arena.targets + (usize(r) << 2))
    const row = arena.logits + (usize(r * stride) << 2)
    if (target != NO_TARGET) sum += f64(crossEntropy(row, shape.symbols, stride, target, weight))
  }
  return sum
}

function norm(out: usize, x: usize, offset: usize, stats: usize, rows: u32): void {
  const D = shape.width
  const gain = arena.parameters + offset
  if (recipe.rms) rmsNorm(out, x, gain, stats, rows, D)
  else layerNorm(out, x, gain, gain + (usize(D) << 2), stats, rows, D)
}

// x = token embedding of the symbol, + position embedding if positions are learned
function embed(rows: u32): void {
  const bytes = usize(shape.width) << 2
  const positions = arena.parameters + positionOffset()
  let out = layer(0).input
  for (let r: u32 = 0; r < rows; r++) {
    const token = arena.parameters + usize(symbolOf(r)) * bytes
    if (recipe.rope) memory.copy(out, token, bytes)
    else addRows(out, token, positions + usize(r % shape.context) * bytes, bytes)
    out += bytes
  }
}

/** The input symbol of row r. */
@inline export function symbolOf(r: u32): u32 {
  return load<u32>(arena.inputs + (usize(r) << 2))
}

/** out = a + b over `bytes`, a multiple of 32. */
export function addRows(out: usize, a: usize, b: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 32) {
    const s0 = f32x4.add(v128.load(a + i), v128.load(b + i)), s1 = f32x4.add(v128.load(a + i, 16), v128.load(b + i, 16))
    v128.store(out + i, s0)
    v128.store(out + i, s1, 16)
  }
}

// middle = input + heads(norm1(input) Wqkv) Wprojection; the product is added onto a copy of the input
function attention(l: u32, rows: u32): void {
  const D = shape.width
  const at = layer(l)
  norm(at.norm1, at.input, normOffset(l, 0), at.stats1, rows)
  gemm(NN, WHOLE, rows, 3 * D, D, at.norm1, D, arena.parameters + qkvOffset(l), 3 * D, at.qkv, 3 * D, false)
  if (recipe.valueEmbeddings) addValues(l, rows)
  if (recipe.rope || recipe.qkNorm) turn(at.qkv, at.headStats, rows)
  const window = windowOf(l)
  for (let s: u32 = 0; s < rows / shape.context; s++) {
    for (let h: u32 = 0; h < shape.heads; h++) {
      setHeads(qkvHeads, at.qkv, s, h)
      const p = probabilities(at.probabilities, s, h)
      attend(narrowHead(at.mixed, s, h), D, p, shape.scoreStride, shape.context, window, qkvHeads)
    }
  }
  memory.copy(at.middle, at.input, usize(rows * D) << 2)
  gemm(NN, WHOLE, rows, D, D, at.mixed, D, arena.parameters + projectionOffset(l), D, at.middle, D, true)
}

// v += the layer's value embedding of the symbol
function addValues(l: u32, rows: u32): void {
  const bytes = usize(shape.width) << 2
  const table = arena.parameters + valueOffset(l)
  let v = layer(l).qkv + 2 * bytes
  for (let r: u32 = 0; r < rows; r++) {
    addRows(v, v, table + usize(symbolOf(r)) * bytes, bytes)
    v += 3 * bytes
  }
}

// Every head of q and k: turned by its position, then divided by its root mean square, each if the recipe says so.
function turn(qkv: usize, stats: usize, rows: u32): void {
  const bytes = usize(shape.headSize) << 2
  for (let r: u32 = 0; r < rows; r++) {
    let x = qkv + (usize(r * 3 * shape.width) << 2)
    for (let h: u32 = 0; h < 2 * shape.heads; h++) {
      if (recipe.rope) rotate(x, arena.rotations, r % shape.context, shape.context, shape.headSize)
      if (recipe.qkNorm) store<f32>(stats + (usize(r * 2 * shape.heads + h) << 2), normaliseRow(x, shape.headSize))
      x += bytes
    }
  }
}

// the next layer's input = middle + activation(norm2(middle) Wexpand) Wcontract
function perceptron(l: u32, rows: u32): void {
  const D = shape.width
  const E = shape.hidden
  const G = shape.expanded
  const at = layer(l)
  const next = layer(l + 1).input
  norm(at.norm2, at.middle, normOffset(l, 1), at.stats2, rows)
  gemm(NN, WHOLE, rows, G, D, at.norm2, D, arena.parameters + expandOffset(l), G, at.slope, G, false)
  if (recipe.activation == SWIGLU) swiglu(at.hidden, at.slope, rows, E)
  else if (recipe.activation == RELU2) reluSquared(at.hidden, at.slope, rows * E)
  else gelu(at.hidden, at.slope, rows * E)
  memory.copy(next, at.middle, usize(rows * D) << 2)
  gemm(NN, WHOLE, rows, D, E, at.hidden, E, arena.parameters + contractOffset(l), D, next, D, true)
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
