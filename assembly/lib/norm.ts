// Layer normalisation over rows of `width` floats, a multiple of four. Sums over a row are four lane sums, then
// (l0 + l2) + (l1 + l3); sums over rows (the gradients of gain and bias) run down the rows, in f32.

import { laneSum } from './math'

const EPSILON: f32 = 1e-5

/** out = (x - mean) * rstd * gain + bias for each row; mean and rstd go to `stats`, two floats a row. */
export function layerNorm(
  out: usize, x: usize, gain: usize, bias: usize, stats: usize, rows: u32, width: u32,
): void {
  const bytes = usize(width) << 2
  const scale: f32 = 1 / f32(width)
  for (let r: u32 = 0; r < rows; r++) {
    let total = i32x4.splat(0)
    for (let i: usize = 0; i < bytes; i += 16) total = f32x4.add(total, v128.load(x + i))
    const mean = laneSum(total) * scale
    const means = f32x4.splat(mean)
    let squares = i32x4.splat(0)
    for (let i: usize = 0; i < bytes; i += 16) {
      const centred = f32x4.sub(v128.load(x + i), means)
      squares = f32x4.add(squares, f32x4.mul(centred, centred))
    }
    const rstd: f32 = 1 / sqrt<f32>(laneSum(squares) * scale + EPSILON)
    const rstds = f32x4.splat(rstd)
    for (let i: usize = 0; i < bytes; i += 16) {
      const unit = f32x4.mul(f32x4.sub(v128.load(x + i), means), rstds)
      v128.store(out + i, f32x4.add(f32x4.mul(unit, v128.load(gain + i)), v128.load(bias + i)))
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
 * With h = (x - mean) rstd and g = dy * gain: dx += rstd * ((g - mean g) - h * mean(g h)).
 */
export function layerNormBackward(
  dx: usize, dgain: usize, dbias: usize, dy: usize, x: usize, gain: usize, stats: usize, rows: u32, width: u32,
): void {
  const bytes = usize(width) << 2
  const scale: f32 = 1 / f32(width)
  for (let r: u32 = 0; r < rows; r++) {
    const means = v128.load32_splat(stats)
    const rstds = v128.load32_splat(stats, 4)
    let sum = i32x4.splat(0)
    let product = sum
    for (let i: usize = 0; i < bytes; i += 16) {
      const unit = f32x4.mul(f32x4.sub(v128.load(x + i), means), rstds)
      const slope = v128.load(dy + i)
      const g = f32x4.mul(slope, v128.load(gain + i))
      sum = f32x4.add(sum, g)
      product = f32x4.add(product, f32x4.mul(g, unit))
      v128.store(dgain + i, f32x4.add(v128.load(dgain + i), f32x4.mul(slope, unit)))
      v128.store(dbias + i, f32x4.add(v128.load(dbias + i), slope))
    }
    const sums = f32x4.splat(laneSum(sum) * scale)
    const products = f32x4.splat(laneSum(product) * scale)
    for (let i: usize = 0; i < bytes; i += 16) {
      const unit = f32x4.mul(f32x4.sub(v128.load(x + i), means), rstds)
      const g = f32x4.mul(v128.load(dy + i), v128.load(gain + i))
      const d = f32x4.sub(f32x4.sub(g, sums), f32x4.mul(unit, products))
      v128.store(dx + i, f32x4.add(v128.load(dx + i), f32x4.mul(rstds, d)))
    }
    stats += 8
    x += bytes
    dx += bytes
    dy += bytes
  }
}
