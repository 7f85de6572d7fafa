// Not a kernel: the library's functions, exported one by one, so that tests can compare them with the specification and
// the bench can measure them beside the machine's peak. Never packed into a release.

import { gemm as gemmImpl, setWorkspace, WORKSPACE_BYTES } from '../lib/gemm'
import { member as memberImpl, numberAt as numberAtImpl } from '../lib/json'
import { cosPi as cosPiImpl, expv, log as logImpl, logv, tanhv } from '../lib/math'
import { reserve } from '../lib/memory'
import { below as belowImpl, fillNormal as fillNormalImpl, stream as streamImpl } from '../lib/rng'

export { gelu, reluSquared, softcap, softcapBackward, swiglu, swigluBackward } from '../lib/activation'
export { adamw } from '../lib/adamw'
export { attend, attendBackward } from '../lib/attention'
export { layerNorm, layerNormBackward, normaliseRow, normaliseRowBackward, rmsNorm, rmsNormBackward } from '../lib/norm'
export { fillRotations, rotate, rotateBack } from '../lib/rope'
export { sgd } from '../lib/sgd'
export { crossEntropy, softmax } from '../lib/softmax'

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

// A multiply and an add take about eight cycles, so a core needs twelve chains of them; engines have sixteen vector registers.
const FACTORS = memory.data<f32>([0.999, 0.001], 16)

/** The SIMD peak: `rounds` times 12 independent chains of a multiply and an add on four lanes, 96 operations a round. */
export function peak(rounds: u32, at: usize): void {
  const x = v128.load32_splat(FACTORS), y = v128.load32_splat(FACTORS, 4)
  let a = v128.load(at), b = v128.load(at, 16), c = v128.load(at, 32), d = v128.load(at, 48)
  let e = v128.load(at, 64), f = v128.load(at, 80), g = v128.load(at, 96), h = v128.load(at, 112)
  let i = v128.load(at, 128), j = v128.load(at, 144), k = v128.load(at, 160), l = v128.load(at, 176)
  for (let round: u32 = 0; round < rounds; round++) {
    a = step(a, x, y); b = step(b, x, y); c = step(c, x, y); d = step(d, x, y)
    e = step(e, x, y); f = step(f, x, y); g = step(g, x, y); h = step(h, x, y)
    i = step(i, x, y); j = step(j, x, y); k = step(k, x, y); l = step(l, x, y)
  }
  v128.store(at, a); v128.store(at, b, 16); v128.store(at, c, 32); v128.store(at, d, 48)
  v128.store(at, e, 64); v128.store(at, f, 80); v128.store(at, g, 96); v128.store(at, h, 112)
  v128.store(at, i, 128); v128.store(at, j, 144); v128.store(at, k, 160); v128.store(at, l, 176)
}

/** The same with 12 chains of two neighbouring vectors, which revectorisation makes one: 192 operations a round. */
export function peakPaired(rounds: u32, at: usize): void {
  const x = v128.load32_splat(FACTORS), y = v128.load32_splat(FACTORS, 4)
  let a = v128.load(at), b = v128.load(at, 16), c = v128.load(at, 32), d = v128.load(at, 48)
  let e = v128.load(at, 64), f = v128.load(at, 80), g = v128.load(at, 96), h = v128.load(at, 112)
  let i = v128.load(at, 128), j = v128.load(at, 144), k = v128.load(at, 160), l = v128.load(at, 176)
  let m = v128.load(at, 192), n = v128.load(at, 208), o = v128.load(at, 224), p = v128.load(at, 240)
  let q = v128.load(at, 256), r = v128.load(at, 272), s = v128.load(at, 288), t = v128.load(at, 304)
  let u = v128.load(at, 320), v = v128.load(at, 336), w = v128.load(at, 352), z = v128.load(at, 368)
  for (let round: u32 = 0; round < rounds; round++) {
    a = step(a, x, y); b = step(b, x, y); c = step(c, x, y); d = step(d, x, y)
    e = step(e, x, y); f = step(f, x, y); g = step(g, x, y); h = step(h, x, y)
    i = step(i, x, y); j = step(j, x, y); k = step(k, x, y); l = step(l, x, y)
    m = step(m, x, y); n = step(n, x, y); o = step(o, x, y); p = step(p, x, y)
    q = step(q, x, y); r = step(r, x, y); s = step(s, x, y); t = step(t, x, y)
    u = step(u, x, y); v = step(v, x, y); w = step(w, x, y); z = step(z, x, y)
  }
  v128.store(at, a); v128.store(at, b, 16); v128.store(at, c, 32); v128.store(at, d, 48)
  v128.store(at, e, 64); v128.store(at, f, 80); v128.store(at, g, 96); v128.store(at, h, 112)
  v128.store(at, i, 128); v128.store(at, j, 144); v128.store(at, k, 160); v128.store(at, l, 176)
  v128.store(at, m, 192); v128.store(at, n, 208); v128.store(at, o, 224); v128.store(at, p, 240)
  v128.store(at, q, 256); v128.store(at, r, 272); v128.store(at, s, 288); v128.store(at, t, 304)
  v128.store(at, u, 320); v128.store(at, v, 336); v128.store(at, w, 352); v128.store(at, z, 368)
}

@inline function step(a: v128, x: v128, y: v128): v128 {
  return f32x4.add(f32x4.mul(a, x), y)
}
