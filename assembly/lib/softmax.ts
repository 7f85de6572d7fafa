// Softmax of a row, and the cross-entropy loss over the rows of a matrix. Rows are padded to a multiple of four floats; a pad
// is -3e38 before and exactly 0 after, so that it changes no sum.

import { expv, flush, laneMax, laneSum, log } from './math'

const PAD: f32 = -3.0e38
const LIMITS = memory.data<f32>([1.0e-30], 16) // probabilities below are set to 0: denormals make products 180x slower

/** Writes pads to the floats `from`..`to`-1 of the row. */
export function padRow(row: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) store<f32>(row + (usize(i) << 2), PAD)
}

/** Sets the floats `from`..`to`-1 of the row to 0. */
export function clearRow(row: usize, from: u32, to: u32): void {
  for (let i = from; i < to; i++) store<f32>(row + (usize(i) << 2), 0)
}

// The row becomes exp((z - max z) scale), z being what it held; returns max z, and stores the sum at `sum`. `count` is a
// multiple of four.
function exponentials(row: usize, count: u32, scale: f32, sum: usize): f32 {
  const end = row + (usize(count) << 2)
  let greatest = v128.load(row)
  for (let p = row + 16; p < end; p += 16) greatest = f32x4.pmax(greatest, v128.load(p))
  const top = laneMax(greatest)
  const tops = f32x4.splat(top)
  const scales = f32x4.splat(scale)
  let total = i32x4.splat(0)
  for (let p = row; p < end; p += 16) {
    const e = expv(f32x4.mul(f32x4.sub(v128.load(p), tops), scales))
    total = f32x4.add(total, e)
    v128.store(p, e)
  }
  store<f32>(sum, laneSum(total))
  return top
}

// The row becomes flush(row * factor) * weight.
function normalise(row: usize, count: u32, factor: f32, weight: f32): void {
  const end = row + (usize(count) << 2)
  const factors = f32x4.splat(factor)
  const weights = f32x4.splat(weight)
  const limit = v128.load32_splat(LIMITS)
  for (let p = row; p < end; p += 16) {
    v128.store(p, f32x4.mul(flush(f32x4.mul(v128.load(p), factors), limit), weights))
  }
}

/** softmax(scale * z) over `count` floats, a multiple of four, in place. */
export function softmax(row: usize, count: u32, scale: f32): void {
  exponentials(row, count, scale, SCRATCH)
  normalise(row, count, 1 / load<f32>(SCRATCH), 1)
}

const SCRATCH = memory.data(16)

/**
 * The loss -log softmax(z)[target] of one row of logits, in nats. With weight > 0 the row becomes the gradient
 * (softmax(z) - onehot(target)) * weight; with weight 0 it holds nothing of use afterwards.
 * @param row `symbols` logits, in room for `padded` floats (a multiple of four)
 */
export function crossEntropy(row: usize, symbols: u32, padded: u32, target: u32, weight: f32): f32 {
  const targetAt = row + (usize(target) << 2)
  const wanted = load<f32>(targetAt)
  padRow(row, symbols, padded)
  const top = exponentials(row, padded, 1, SCRATCH)
  const sum = load<f32>(SCRATCH)
  const loss: f32 = top + log(sum) - wanted
  if (weight > 0) {
    normalise(row, padded, 1 / sum, weight)
    store<f32>(targetAt, load<f32>(targetAt) - weight)
  }
  return loss
}
