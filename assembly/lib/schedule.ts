// The learning rate of an update: a function of its number and of how many are planned, in f64.

import { cosPi } from './math'

@unmanaged
export class Schedule {
  lr: f64 // the peak
  warmup: u32 // updates
  final: f64 // the rate at the end, as a share of lr
}

/**
 * The learning rate of update `index` (from 0) of `planned`: warm-up lr (index + 1) / (warmup + 1), then a cosine from lr to
 * lr * final. Update 0 does not depend on `planned`, which calibration fixes only after it.
 */
export function learningRate(schedule: Schedule, index: u32, planned: u32): f64 {
  const warmup = schedule.warmup
  if (index < warmup) return (schedule.lr * f64(index + 1)) / f64(warmup + 1)
  const done = planned > warmup ? f64(index - warmup) / f64(planned - warmup) : 0
  return schedule.lr * (schedule.final + (1 - schedule.final) * 0.5 * (1 + cosPi(done)))
}
