// AdamW with decoupled weight decay, and the norm of the gradient that it is clipped by.

import { flush } from './math'

const LIMITS = memory.data<f32>([1.0e-30], 16)

/**
 * The sum of squares of `count` floats (a multiple of four) in f64: four running sums, index mod 4, then
 * (s0 + s2) + (s1 + s3).
 */
export function squaredNorm(x: usize, count: u32): f64 {
  const end = x + (usize(count) << 2)
  let even = i32x4.splat(0) // s0, s1
  let odd = even // s2, s3
  while (x < end) {
    const four = v128.load(x)
    const low = f64x2.promote_low_f32x4(four)
    const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(four, four, 1, 0))
    even = f64x2.add(even, f64x2.mul(low, low))
    odd = f64x2.add(odd, f64x2.mul(high, high))
    x += 16
  }
  const pairs = f64x2.add(even, odd)
  return f64x2.extract_lane(pairs, 0) + f64x2.extract_lane(pairs, 1)
}

/** The numbers of one update, each computed in f64 and rounded once. */
@unmanaged
export class Update {
  gradientScale: f32 // min(1, clip / norm)
  beta1: f32
  beta2: f32
  rate: f32 // lr / (1 - beta1^t)
  correction: f32 // 1 / sqrt(1 - beta2^t)
}

/**
 * One update of `count` parameters, a multiple of eight. With g the scaled gradient:
 * m = m b1 + g (1 - b1); v = v b2 + (g g)(1 - b2), both flushed below 1e-30;
 * p = p keep - (rate m) / (sqrt(v) correction + 1e-8).
 */
export function adamw(p: usize, g: usize, m: usize, v: usize, count: u32, keep: f32, update: Update): void {
  const bytes = usize(count) << 2
  const scale = f32x4.splat(update.gradientScale)
  const beta1 = f32x4.splat(update.beta1)
  const beta2 = f32x4.splat(update.beta2)
  const rest1 = f32x4.splat(1 - update.beta1)
  const rest2 = f32x4.splat(1 - update.beta2)
  const rate = f32x4.splat(update.rate)
  const correction = f32x4.splat(update.correction)
  const keeps = f32x4.splat(keep)
  const epsilon = f32x4.splat(1e-8)
  const limit = v128.load32_splat(LIMITS)
  for (let i: usize = 0; i < bytes; i += 32) {
    const g0 = f32x4.mul(v128.load(g + i), scale), g1 = f32x4.mul(v128.load(g + i, 16), scale)
    const m0 = flush(f32x4.add(f32x4.mul(v128.load(m + i), beta1), f32x4.mul(g0, rest1)), limit)
    const m1 = flush(f32x4.add(f32x4.mul(v128.load(m + i, 16), beta1), f32x4.mul(g1, rest1)), limit)
    const v0 = flush(f32x4.add(f32x4.mul(v128.load(v + i), beta2), f32x4.mul(f32x4.mul(g0, g0), rest2)), limit)
    const v1 = flush(f32x4.add(f32x4.mul(v128.load(v + i, 16), beta2), f32x4.mul(f32x4.mul(g1, g1), rest2)), limit)
    const p0 = f32x4.mul(v128.load(p + i), keeps), p1 = f32x4.mul(v128.load(p + i, 16), keeps)
    const d0 = f32x4.add(f32x4.mul(f32x4.sqrt(v0), correction), epsilon)
    const d1 = f32x4.add(f32x4.mul(f32x4.sqrt(v1), correction), epsilon)
    v128.store(m + i, m0)
    v128.store(m + i, m1, 16)
    v128.store(v + i, v0)
    v128.store(v + i, v1, 16)
    v128.store(p + i, f32x4.sub(p0, f32x4.div(f32x4.mul(rate, m0), d0)))
    v128.store(p + i, f32x4.sub(p1, f32x4.div(f32x4.mul(rate, m1), d1)), 16)
  }
}
