// Rotary positions (Su et al. 2021), base 10,000: of each head of d floats, the pair (x[i], x[i + d/2]) turns by the angle
// t * 10000^(-2i/d). d is a multiple of eight.

import { cosPi, exp64 } from './math'

const LOG_BASE: f64 = 9.210340371976182 // ln 10000
const PI: f64 = 3.141592653589793

/** Fills `table` with (T, d/2) cosines, then (T, d/2) sines. */
export function fillRotations(table: usize, length: u32, size: u32): void {
  const half = size >> 1
  const sines = table + (usize(length * half) << 2)
  for (let i: u32 = 0; i < half; i++) {
    const frequency = exp64(-LOG_BASE * (f64(2 * i) / f64(size))) / PI // half turns a position
    for (let t: u32 = 0; t < length; t++) {
      const at = usize(t * half + i) << 2
      const turns = f64(t) * frequency
      const angle = turns - 2 * floor<f64>(turns / 2) // in [0, 2) half turns
      store<f32>(table + at, f32(cosine(angle)))
      store<f32>(sines + at, f32(cosine(abs<f64>(angle - 0.5))))
    }
  }
}

// cos(pi x) for x in [0, 2).
function cosine(x: f64): f64 {
  return cosPi(x > 1 ? 2 - x : x)
}

/** Turns one head's row at position `t` forth: (x1 c - x2 s, x2 c + x1 s). */
export function rotate(x: usize, table: usize, t: u32, length: u32, size: u32): void {
  const half = usize(size) << 1 // bytes of half a head
  const cosines = table + usize(t) * half
  const sines = cosines + usize(length) * half
  for (let i: usize = 0; i < half; i += 16) {
    const c = v128.load(cosines + i), s = v128.load(sines + i)
    const x1 = v128.load(x + i), x2 = v128.load(x + half + i)
    v128.store(x + i, f32x4.sub(f32x4.mul(x1, c), f32x4.mul(x2, s)))
    v128.store(x + half + i, f32x4.add(f32x4.mul(x2, c), f32x4.mul(x1, s)))
  }
}

/** Turns a gradient back: (y1 c + y2 s, y2 c - y1 s). */
export function rotateBack(x: usize, table: usize, t: u32, length: u32, size: u32): void {
  const half = usize(size) << 1
  const cosines = table + usize(t) * half
  const sines = cosines + usize(length) * half
  for (let i: usize = 0; i < half; i += 16) {
    const c = v128.load(cosines + i), s = v128.load(sines + i)
    const x1 = v128.load(x + i), x2 = v128.load(x + half + i)
    v128.store(x + i, f32x4.add(f32x4.mul(x1, c), f32x4.mul(x2, s)))
    v128.store(x + half + i, f32x4.sub(f32x4.mul(x2, c), f32x4.mul(x1, s)))
  }
}
