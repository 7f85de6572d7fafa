// SplitMix64 (Steele, Lea and Flood 2014): the state is a counter, so a stream is eight bytes and any draw is cheap.
// Every stream of a run starts from the seed and the stream's number; see SPEC.md, "Randomness".

import { log } from './math'

const GOLDEN: u64 = 0x9e3779b97f4a7c15

/** The first state of stream number `index` for `seed`. */
export function stream(seed: u64, index: u64): u64 {
  return mix(mix(seed + GOLDEN) + index * GOLDEN)
}

/** The next 64 bits; the state is the u64 at `state`. */
export function next(state: usize): u64 {
  const counter = load<u64>(state) + GOLDEN
  store<u64>(state, counter)
  return mix(counter)
}

/** Uniform in [0, count), by multiply and shift of 32 random bits; the bias is below count / 2^32. */
export function below(state: usize, count: u32): u32 {
  return u32(((next(state) >> 32) * u64(count)) >> 32)
}

/** Fills `count` f32 at `out` with N(0, deviation), by Marsaglia's polar method, two at a time; an odd last pair loses one. */
export function fillNormal(state: usize, out: usize, count: u32, deviation: f32): void {
  const end = out + (usize(count) << 2)
  while (out < end) {
    const u = symmetric(next(state))
    const v = symmetric(next(state))
    const s: f32 = u * u + v * v
    if (s >= 1 || s < 1e-12) continue
    const factor: f32 = sqrt<f32>((-2 * log(s)) / s)
    store<f32>(out, u * factor * deviation)
    if (out + 4 < end) store<f32>(out + 4, v * factor * deviation)
    out += 8
  }
}

// Uniform in [-1, 1) in steps of 2^-23, from the top 24 bits: exact in f32.
@inline function symmetric(bits: u64): f32 {
  return f32(i32(bits >> 40) - 8388608) * (1.0 / 8388608.0)
}

function mix(bits: u64): u64 {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb
  return bits ^ (bits >> 31)
}
