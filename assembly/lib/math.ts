// exp, log and tanh on four f32 at a time, and cos(pi x) in f64. Our own code, so that no host mathematics enters a run.
// Coefficients: exp and log from Cephes (expf, logf; Moshier), tanh from Eigen (ptanh_float). Each is evaluated by Horner's
// rule with one rounding per operation, in the order written here; SPEC.md repeats it. Constants come from a table by
// `load32_splat`: engines re-materialise `f32x4.splat(constant)` in every iteration of a loop, which costs up to 1.8x.

// biome-ignore format: one row per function
const EXP = memory.data<f32>([
  -86.0, 88.0, 1.44269504088896341, 12582912.0, 0.693359375, -2.12194440e-4,
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1.0,
], 16)

const LOG = memory.data<f32>([
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1, -2.12194440e-4, 0.5, 0.693359375, 0.707106781186547524, 1.0,
], 16)

const TANH = memory.data<f32>([
  -7.90531110763549805, 7.90531110763549805,
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8, 1.48572235717979e-5,
  6.37261928875436e-4, 4.89352455891786e-3,
  1.19825839466702e-6, 1.18534705686654e-4, 2.26843463243900e-3, 4.89352518554385e-3,
], 16)

/**
 * e^x; 0 below -86 (so that nothing is ever a denormal), constant above 88. Relative error below 1.2e-7; NaN and +infinity
 * give NaN.
 */
@inline export function expv(x: v128): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, v128.load32_splat(EXP, 0)), v128.load32_splat(EXP, 4))
  const shifter = v128.load32_splat(EXP, 12) // 1.5 * 2^23: adding it rounds to an integer, to even
  const shifted = f32x4.add(f32x4.mul(clamped, v128.load32_splat(EXP, 8)), shifter)
  const n = f32x4.sub(shifted, shifter)
  let r = f32x4.sub(clamped, f32x4.mul(n, v128.load32_splat(EXP, 16)))
  r = f32x4.sub(r, f32x4.mul(n, v128.load32_splat(EXP, 20)))
  let p = v128.load32_splat(EXP, 24)
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 28))
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 32))
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 36))
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 40))
  p = f32x4.add(f32x4.mul(p, r), v128.load32_splat(EXP, 44))
  p = f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r)
  p = f32x4.add(p, v128.load32_splat(EXP, 48))
  // The low bits of `shifted` are n: shifted into the exponent field they multiply by 2^n, exactly.
  const scaled = i32x4.add(p, i32x4.shl(shifted, 23))
  const value = f32x4.add(scaled, f32x4.sub(x, x)) // x - x is 0, or NaN where x is NaN or infinite
  return v128.andnot(value, f32x4.lt(x, v128.load32_splat(EXP, 0)))
}

/**
 * The natural logarithm of a positive, normal x; relative error below 1.2e-7, except near 1, where it is absolute. NaN and
 * infinity give NaN.
 */
@inline export function logv(x: v128): v128 {
  const one = v128.load32_splat(LOG, 52)
  const half = v128.load32_splat(LOG, 40)
  const mantissa = v128.or(v128.and(x, i32x4.splat(0x007fffff)), half)
  const small = f32x4.lt(mantissa, v128.load32_splat(LOG, 48))
  const exponent = i32x4.sub(i32x4.shr_u(x, 23), i32x4.splat(126))
  const e = f32x4.sub(f32x4.convert_i32x4_s(exponent), v128.and(small, one))
  const m = f32x4.sub(f32x4.add(mantissa, v128.and(small, mantissa)), one)
  const z = f32x4.mul(m, m)
  let p = v128.load32_splat(LOG, 0)
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 4))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 8))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 12))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 16))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 20))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 24))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 28))
  p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(LOG, 32))
  let y = f32x4.mul(f32x4.mul(p, m), z)
  y = f32x4.add(y, f32x4.mul(e, v128.load32_splat(LOG, 36)))
  y = f32x4.sub(y, f32x4.mul(half, z))
  const result = f32x4.add(f32x4.add(m, y), f32x4.mul(e, v128.load32_splat(LOG, 44)))
  return f32x4.add(result, f32x4.sub(x, x)) // x - x is 0, or NaN where there is no logarithm to speak of
}

/** tanh; an odd rational function of x clamped to +-7.905. Relative error below 5e-7; NaN stays NaN. */
@inline export function tanhv(x: v128): v128 {
  const c = f32x4.pmin(f32x4.pmax(x, v128.load32_splat(TANH, 0)), v128.load32_splat(TANH, 4))
  const z = f32x4.mul(c, c)
  let p = v128.load32_splat(TANH, 8)
  p = f32x4.add(f32x4.mul(p, z), v128.load32_splat(TANH, 12))
  p = f32x4.add(f32x4.mul(p, z), v128.load32_splat(TANH, 16))
  p = f32x4.add(f32x4.mul(p, z), v128.load32_splat(TANH, 20))
  p = f32x4.add(f32x4.mul(p, z), v128.load32_splat(TANH, 24))
  p = f32x4.add(f32x4.mul(p, z), v128.load32_splat(TANH, 28))
  p = f32x4.add(f32x4.mul(p, z), v128.load32_splat(TANH, 32))
  let q = v128.load32_splat(TANH, 36)
  q = f32x4.add(f32x4.mul(q, z), v128.load32_splat(TANH, 40))
  q = f32x4.add(f32x4.mul(q, z), v128.load32_splat(TANH, 44))
  q = f32x4.add(f32x4.mul(q, z), v128.load32_splat(TANH, 48))
  return f32x4.div(f32x4.mul(c, p), q)
}

/** The natural logarithm of one positive, normal f32: lane 0 of `logv`. */
export function log(x: f32): f32 {
  return f32x4.extract_lane(logv(f32x4.splat(x)), 0)
}

/** cos(pi x) for x in [0, 1], in f64: sin(pi (1/2 - x)) by its Taylor polynomial of degree 19. Absolute error below 1e-14. */
export function cosPi(x: f64): f64 {
  const y = 3.141592653589793 * (0.5 - x)
  const z = y * y
  let p = -8.22063524662433e-18
  p = p * z + 2.8114572543455206e-15
  p = p * z - 7.647163731819816e-13
  p = p * z + 1.6059043836821613e-10
  p = p * z - 2.505210838544172e-8
  p = p * z + 2.7557319223985893e-6
  p = p * z - 1.984126984126984e-4
  p = p * z + 8.333333333333333e-3
  p = p * z - 0.16666666666666666
  return y * (p * z + 1)
}

const SCRATCH = memory.data(32, 16)

/**
 * The sum of eight lanes, `low` the first four, as the specification orders it: q = low + high, then (q0 + q2) + (q1 + q3).
 * Both go through memory, side by side: that is where revectorising engines begin to pair the loop that made them.
 */
@inline export function laneSum(low: v128, high: v128): f32 {
  v128.store(SCRATCH, low)
  v128.store(SCRATCH, high, 16)
  const fours = f32x4.add(v128.load(SCRATCH), v128.load(SCRATCH, 16))
  const pairs = f32x4.add(fours, v128.shuffle<i32>(fours, fours, 2, 3, 0, 1))
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1)
}

/** The largest lane. */
@inline export function laneMax(x: v128): f32 {
  const pairs = f32x4.pmax(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1))
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<i32>(pairs, pairs, 1, 0, 3, 2)), 0)
}

/**
 * e^x in f64 for -20 <= x <= 0: Taylor's polynomial of degree 8 at x / 1024, squared ten times. Relative error below 1e-12.
 */
export function exp64(x: f64): f64 {
  const z = x / 1024
  let p: f64 = 1
  for (let i = 8; i > 0; i--) p = 1 + (p * z) / f64(i)
  for (let i = 0; i < 10; i++) p = p * p
  return p
}

/** x where |x| >= limit, else 0 (also for NaN: who may meet one tests for it before). */
@inline export function flush(x: v128, limit: v128): v128 {
  return v128.and(x, f32x4.ge(f32x4.abs(x), limit))
}
