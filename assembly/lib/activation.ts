// Activations, each value with its derivative in one pass: the derivative replaces the input, ready for the backward pass.
// Counts are multiples of eight. Two vectors are worked on side by side, which revectorising engines join.

import { expv, flush, tanhv } from './math'

const GELU = memory.data<f32>([0.7978845608028654, 0.035677408136300125, 0.10703222440890037, 0.5, 1.0], 16)
const SIGMOID = memory.data<f32>([1.0, 1.0e-30], 16)

/**
 * GELU in its tanh form: y = x/2 (1 + t), t = tanh(x (a + b x^2)), a = sqrt(2/pi), b = 0.044715 a; and x becomes
 * (1 + t)/2 + x/2 (1 - t^2)(a + 3b x^2).
 */
export function gelu(y: usize, x: usize, count: u32): void {
  const end = x + (usize(count) << 2)
  while (x < end) {
    const x0 = v128.load(x), x1 = v128.load(x, 16)
    const s0 = f32x4.mul(x0, x0), s1 = f32x4.mul(x1, x1)
    const t0 = geluTanh(x0, s0), t1 = geluTanh(x1, s1)
    const d0 = geluSlope(x0, s0, t0), d1 = geluSlope(x1, s1, t1)
    v128.store(y, geluValue(x0, t0))
    v128.store(y, geluValue(x1, t1), 16)
    v128.store(x, d0)
    v128.store(x, d1, 16)
    x += 32
    y += 32
  }
}

@inline function geluTanh(x: v128, square: v128): v128 {
  const curve = f32x4.add(v128.load32_splat(GELU), f32x4.mul(v128.load32_splat(GELU, 4), square))
  return tanhv(f32x4.mul(x, curve))
}

@inline function geluValue(x: v128, t: v128): v128 {
  return f32x4.mul(f32x4.mul(v128.load32_splat(GELU, 12), x), f32x4.add(v128.load32_splat(GELU, 16), t))
}

@inline function geluSlope(x: v128, square: v128, t: v128): v128 {
  const half = v128.load32_splat(GELU, 12)
  const one = v128.load32_splat(GELU, 16)
  const slope = f32x4.add(v128.load32_splat(GELU), f32x4.mul(v128.load32_splat(GELU, 8), square))
  const bend = f32x4.mul(f32x4.mul(f32x4.mul(half, x), f32x4.sub(one, f32x4.mul(t, t))), slope)
  return f32x4.add(f32x4.mul(half, f32x4.add(one, t)), bend)
}

/** y = r^2 with r = x where x > 0, else 0 (NaN stays NaN); and x becomes 2 r. */
export function reluSquared(y: usize, x: usize, count: u32): void {
  const end = x + (usize(count) << 2)
  const zero = i32x4.splat(0)
  while (x < end) {
    const r0 = f32x4.pmax(v128.load(x), zero), r1 = f32x4.pmax(v128.load(x, 16), zero)
    v128.store(y, f32x4.mul(r0, r0))
    v128.store(y, f32x4.mul(r1, r1), 16)
    v128.store(x, f32x4.add(r0, r0))
    v128.store(x, f32x4.add(r1, r1), 16)
    x += 32
    y += 32
  }
}

/**
 * SwiGLU of `rows` rows: x holds gate a and value b side by side, `width` floats each; y = silu(a) b with silu(a) = a s,
 * s = flush(1 / (1 + e^-a)). Then a becomes dy/da = b s (1 + a (1 - s)), and b becomes dy/db = silu(a).
 */
export function swiglu(y: usize, x: usize, rows: u32, width: u32): void {
  const bytes = usize(width) << 2
  for (let r: u32 = 0; r < rows; r++) {
    const gates = x, values = x + bytes
    for (let i: usize = 0; i < bytes; i += 32) {
      const a0 = v128.load(gates + i), a1 = v128.load(gates + i, 16)
      const b0 = v128.load(values + i), b1 = v128.load(values + i, 16)
      const s0 = sigmoid(a0), s1 = sigmoid(a1)
      const u0 = f32x4.mul(a0, s0), u1 = f32x4.mul(a1, s1)
      const d0 = f32x4.mul(b0, siluSlope(a0, s0)), d1 = f32x4.mul(b1, siluSlope(a1, s1))
      v128.store(y + i, f32x4.mul(u0, b0))
      v128.store(y + i, f32x4.mul(u1, b1), 16)
      v128.store(gates + i, d0)
      v128.store(gates + i, d1, 16)
      v128.store(values + i, u0)
      v128.store(values + i, u1, 16)
    }
    x += bytes << 1
    y += bytes
  }
}

@inline function sigmoid(a: v128): v128 {
  const one = v128.load32_splat(SIGMOID)
  return flush(f32x4.div(one, f32x4.add(one, expv(f32x4.neg(a)))), v128.load32_splat(SIGMOID, 4))
}

@inline function siluSlope(a: v128, s: v128): v128 {
  const one = v128.load32_splat(SIGMOID)
  return f32x4.mul(s, f32x4.add(one, f32x4.mul(a, f32x4.sub(one, s))))
}

/** dx (rows, 2 width) = dy (rows, width) times the two slopes that `swiglu` left, side by side. */
export function swigluBackward(dx: usize, dy: usize, slopes: usize, rows: u32, width: u32): void {
  const bytes = usize(width) << 2
  for (let r: u32 = 0; r < rows; r++) {
    for (let i: usize = 0; i < bytes; i += 32) {
      const d0 = v128.load(dy + i), d1 = v128.load(dy + i, 16)
      const gate = slopes + i, value = gate + bytes
      const gateOut = dx + i, valueOut = gateOut + bytes
      v128.store(gateOut, f32x4.mul(d0, v128.load(gate)))
      v128.store(gateOut, f32x4.mul(d1, v128.load(gate, 16)), 16)
      v128.store(valueOut, f32x4.mul(d0, v128.load(value)))
      v128.store(valueOut, f32x4.mul(d1, v128.load(value, 16)), 16)
    }
    dx += bytes << 1
    slopes += bytes << 1
    dy += bytes
  }
}

/** dy becomes dy * slope. */
export function multiply(dy: usize, slope: usize, count: u32): void {
  const end = dy + (usize(count) << 2)
  while (dy < end) {
    const d0 = f32x4.mul(v128.load(dy), v128.load(slope)), d1 = f32x4.mul(v128.load(dy, 16), v128.load(slope, 16))
    v128.store(dy, d0)
    v128.store(dy, d1, 16)
    dy += 32
    slope += 32
  }
}

/** z becomes cap * t with t = tanh(z * (1 / cap)); slope = 1 - t^2. */
export function softcap(z: usize, slope: usize, count: u32, cap: f32): void {
  const end = z + (usize(count) << 2)
  const caps = f32x4.splat(cap)
  const inverse = f32x4.splat(1 / cap)
  while (z < end) {
    const t0 = tanhv(f32x4.mul(v128.load(z), inverse)), t1 = tanhv(f32x4.mul(v128.load(z, 16), inverse))
    const one = v128.load32_splat(SIGMOID)
    v128.store(z, f32x4.mul(t0, caps))
    v128.store(z, f32x4.mul(t1, caps), 16)
    v128.store(slope, f32x4.sub(one, f32x4.mul(t0, t0)))
    v128.store(slope, f32x4.sub(one, f32x4.mul(t1, t1)), 16)
    z += 32
    slope += 32
  }
}

/** dz becomes flush(dz * slope). */
export function softcapBackward(dz: usize, slope: usize, count: u32): void {
  const end = dz + (usize(count) << 2)
  const limit = v128.load32_splat(SIGMOID, 4)
  while (dz < end) {
    const d0 = flush(f32x4.mul(v128.load(dz), v128.load(slope)), limit)
    const d1 = flush(f32x4.mul(v128.load(dz, 16), v128.load(slope, 16)), limit)
    v128.store(dz, d0)
    v128.store(dz, d1, 16)
    dz += 32
    slope += 32
  }
}
