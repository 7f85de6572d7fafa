// GELU in its tanh form: y = x/2 (1 + t), t = tanh(x (a + b x^2)), a = sqrt(2/pi), b = 0.044715 a. Value and derivative
// come out of one pass, since both need t: the derivative replaces the input, ready for the backward pass.

import { tanhv } from './math'

const GELU = memory.data<f32>([0.7978845608028654, 0.035677408136300125, 0.10703222440890037, 0.5, 1.0], 16)

/** y = gelu(x), and x becomes gelu'(x) = (1 + t)/2 + x/2 (1 - t^2)(a + 3b x^2). `count` is a multiple of four. */
export function gelu(y: usize, x: usize, count: u32): void {
  const end = x + (usize(count) << 2)
  while (x < end) {
    const value = v128.load(x)
    const square = f32x4.mul(value, value)
    const a = v128.load32_splat(GELU)
    const one = v128.load32_splat(GELU, 16)
    const inner = f32x4.mul(value, f32x4.add(a, f32x4.mul(v128.load32_splat(GELU, 4), square)))
    const t = tanhv(inner)
    const half = f32x4.mul(v128.load32_splat(GELU, 12), value)
    const upper = f32x4.add(one, t)
    v128.store(y, f32x4.mul(half, upper))
    const slope = f32x4.add(a, f32x4.mul(v128.load32_splat(GELU, 8), square))
    const bend = f32x4.mul(f32x4.mul(half, f32x4.sub(one, f32x4.mul(t, t))), slope)
    v128.store(x, f32x4.add(f32x4.mul(v128.load32_splat(GELU, 12), upper), bend))
    x += 16
    y += 16
  }
}

/** dy becomes dy * slope, `count` floats, a multiple of four. */
export function multiply(dy: usize, slope: usize, count: u32): void {
  const end = dy + (usize(count) << 2)
  while (dy < end) {
    v128.store(dy, f32x4.mul(v128.load(dy), v128.load(slope)))
    dy += 16
    slope += 16
  }
}
