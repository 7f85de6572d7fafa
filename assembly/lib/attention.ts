// Causal attention of one head over one sequence, perhaps only over a window of the last columns. Rows of the probability
// matrix are `stride` floats apart, a multiple of
// eight; of row i the floats in the window are probabilities and those beside it, to multiples of eight on both sides (what products
// of whole strips read), are zeros. Tiles outside the band are never computed.

import { bandStart, gemmBanded, LOWER_A, LOWER_OUT, NN, NT, TN, UPPER_A } from './gemm'
import { flush, laneSum } from './math'
import { clearRow, padRow, softmax } from './softmax'

const LIMITS = memory.data<f32>([1.0e-30], 16)

/** Where the rows of one head of one sequence are: `stride` floats apart, `size` floats each. */
@unmanaged
export class Heads {
  q: usize
  k: usize
  v: usize
  stride: usize
  size: u32
}

/** probabilities = softmax(q k' / sqrt(size)) over the `window` columns k <= q; out = probabilities v. */
export function attend(
  out: usize, outStride: usize, probabilities: usize, stride: u32, length: u32, window: u32, x: Heads,
): void {
  gemmBanded(NT, LOWER_OUT, window, length, length, x.size, x.q, x.stride, x.k, x.stride, probabilities, stride, false)
  const scale = scoreScale(x.size)
  for (let i: u32 = 0; i < length; i++) {
    const row = probabilities + ((usize(i) * stride) << 2)
    const from = bandStart(i, window)
    const to = roundUp8(i + 1)
    padRow(row, from, firstOf(i, window))
    padRow(row, i + 1, to)
    softmax(row + (usize(from) << 2), to - from, scale)
  }
  gemmBanded(NN, LOWER_A, window, length, x.size, length, probabilities, stride, x.v, x.stride, out, outStride, false)
}

/**
 * The gradients dq, dk, dv (written, not added) from dout. `slopes` is working memory of the probabilities' shape.
 * With p the probabilities and s = dout v': ds = p (s - sum_k p s) / sqrt(size), flushed below 1e-30.
 */
export function attendBackward(
  d: Heads, dout: usize, outStride: usize, x: Heads, probabilities: usize, slopes: usize, stride: u32, length: u32, window: u32,
): void {
  gemmBanded(TN, UPPER_A, window, length, x.size, length, probabilities, stride, dout, outStride, d.v, d.stride, false)
  gemmBanded(NT, LOWER_OUT, window, length, length, x.size, dout, outStride, x.v, x.stride, slopes, stride, false)
  const scale = scoreScale(x.size)
  for (let i: u32 = 0; i < length; i++) {
    const offset = (usize(i) * stride) << 2
    const from = bandStart(i, window)
    const to = roundUp8(i + 1)
    clearRow(slopes + offset, from, firstOf(i, window))
    clearRow(slopes + offset, i + 1, to)
    const skipped = usize(from) << 2
    softmaxBackward(slopes + offset + skipped, probabilities + offset + skipped, to - from, scale)
  }
  gemmBanded(NN, LOWER_A, window, length, x.size, length, slopes, stride, x.k, x.stride, d.q, d.stride, false)
  gemmBanded(TN, UPPER_A, window, length, x.size, length, slopes, stride, x.q, x.stride, d.k, d.stride, false)
}

// The first column that row i sees.
@inline function firstOf(i: u32, window: u32): u32 {
  return i + 1 > window ? i + 1 - window : 0
}

/** A transposed operand is read in strips of eight columns, so row i needs zeros up to the next multiple of eight. */
@inline export function roundUp8(x: u32): u32 {
  return (x + 7) & ~7
}

@inline function scoreScale(size: u32): f32 {
  return 1 / sqrt<f32>(f32(size))
}

// slope becomes p * (slope - sum(p * slope)) * scale.
function softmaxBackward(slope: usize, p: usize, count: u32, scale: f32): void {
  const bytes = usize(count) << 2
  let low = i32x4.splat(0), high = low
  for (let i: usize = 0; i < bytes; i += 32) {
    low = f32x4.add(low, f32x4.mul(v128.load(p + i), v128.load(slope + i)))
    high = f32x4.add(high, f32x4.mul(v128.load(p + i, 16), v128.load(slope + i, 16)))
  }
  const mean = f32x4.splat(laneSum(low, high))
  const scales = f32x4.splat(scale)
  const limit = v128.load32_splat(LIMITS)
  for (let i: usize = 0; i < bytes; i += 32) {
    const d0 = f32x4.mul(v128.load(p + i), f32x4.sub(v128.load(slope + i), mean))
    const d1 = f32x4.mul(v128.load(p + i, 16), f32x4.sub(v128.load(slope + i, 16), mean))
    v128.store(slope + i, flush(f32x4.mul(d0, scales), limit))
    v128.store(slope + i, flush(f32x4.mul(d1, scales), limit), 16)
  }
}
