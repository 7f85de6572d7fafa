// The learning rate of an update: a function of its number and of how many are planned, in f64.

import { cosPi } from './math'

export const COSINE: u32 = 0
export const LINEAR: u32 = 1
export const CONSTANT: u32 = 2
export const STABLE: u32 = 3 // warm-up, stable, decay

/** The schedules' names in recipes, in the order of the numbers above. */
export const SCHEDULES = 'cosine,linear,constant,wsd'

@unmanaged
export class Schedule {
  kind: u32
  lr: f64 // the peak
  warmup: u32 // updates
  final: f64 // the rate at the end, as a share of lr
  decay: f64 // share of the updates behind the warm-up in which STABLE falls
}

/**
 * The learning rate of update `index` (from 0) of `planned`: warm-up lr (index + 1) / (warmup + 1), then from lr to lr * final
 * along a cosine or a line, or constant, or constant until the last share `decay` and then along a line. Update 0 does not
 * depend on `planned`, which calibration fixes only after it.
 */
export function learningRate(schedule: Schedule, index: u32, planned: u32): f64 {
  const warmup = schedule.warmup
  if (index < warmup) return (schedule.lr * f64(index + 1)) / f64(warmup + 1)
  const done = planned > warmup ? f64(index - warmup) / f64(planned - warmup) : 0
  return schedule.lr * (schedule.final + (1 - schedule.final) * left(schedule, done))
}

// How much of the way from the final rate to the peak is left when the share `done` is done, 1 to 0.
function left(schedule: Schedule, done: f64): f64 {
  if (schedule.kind == COSINE) return 0.5 * (1 + cosPi(done))
  if (schedule.kind == LINEAR) return 1 - done
  if (schedule.kind == CONSTANT) return 1
  const falling = 1 - schedule.decay
  return done < falling ? 1 : (1 - done) / schedule.decay
}
