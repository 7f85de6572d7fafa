// Not a kernel: the library's functions, exported one by one, so that tests can compare them with the specification and
// the bench can measure them beside the machine's peak. Never packed into a release.

import { gemm as gemmImpl, setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { member as memberImpl, numberAt as numberAtImpl } from '../lib/json'
import { cosPi as cosPiImpl, expv, log as logImpl, logv, tanhv } from '../lib/math'
import { reserve } from '../lib/memory'
import { below as belowImpl, fillNormal as fillNormalImpl, stream as streamImpl } from '../lib/rng'

const PAGES_MAX: u32 = 4096

export function take(bytes: u32): usize {
  return reserve(bytes, PAGES_MAX)
}

export function prepare(): void {
  setWorkspace(reserve(WORKSPACE_BYTES, PAGES_MAX))
}

export function gemm(
  order: i32, triangle: i32, m: u32, n: u32, k: u32,
  a: usize, strideA: usize, b: usize, strideB: usize, c: usize, strideC: usize, accumulate: bool,
): void {
  gemmImpl(order, triangle, m, n, k, a, strideA, b, strideB, c, strideC, accumulate)
}

export function exp(x: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 4) v128.store(x + (i << 2), expv(v128.load(x + (i << 2))))
}

export function log(x: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 4) v128.store(x + (i << 2), logv(v128.load(x + (i << 2))))
}

export function tanh(x: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i += 4) v128.store(x + (i << 2), tanhv(v128.load(x + (i << 2))))
}

export function logScalar(x: f32): f32 {
  return logImpl(x)
}

export function cosPi(x: f64): f64 {
  return cosPiImpl(x)
}

export function stream(state: usize, seed: u64, index: u64): void {
  store<u64>(state, streamImpl(seed, index))
}

export function below(state: usize, count: u32): u32 {
  return belowImpl(state, count)
}

export function fillNormal(state: usize, out: usize, count: u32, deviation: f32): void {
  fillNormalImpl(state, out, count, deviation)
}

export function numberAt(text: usize, bytes: u32): f64 {
  return numberAtImpl(text, text + usize(bytes))
}

/** Where the value of the key 'a', 'b' or 'c' (0, 1, 2) begins, counted from the text's start; -1 if there is none. */
export function member(text: usize, bytes: u32, which: u32): i32 {
  const key = which == 0 ? 'a' : which == 1 ? 'b' : 'c'
  const at = memberImpl(text, text + usize(bytes), key)
  return at == 0 ? -1 : i32(at - text)
}

// Twelve chains: a multiply and an add take about eight cycles, and engines have sixteen vector registers.
const CHAINS = memory.data<f32>([0.999, 0.001, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 16)

/** The SIMD peak: `rounds` times 12 independent chains of a multiply and an add on four lanes, 96 operations a round. */
export function peak(rounds: u32): f32 {
  const x = v128.load32_splat(CHAINS)
  const y = v128.load32_splat(CHAINS, 4)
  let a = v128.load32_splat(CHAINS, 8), b = v128.load32_splat(CHAINS, 12), c = v128.load32_splat(CHAINS, 16)
  let d = v128.load32_splat(CHAINS, 20), e = v128.load32_splat(CHAINS, 24), f = v128.load32_splat(CHAINS, 28)
  let g = v128.load32_splat(CHAINS, 32), h = v128.load32_splat(CHAINS, 36), i = v128.load32_splat(CHAINS, 40)
  let j = v128.load32_splat(CHAINS, 44), k = v128.load32_splat(CHAINS, 48), l = v128.load32_splat(CHAINS, 52)
  for (let round: u32 = 0; round < rounds; round++) {
    a = step(a, x, y); b = step(b, x, y); c = step(c, x, y); d = step(d, x, y)
    e = step(e, x, y); f = step(f, x, y); g = step(g, x, y); h = step(h, x, y)
    i = step(i, x, y); j = step(j, x, y); k = step(k, x, y); l = step(l, x, y)
  }
  const sum = sum4(sum4(a, b, c, d), sum4(e, f, g, h), sum4(i, j, k, l), x)
  return f32x4.extract_lane(sum, 0)
}

@inline function step(a: v128, x: v128, y: v128): v128 {
  return f32x4.add(f32x4.mul(a, x), y)
}

@inline function sum4(a: v128, b: v128, c: v128, d: v128): v128 {
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d))
}
