// Stochastic gradient descent with momentum, and weight decay decoupled from it.

import { flush } from './math'

const LIMITS = memory.data<f32>([1.0e-30], 16)

/** m = flush(m momentum + g scale); p = p keep - rate m, for `count` parameters, a multiple of eight. */
export function sgd(
  p: usize, g: usize, m: usize, count: u32, scale: f32, momentum: f32, rate: f32, keep: f32,
): void {
  const bytes = usize(count) << 2
  const scales = f32x4.splat(scale)
  const momenta = f32x4.splat(momentum)
  const rates = f32x4.splat(rate)
  const keeps = f32x4.splat(keep)
  const limit = v128.load32_splat(LIMITS)
  for (let i: usize = 0; i < bytes; i += 32) {
    const g0 = f32x4.mul(v128.load(g + i), scales), g1 = f32x4.mul(v128.load(g + i, 16), scales)
    const m0 = flush(f32x4.add(f32x4.mul(v128.load(m + i), momenta), g0), limit)
    const m1 = flush(f32x4.add(f32x4.mul(v128.load(m + i, 16), momenta), g1), limit)
    v128.store(m + i, m0)
    v128.store(m + i, m1, 16)
    v128.store(p + i, f32x4.sub(f32x4.mul(v128.load(p + i), keeps), f32x4.mul(rates, m0)))
    v128.store(p + i, f32x4.sub(f32x4.mul(v128.load(p + i, 16), keeps), f32x4.mul(rates, m1)), 16)
  }
}
