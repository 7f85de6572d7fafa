// Normalisation over rows of `width` floats, a multiple of eight. Sums over a row are lane sums (math.ts); sums over rows
// (the gradients of gain and bias) run down the rows, in f32. Each row leaves two numbers in `stats` for the backward pass.

import { laneSum } from './math'

const EPSILON: f32 = 1e-5

/** out = (x - mean) * rstd * gain + bias for each row; stats: mean and rstd. */
export function layerNorm(
  out: usize, x: usize, gain: usize, bias: usize, stats: usize, rows: u32, width: u32,
): void {
  const bytes = usize(width) << 2
  const scale: f32 = 1 / f32(width)
  for (let r: u32 = 0; r < rows; r++) {
    let low = i32x4.splat(0), high = low
    for (let i: usize = 0; i < bytes; i += 32) {
      low = f32x4.add(low, v128.load(x + i))
      high = f32x4.add(high, v128.load(x + i, 16))
    }
    const mean = laneSum(low, high) * scale
    const means = f32x4.splat(mean)
    low = i32x4.splat(0), high = low
    for (let i: usize = 0; i < bytes; i += 32) {
      const c0 = f32x4.sub(v128.load(x + i), means)
      const c1 = f32x4.sub(v128.load(x + i, 16), means)
      low = f32x4.add(low, f32x4.mul(c0, c0))
      high = f32x4.add(high, f32x4.mul(c1, c1))
    }
    const rstd: f32 = 1 / sqrt<f32>(laneSum(low, high) * scale + EPSILON)
    const rstds = f32x4.splat(rstd)
    for (let i: usize = 0; i < bytes; i += 32) {
      const u0 = f32x4.mul(f32x4.sub(v128.load(x + i), means), rstds)
      const u1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), means), rstds)
      v128.store(out + i, f32x4.add(f32x4.mul(u0, v128.load(gain + i)), v128.load(bias + i)))
      v128.store(out + i, f32x4.add(f32x4.mul(u1, v128.load(gain + i, 16)), v128.load(bias + i, 16)), 16)
    }
    store<f32>(stats, mean)
    store<f32>(stats, rstd, 4)
    stats += 8
    x += bytes
    out += bytes
  }
}

/**
 * dx += the gradient through `layerNorm`; dgain and dbias grow by their gradients, row by row.
 * With u = (x - mean) rstd and g = dy * gain: dx += rstd * ((g - mean g) - u * mean(g u)).
 */
export function layerNormBackward(
  dx: usize, dgain: usize, dbias: usize, dy: usize, x: usize, gain: usize, stats: usize, rows: u32, width: u32,
): void {
  const bytes = usize(width) << 2
  const scale: f32 = 1 / f32(width)
  for (let r: u32 = 0; r < rows; r++) {
    const means = v128.load32_splat(stats)
    const rstds = v128.load32_splat(stats, 4)
    let sum0 = i32x4.splat(0), sum1 = sum0, product0 = sum0, product1 = sum0
    for (let i: usize = 0; i < bytes; i += 32) {
      const u0 = f32x4.mul(f32x4.sub(v128.load(x + i), means), rstds)
      const u1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), means), rstds)
      const d0 = v128.load(dy + i), d1 = v128.load(dy + i, 16)
      const g0 = f32x4.mul(d0, v128.load(gain + i)), g1 = f32x4.mul(d1, v128.load(gain + i, 16))
      sum0 = f32x4.add(sum0, g0)
      sum1 = f32x4.add(sum1, g1)
      product0 = f32x4.add(product0, f32x4.mul(g0, u0))
      product1 = f32x4.add(product1, f32x4.mul(g1, u1))
      v128.store(dgain + i, f32x4.add(v128.load(dgain + i), f32x4.mul(d0, u0)))
      v128.store(dgain + i, f32x4.add(v128.load(dgain + i, 16), f32x4.mul(d1, u1)), 16)
      v128.store(dbias + i, f32x4.add(v128.load(dbias + i), d0))
      v128.store(dbias + i, f32x4.add(v128.load(dbias + i, 16), d1), 16)
    }
    const sums = f32x4.splat(laneSum(sum0, sum1) * scale)
    const products = f32x4.splat(laneSum(product0, product1) * scale)
    for (let i: usize = 0; i < bytes; i += 32) {
      const u0 = f32x4.mul(f32x4.sub(v128.load(x + i), means), rstds)
      const u1 = f32x4.mul(f32x4.sub(v128.load(x + i, 16), means), rstds)
      const g0 = f32x4.mul(v128.load(dy + i), v128.load(gain + i))
      const g1 = f32x4.mul(v128.load(dy + i, 16), v128.load(gain + i, 16))
      const d0 = f32x4.sub(f32x4.sub(g0, sums), f32x4.mul(u0, products))
      const d1 = f32x4.sub(f32x4.sub(g1, sums), f32x4.mul(u1, products))
      v128.store(dx + i, f32x4.add(v128.load(dx + i), f32x4.mul(rstds, d0)))
      v128.store(dx + i, f32x4.add(v128.load(dx + i, 16), f32x4.mul(rstds, d1)), 16)
    }
    stats += 8
    x += bytes
    dx += bytes
    dy += bytes
  }
}

/** out = x * rstd * gain for each row, rstd = 1 / sqrt(mean(x^2) + 1e-5); stats: 0 and rstd. */
export function rmsNorm(out: usize, x: usize, gain: usize, stats: usize, rows: u32, width: u32): void {
  const bytes = usize(width) << 2
  for (let r: u32 = 0; r < rows; r++) {
    const rstd = inverseRms(x, width)
    const rstds = f32x4.splat(rstd)
    for (let i: usize = 0; i < bytes; i += 32) {
      const y0 = f32x4.mul(f32x4.mul(v128.load(x + i), rstds), v128.load(gain + i))
      const y1 = f32x4.mul(f32x4.mul(v128.load(x + i, 16), rstds), v128.load(gain + i, 16))
      v128.store(out + i, y0)
      v128.store(out + i, y1, 16)
    }
    store<f32>(stats, 0)
    store<f32>(stats, rstd, 4)
    stats += 8
    x += bytes
    out += bytes
  }
}

/**
 * dx += the gradient through `rmsNorm`; dgain grows by its gradient. With u = x rstd and g = dy * gain:
 * dx += rstd * (g - u * mean(g u)).
 */
export function rmsNormBackward(
  dx: usize, dgain: usize, dy: usize, x: usize, gain: usize, stats: usize, rows: u32, width: u32,
): void {
  const bytes = usize(width) << 2
  const scale: f32 = 1 / f32(width)
  for (let r: u32 = 0; r < rows; r++) {
    const rstds = v128.load32_splat(stats, 4)
    let product0 = i32x4.splat(0), product1 = product0
    for (let i: usize = 0; i < bytes; i += 32) {
      const u0 = f32x4.mul(v128.load(x + i), rstds), u1 = f32x4.mul(v128.load(x + i, 16), rstds)
      const d0 = v128.load(dy + i), d1 = v128.load(dy + i, 16)
      product0 = f32x4.add(product0, f32x4.mul(f32x4.mul(d0, v128.load(gain + i)), u0))
      product1 = f32x4.add(product1, f32x4.mul(f32x4.mul(d1, v128.load(gain + i, 16)), u1))
      v128.store(dgain + i, f32x4.add(v128.load(dgain + i), f32x4.mul(d0, u0)))
      v128.store(dgain + i, f32x4.add(v128.load(dgain + i, 16), f32x4.mul(d1, u1)), 16)
    }
    const products = f32x4.splat(laneSum(product0, product1) * scale)
    for (let i: usize = 0; i < bytes; i += 32) {
      const u0 = f32x4.mul(v128.load(x + i), rstds), u1 = f32x4.mul(v128.load(x + i, 16), rstds)
      const d0 = f32x4.sub(f32x4.mul(v128.load(dy + i), v128.load(gain + i)), f32x4.mul(u0, products))
      const d1 = f32x4.sub(f32x4.mul(v128.load(dy + i, 16), v128.load(gain + i, 16)), f32x4.mul(u1, products))
      v128.store(dx + i, f32x4.add(v128.load(dx + i), f32x4.mul(rstds, d0)))
      v128.store(dx + i, f32x4.add(v128.load(dx + i, 16), f32x4.mul(rstds, d1)), 16)
    }
    stats += 8
    x += bytes
    dx += bytes
    dy += bytes
  }
}

/** 1 / sqrt(mean(x^2) + 1e-5) over `width` floats. */
export function inverseRms(x: usize, width: u32): f32 {
  const bytes = usize(width) << 2
  let low = i32x4.splat(0), high = low
  for (let i: usize = 0; i < bytes; i += 32) {
    const x0 = v128.load(x + i), x1 = v128.load(x + i, 16)
    low = f32x4.add(low, f32x4.mul(x0, x0))
    high = f32x4.add(high, f32x4.mul(x1, x1))
  }
  const scale: f32 = 1 / f32(width)
  return 1 / sqrt<f32>(laneSum(low, high) * scale + EPSILON)
}

/** One row x becomes x * rstd, in place; returns rstd = 1 / sqrt(mean(x^2) + 1e-5). */
export function normaliseRow(x: usize, width: u32): f32 {
  const bytes = usize(width) << 2
  const rstd = inverseRms(x, width)
  const rstds = f32x4.splat(rstd)
  for (let i: usize = 0; i < bytes; i += 32) {
    const x0 = f32x4.mul(v128.load(x + i), rstds), x1 = f32x4.mul(v128.load(x + i, 16), rstds)
    v128.store(x + i, x0)
    v128.store(x + i, x1, 16)
  }
  return rstd
}

/** dy becomes the gradient through `normaliseRow`, u being what that left: rstd * (dy - u * mean(dy u)). */
export function normaliseRowBackward(dy: usize, u: usize, rstd: f32, width: u32): void {
  const bytes = usize(width) << 2
  let low = i32x4.splat(0), high = low
  for (let i: usize = 0; i < bytes; i += 32) {
    low = f32x4.add(low, f32x4.mul(v128.load(dy + i), v128.load(u + i)))
    high = f32x4.add(high, f32x4.mul(v128.load(dy + i, 16), v128.load(u + i, 16)))
  }
  const scale: f32 = 1 / f32(width)
  const means = f32x4.splat(laneSum(low, high) * scale)
  const rstds = f32x4.splat(rstd)
  for (let i: usize = 0; i < bytes; i += 32) {
    const d0 = f32x4.mul(rstds, f32x4.sub(v128.load(dy + i), f32x4.mul(v128.load(u + i), means)))
    const d1 = f32x4.mul(rstds, f32x4.sub(v128.load(dy + i, 16), f32x4.mul(v128.load(u + i, 16), means)))
    v128.store(dy + i, d0)
    v128.store(dy + i, d1, 16)
  }
}
