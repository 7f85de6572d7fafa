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
  while (x < end) {
    const value = v128.load(x)
    const positive = f32x4.gt(value, i32x4.splat(0))
    v128.store(y, v128.and(value, positive))
    v128.store(x, v128.and(v128.load32_splat(ONE), positive))
    x += 16
    y += 16
  }
}

// y = tanh x, slope 1 - y y.
function tanh(y: usize, x: usize, count: u32): void {
  const end = x + (usize(count) << 2)
  while (x < end) {
    const t = tanhv(v128.load(x))
    v128.store(y, t)
    v128.store(x, f32x4.sub(v128.load32_splat(ONE), f32x4.mul(t, t)))
    x += 16
    y += 16
  }
}

/** x (rows, columns) += bias, in every row; rows are `stride` floats apart. */
export function addBias(x: usize, bias: usize, rows: u32, columns: u32, stride: u32): void {
  const whole = usize(columns & ~3) << 2
  const bytes = usize(columns) << 2
  for (let r: u32 = 0; r < rows; r++) {
    let c: usize = 0
    for (; c < whole; c += 16) v128.store(x + c, f32x4.add(v128.load(x + c), v128.load(bias + c)))
    for (; c < bytes; c += 4) store<f32>(x + c, load<f32>(x + c) + load<f32>(bias + c))
    x += usize(stride) << 2
  }
}

/** sums (columns) += the rows of x, in their order. */
export function addRows(sums: usize, x: usize, rows: u32, columns: u32, stride: u32): void {
  const whole = usize(columns & ~3) << 2
  const bytes = usize(columns) << 2
  for (let r: u32 = 0; r < rows; r++) {
    let c: usize = 0
    for (; c < whole; c += 16) v128.store(sums + c, f32x4.add(v128.load(sums + c), v128.load(x + c)))
    for (; c < bytes; c += 4) store<f32>(sums + c, load<f32>(sums + c) + load<f32>(x + c))
    x += usize(stride) << 2
  }
}
