// What a run knows, beside its weights and moments: counters, random numbers, sums, the learning curve, the present batch.
// All of it is hashed, so none of it is ever NaN. It is the head of a kernel's `xee_state`.

import { below } from './rng'

export const CURVE_POINTS: u32 = 64

export const TRAIN: u32 = 0
export const CALIBRATE: u32 = 1 // one evaluation block, to learn its price
export const EVALUATE: u32 = 2
export const OVER: u32 = 3

// Status 0: running.
export const OK: u32 = 1
export const DIVERGED: u32 = 2
export const INFEASIBLE: u32 = 3

@unmanaged
export class Counters {
  phase: u32
  status: u32
  updates: u32 // applied
  planned: u32 // 0 until it is known
  block: u32 // of the batch, or of the validation split
  stage: u32 // within the block
  started: u32 // whether a step was ever made
  points: u32 // of the curve
  pointEvery: u32 // updates from point to point
  pointUpdates: u32 // updates in pointSum
  random: u64 // state of the sampling stream
  fuelAtStart: u64 // fuel left when the first step, the calibration, and the present step began
  fuelAtCalibration: u64
  fuelNow: u64
  flopsDone: u64
  sliceFlops: u64
  beta1Power: f64 // beta^updates
  beta2Power: f64
  batchLoss: f64 // summed over the present batch, in the unit that the kernel sums in
  lastLoss: f64 // of the last batch, in the metric's unit
  pointSum: f64 // of lastLoss
  valSum: f64 // over the validation split, in the unit that the kernel sums in
  valCount: u32 // for the kernel's own use in the evaluation
  reserved: u32
  metric: f64
}

/** One point of the learning curve. */
@unmanaged
export class Point {
  update: u32
  hasVal: u32
  fuel: f64
  train: f64 // -1 where there is none
  val: f64
}

const HEAD_BYTES: usize = (offsetof<Counters>() + 63) & ~63
const POINT_BYTES: usize = 32
const CURVE_BYTES: usize = usize(CURVE_POINTS) * POINT_BYTES

let base: usize = 0

/** Bytes of counters, curve and the present batch's indices (u32), for batches of at most `batchMax`. */
export function countersBytes(batchMax: u32): usize {
  return HEAD_BYTES + CURVE_BYTES + (usize(batchMax) << 2)
}

/** Gives the counters their place: zeros, `countersBytes` of them. */
export function setCounters(start: usize): void {
  base = start
}

@inline export function counters(): Counters {
  return changetype<Counters>(base)
}

export function point(index: u32): Point {
  return changetype<Point>(base + HEAD_BYTES + usize(index) * POINT_BYTES)
}

/** Item `index` of the present batch. */
export function drawn(index: u32): u32 {
  return load<u32>(base + HEAD_BYTES + CURVE_BYTES + (usize(index) << 2))
}

/** Draws the next batch: `count` items, each uniform in [0, range), with replacement. */
export function drawBatch(count: u32, range: u32): void {
  const random = base + offsetof<Counters>('random')
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(base + HEAD_BYTES + CURVE_BYTES + (usize(i) << 2), below(random, range))
  }
}
