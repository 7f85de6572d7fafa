// The elementary operations of SPEC.md, scalar and slow, in two arithmetics: `exact` rounds every operation to f32, as the
// kernel does, and `real` is f64 with the engine's own exp, log and tanh, as mathematics would have it.

export type Numbers = Float32Array | Float64Array

export interface Arithmetic {
  readonly round: (x: number) => number
  readonly numbers: (count: number) => Numbers
  readonly exp: (x: number) => number
  readonly log: (x: number) => number
  readonly tanh: (x: number) => number
  /** Magnitudes below become 0. */
  readonly flushBelow: number
}

export const real: Arithmetic = {
  round: x => x,
  numbers: count => new Float64Array(count),
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  flushBelow: 0,
}

const r = Math.fround
const bits = new DataView(new ArrayBuffer(8))

export const exact: Arithmetic = {
  round: r,
  numbers: count => new Float32Array(count),
  exp: exp32,
  log: log32,
  tanh: tanh32,
  flushBelow: r(1e-30),
}

/** p[0] x^n + … + p[n] by Horner's rule, each operation rounded. */
const horner = (coefficients: readonly number[], x: number): number =>
  coefficients.map(r).reduce((sum, c) => r(r(sum * x) + c))

function exp32(x: number): number {
  if (x < -86) return 0
  const c = Math.min(x, 88)
  const shifter = 12582912
  const n = r(r(r(c * r(Math.LOG2E)) + shifter) - shifter)
  const rest = r(r(c - r(n * r(0.693359375))) - r(n * r(-2.1219444e-4)))
  const p = horner(
    [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 0.16666665459, 0.50000001201],
    rest,
  )
  return r(r(r(p * r(rest * rest)) + rest) + 1) * 2 ** n
}

function log32(x: number): number {
  bits.setFloat32(0, x)
  let exponent = (bits.getUint32(0) >>> 23) - 126
  bits.setUint32(0, (bits.getUint32(0) & 0x7fffff) | 0x3f000000)
  let m = bits.getFloat32(0)
  if (m < r(0.7071067811865475)) {
    exponent -= 1
    m = r(m + m)
  }
  m = r(m - 1)
  const z = r(m * m)
  const p = horner(
    [
      7.0376836292e-2, -0.1151461031, 0.1167699874, -0.12420140846, 0.14249322787, -0.16668057665,
      0.20000714765, -0.24999993993, 0.33333331174,
    ],
    m,
  )
  let y = r(r(p * m) * z)
  y = r(y + r(exponent * r(-2.1219444e-4)))
  y = r(y - r(0.5 * z))
  return r(r(m + y) + r(exponent * r(0.693359375)))
}

function tanh32(x: number): number {
  const edge = r(7.905311107635498)
  const c = Math.max(-edge, Math.min(edge, x))
  const z = r(c * c)
  const p = horner(
    [
      -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8,
      1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
    ],
    z,
  )
  const q = horner([1.19825839466702e-6, 1.18534705686654e-4, 2.268434632439e-3, 4.89352518554385e-3], z)
  return r(r(c * p) / q)
}

/** cos(pi x) on [0, 1] by the kernel's polynomial, in f64. */
export function cosPi(x: number): number {
  const y = Math.PI * (0.5 - x)
  const z = y * y
  const p = [
    -8.22063524662433e-18, 2.8114572543455206e-15, -7.647163731819816e-13, 1.6059043836821613e-10,
    -2.505210838544172e-8, 2.7557319223985893e-6, -1.984126984126984e-4, 8.333333333333333e-3,
    -0.16666666666666666,
  ].reduce((sum, c) => sum * z + c)
  return y * (p * z + 1)
}

/** The sum of term(0) … term(count - 1) in eight lanes, index mod 8; q = l + (l + 4), then (q0 + q2) + (q1 + q3). */
export function laneSum({ round }: Arithmetic, count: number, term: (i: number) => number): number {
  const lanes = [0, 0, 0, 0, 0, 0, 0, 0]
  for (let i = 0; i < count; i++) lanes[i % 8] = round((lanes[i % 8] ?? 0) + term(i))
  const four = (l: number): number => round((lanes[l] ?? 0) + (lanes[l + 4] ?? 0))
  return round(round(four(0) + four(2)) + round(four(1) + four(3)))
}

export const flush = ({ flushBelow }: Arithmetic, x: number): number => (Math.abs(x) >= flushBelow ? x : 0)

const U64 = (x: bigint): bigint => BigInt.asUintN(64, x)
const GOLDEN = 0x9e3779b97f4a7c15n

function mix(x: bigint): bigint {
  const a = U64((x ^ (x >> 30n)) * 0xbf58476d1ce4e5b9n)
  const b = U64((a ^ (a >> 27n)) * 0x94d049bb133111ebn)
  return b ^ (b >> 31n)
}

/** SplitMix64: the numbers of stream `index` for `seed`. */
export function randomStream(seed: number, index: number): () => bigint {
  let state = mix(U64(mix(U64(BigInt(seed) + GOLDEN)) + U64(BigInt(index) * GOLDEN)))
  return () => {
    state = U64(state + GOLDEN)
    return mix(state)
  }
}

/** Uniform in [0, count). */
export const below = (next: () => bigint, count: number): number =>
  Number(((next() >> 32n) * BigInt(count)) >> 32n)

/** Fills `out` with N(0, deviation) in f32, by the polar method. */
export function fillNormal(next: () => bigint, out: Float32Array, deviation: number): void {
  const symmetric = (): number => (Number(next() >> 40n) - 8388608) / 8388608
  const scale = r(deviation)
  for (let i = 0; i < out.length; ) {
    const u = symmetric()
    const v = symmetric()
    const s = r(r(u * u) + r(v * v))
    if (s >= 1 || s < r(1e-12)) continue
    const factor = r(Math.sqrt(r(r(-2 * log32(s)) / s)))
    out[i] = r(r(u * factor) * scale)
    if (i + 1 < out.length) out[i + 1] = r(r(v * factor) * scale)
    i += 2
  }
}
