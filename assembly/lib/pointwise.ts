// What stands between the products of a plain network: biases, activations, and the sums down the rows that are the
// gradients of biases.

import { gelu } from './activation'
import { tanhv } from './math'

export const RELU: u32 = 0
export const GELU: u32 = 1
export const TANH: u32 = 2

const ONE = memory.data<f32>([1.0], 16)

/** y = f(x), and x becomes f'(x). `count` is a multiple of eight. */
export function activate(kind: u32, y: usize, x: usize, count: u32): void {
  if (kind == GELU) gelu(y, x, count)
  else if (kind == TANH) tanh(y, x, count)
  else relu(y, x, count)
}

// y = x and slope 1 where x > 0, else 0 and 0.
function relu(y: usize, x: usize, count: u32): void {
  const end = x + (usize(count) << 2)
  const zero = i32x4.splat(0)
  while (x < end) {
    const x0 = v128.load(x), x1 = v128.load(x, 16)
    const p0 = f32x4.gt(x0, zero), p1 = f32x4.gt(x1, zero)
    v128.store(y, v128.and(x0, p0))
    v128.store(y, v128.and(x1, p1), 16)
    v128.store(x, v128.and(v128.load32_splat(ONE), p0))
    v128.store(x, v128.and(v128.load32_splat(ONE), p1), 16)
    x += 32
    y += 32
  }
}

// y = tanh x, slope 1 - y y.
function tanh(y: usize, x: usize, count: u32): void {
  const end = x + (usize(count) << 2)
  while (x < end) {
    const t0 = tanhv(v128.load(x)), t1 = tanhv(v128.load(x, 16))
    v128.store(y, t0)
    v128.store(y, t1, 16)
    v128.store(x, f32x4.sub(v128.load32_splat(ONE), f32x4.mul(t0, t0)))
    v128.store(x, f32x4.sub(v128.load32_splat(ONE), f32x4.mul(t1, t1)), 16)
    x += 32
    y += 32
  }
}

/** x (rows, columns) += bias, in every row; rows are `stride` floats apart. */
export function addBias(x: usize, bias: usize, rows: u32, columns: u32, stride: u32): void {
  const whole = usize(columns & ~7) << 2
  const bytes = usize(columns) << 2
  for (let r: u32 = 0; r < rows; r++) {
    let c: usize = 0
    for (; c < whole; c += 32) addEight(x + c, bias + c)
    for (; c < bytes; c += 4) store<f32>(x + c, load<f32>(x + c) + load<f32>(bias + c))
    x += usize(stride) << 2
  }
}

/** sums (columns) += the rows of x, in their order. */
export function addRows(sums: usize, x: usize, rows: u32, columns: u32, stride: u32): void {
  const whole = usize(columns & ~7) << 2
  const bytes = usize(columns) << 2
  for (let r: u32 = 0; r < rows; r++) {
    let c: usize = 0
    for (; c < whole; c += 32) addEight(sums + c, x + c)
    for (; c < bytes; c += 4) store<f32>(sums + c, load<f32>(sums + c) + load<f32>(x + c))
    x += usize(stride) << 2
  }
}

@inline function addEight(to: usize, from: usize): void {
  const a0 = v128.load(to), a1 = v128.load(to, 16)
  v128.store(to, f32x4.add(a0, v128.load(from)))
  v128.store(to, f32x4.add(a1, v128.load(from, 16)), 16)
}
