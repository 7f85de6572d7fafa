// Softmax of a row, and the cross-entropy loss over the rows of a matrix. Rows are padded to a multiple of eight floats; a pad
// is -infinity before and exactly 0 after, so that it changes no sum.

import { expv, flush, laneMax, laneSum, log } from './math'

const PAD: f32 = -Infinity
const LIMITS = memory.data<f32>([1.0e-30], 16) // probabilities below are set to 0: denormals make products 180x slower

/** Writes pads to the floats `from`..`to`-1 of the row. */
export function padRow(row: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) store<f32>(row + (usize(i) << 2), PAD)
}

/** Sets the floats `from`..`to`-1 of the row to 0. */
export function clearRow(row: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) store<f32>(row + (usize(i) << 2), 0)
}

// The largest of `count` floats, a multiple of eight.
@inline function largest(row: usize, count: u32): f32 {
  const end = row + (usize(count) << 2)
  let low = v128.load(row), high = v128.load(row, 16)
  for (let p = row + 32; p < end; p += 32) {
    low = f32x4.pmax(low, v128.load(p))
    high = f32x4.pmax(high, v128.load(p, 16))
  }
  return laneMax(f32x4.pmax(low, high))
}

// The row becomes exp((z - top) scale), z being what it held; returns the sum. `count` is a multiple of eight.
function exponentials(row: usize, count: u32, top: f32, scale: f32): f32 {
  const end = row + (usize(count) << 2)
  const tops = f32x4.splat(top)
  const scales = f32x4.splat(scale)
  let low = i32x4.splat(0), high = low
  for (let p = row; p < end; p += 32) {
    const e0 = expv(f32x4.mul(f32x4.sub(v128.load(p), tops), scales))
    const e1 = expv(f32x4.mul(f32x4.sub(v128.load(p, 16), tops), scales))
    low = f32x4.add(low, e0)
    high = f32x4.add(high, e1)
    v128.store(p, e0)
    v128.store(p, e1, 16)
  }
  return laneSum(low, high)
}

// The row becomes flush(row * factor) * weight.
function normalise(row: usize, count: u32, factor: f32, weight: f32): void {
  const end = row + (usize(count) << 2)
  const factors = f32x4.splat(factor)
  const weights = f32x4.splat(weight)
  const limit = v128.load32_splat(LIMITS)
  for (let p = row; p < end; p += 32) {
    const p0 = f32x4.mul(flush(f32x4.mul(v128.load(p), factors), limit), weights)
    const p1 = f32x4.mul(flush(f32x4.mul(v128.load(p, 16), factors), limit), weights)
    v128.store(p, p0)
    v128.store(p, p1, 16)
  }
}

/** softmax(scale * z) over `count` floats, a multiple of eight, in place. */
export function softmax(row: usize, count: u32, scale: f32): void {
  const sum = exponentials(row, count, largest(row, count), scale)
  normalise(row, count, 1 / sum, 1)
}

/**
 * The loss -log softmax(z)[target] of one row of logits, in nats. With weight > 0 the row becomes the gradient
 * (softmax(z) - onehot(target)) * weight; with weight 0 it holds nothing of use afterwards.
 * @param row `symbols` logits, in room for `padded` floats (a multiple of eight)
 */
export function crossEntropy(row: usize, symbols: u32, padded: u32, target: u32, weight: f32): f32 {
  const targetAt = row + (usize(target) << 2)
  const wanted = load<f32>(targetAt)
  padRow(row, symbols, padded)
  const top = largest(row, padded)
  const sum = exponentials(row, padded, top, 1)
  const loss: f32 = top + log(sum) - wanted
  if (weight > 0) {
    normalise(row, padded, 1 / sum, weight)
    store<f32>(targetAt, load<f32>(targetAt) - weight)
  }
  return loss
}
