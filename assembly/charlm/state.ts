// What a run knows, beside its weights and moments: counters, random numbers, sums. All of it is hashed, so none of it is
// ever NaN.

export const CURVE_POINTS: u32 = 62
const BATCH_MAX: u32 = 64

export const TRAIN: u32 = 0
export const CALIBRATE: u32 = 1 // one evaluation block, to learn its price
export const EVALUATE: u32 = 2
export const OVER: u32 = 3

// Status 0: running.
export const OK: u32 = 1
export const DIVERGED: u32 = 2
export const INFEASIBLE: u32 = 3

@unmanaged
export class State {
  phase: u32
  status: u32
  updates: u32 // applied
  planned: u32 // 0 until it is known
  block: u32 // of the batch, or of the validation split: S sequences each
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
  batchLoss: f64 // nats, summed over the rows of the present batch
  lastLoss: f64 // bits per byte, mean of the last batch
  pointSum: f64 // of lastLoss
  valNats: f64 // summed over known bytes of the validation split
  valUnknown: u32 // bytes of the validation split without a symbol
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

const HEAD_BYTES: usize = (offsetof<State>() + 63) & ~63
const POINT_BYTES: usize = 32

/** State, the starts of the batch's windows, the curve. */
export const STATE_BYTES: usize = HEAD_BYTES + (usize(BATCH_MAX) << 2) + usize(CURVE_POINTS) * POINT_BYTES

/** Where window `index` of the present batch begins in the training split. */
export function windowStart(state: usize, index: u32): usize {
  return state + HEAD_BYTES + (usize(index) << 2)
}

export function point(state: usize, index: u32): Point {
  return changetype<Point>(state + HEAD_BYTES + (usize(BATCH_MAX) << 2) + usize(index) * POINT_BYTES)
}
