// A run as a sequence of stages. Which stage comes next, and what follows from its outcome, is decided here; a slice is as many
// stages as fit into `sliceFlops` (one, if a single stage is larger). What a stage does is the kernel's: its model, a class
// whose methods are resolved when the kernel is compiled (no table, no indirect call). A model M has
//
//   begin(): void                         draws the next batch and clears what the stages of an update add to
//   trainBlocks(): u32, trainStages(): u32    a batch is cut into blocks, each is computed in stages
//   trainFlops(block, stage): u64
//   train(block, stage): bool             false: a loss is not finite
//   batchLoss(): f64, lossMax(): f64      of the whole batch, in the metric's unit; above lossMax nothing is learnt any more
//   updateStages(): u32, updateFlops(stage): u64
//   update(stage): bool                   false, with no parameter changed: the gradient is not finite (stage 0 only)
//   longestUpdate(price): u64             the most that any update may cost, given what update 0 did
//   evaluationBlocks(): u32, evaluationStages(): u32, evaluationFlops(stage): u64
//   evaluate(block, stage): bool          adds to `valSum`, but not while calibrating; false: a loss is not finite
//   metric(): f64                         from `valSum`, when every block is done
//
// A run with rungs is evaluated at the end of each and ends with rung `until`. Nothing before the end of a rung depends on
// `until`, so a run that ends earlier is a prefix of those that end later: the same updates, curve, marks and slices.

import { recordMetric, recordPoint } from './curve'
import { job, LAST_RUNG, RUNGS, UPDATES_MAX } from './job'
import { stream } from './rng'
import { CALIBRATE, Counters, counters, DIVERGED, EVALUATE, INFEASIBLE, OK, OVER, TRAIN } from './state'

// A slice is a 64th of the run, so that eight marks fall on eight steps; at least what makes the host's own work between two
// slices small, at most some ten milliseconds on one core, so that a pause is felt at once.
const SLICES: u64 = 64
const SLICE_FLOPS_MIN: u64 = 4000000
const SLICE_FLOPS_MAX: u64 = 250000000

/** Prepares the counters of a run; weights are set by the caller. */
export function startRun<M>(model: M): void {
  const s = counters()
  s.random = stream(job.seed, 1)
  s.beta1Power = 1
  s.beta2Power = 1
  s.phase = job.evaluate ? EVALUATE : TRAIN
  if (!job.evaluate && job.updates > 0) plan(s, job.updates)
  // An operation takes about one unit of fuel.
  const size = job.fuel > 0 ? job.fuel : u64(s.planned) * flopsOfUpdate<M>(model) + flopsOfEvaluation<M>(model)
  s.sliceFlops = max(SLICE_FLOPS_MIN, min(SLICE_FLOPS_MAX, size / SLICES))
}

/** One slice; whether the run is over. */
export function slice<M>(model: M, fuelLeft: u64): bool {
  const s = counters()
  if (s.phase == OVER) return true
  s.fuelNow = fuelLeft
  if (s.started == 0) {
    s.started = 1
    s.fuelAtStart = fuelLeft
  } else if (job.fuel > 0) {
    // Both prices are known only now: what a step costs shows in the fuel that the next one is told of.
    if (s.phase == CALIBRATE && s.block == 0 && s.stage == 0) s.fuelAtCalibration = fuelLeft
    if (s.phase == CALIBRATE && s.block > 0) decidePlan<M>(model, fuelLeft)
  }
  let spent: u64 = 0
  while (s.phase != OVER) {
    const cost = stageFlops<M>(model)
    if (spent > 0 && spent + cost > s.sliceFlops) break
    spent += cost
    s.flopsDone += cost
    if (s.phase == TRAIN ? trainStage<M>(model) : evaluationStage<M>(model)) break
  }
  return s.phase == OVER
}

/** The share of the planned operations that is done, 0 to 1. */
export function progress<M>(model: M): f64 {
  const s = counters()
  if (s.phase == OVER) return 1
  if (s.planned == 0 && !job.evaluate) return 0
  const updates = rungEnd(s.planned, job.until)
  const evaluations = job.rungs ? job.until + 1 : 1
  const total = f64(updates) * f64(flopsOfUpdate<M>(model)) + f64(evaluations) * f64(flopsOfEvaluation<M>(model))
  return min<f64>(0.999, f64(s.flopsDone) / total)
}

/** Operations of one update with its batch. */
export function flopsOfUpdate<M>(model: M): u64 {
  let sum: u64 = 0
  for (let b: u32 = 0; b < model.trainBlocks(); b++) {
    for (let i: u32 = 0; i < model.trainStages(); i++) sum += model.trainFlops(b, i)
  }
  for (let i: u32 = 0; i < model.updateStages(); i++) sum += model.updateFlops(i)
  return sum
}

function flopsOfEvaluation<M>(model: M): u64 {
  let sum: u64 = 0
  for (let i: u32 = 0; i < model.evaluationStages(); i++) sum += model.evaluationFlops(i)
  return sum * u64(model.evaluationBlocks())
}

function stageFlops<M>(model: M): u64 {
  const s = counters()
  if (s.phase != TRAIN) return model.evaluationFlops(s.stage)
  return s.block < model.trainBlocks() ? model.trainFlops(s.block, s.stage) : model.updateFlops(s.stage)
}

// Runs the present stage and moves on; whether the slice must end here, because the next one needs to know its price.
function trainStage<M>(model: M): bool {
  const s = counters()
  if (s.block == model.trainBlocks()) return updateStage<M>(model)
  if (s.block == 0 && s.stage == 0) {
    s.batchLoss = 0
    model.begin()
  }
  if (!model.train(s.block, s.stage)) return finish(s, DIVERGED)
  s.stage += 1
  if (s.stage < model.trainStages()) return false
  s.stage = 0
  s.block += 1
  if (s.block < model.trainBlocks()) return false
  const loss = model.batchLoss()
  if (!(loss <= model.lossMax())) return finish(s, DIVERGED)
  s.lastLoss = loss
  return false
}

function updateStage<M>(model: M): bool {
  const s = counters()
  if (!model.update(s.stage)) return finish(s, DIVERGED)
  s.stage += 1
  if (s.stage < model.updateStages()) return false
  s.stage = 0
  s.block = 0
  s.pointSum += s.lastLoss
  s.pointUpdates += 1
  s.updates += 1
  if (s.planned == 0) {
    s.phase = CALIBRATE
    return true
  }
  if (s.pointEvery > 0 && s.updates % s.pointEvery == 0) recordPoint(s)
  if (endsRung(s)) s.phase = EVALUATE
  return false
}

function evaluationStage<M>(model: M): bool {
  const s = counters()
  if (!model.evaluate(s.block, s.stage)) return finish(s, DIVERGED)
  s.stage += 1
  if (s.stage < model.evaluationStages()) return false
  s.stage = 0
  s.block += 1
  if (s.phase == CALIBRATE) return true
  if (s.block < model.evaluationBlocks()) return false
  s.metric = model.metric()
  recordMetric(s)
  if (job.evaluate || s.updates >= rungEnd(s.planned, job.until)) return finish(s, OK)
  s.block = 0
  s.valSum = 0
  s.valCount = 0
  s.phase = TRAIN
  return true // the next rung begins with a slice, as if this one had been the last
}

// The updates of a rung: a 27th, a ninth, a third of those planned, rounded up, and all of them. Every rung costs the same fuel
// here, without which runs that differ in `until` would part.
function rungEnd(planned: u32, rung: u32): u32 {
  let parts: u32 = 1
  for (let i: u32 = 0; i < LAST_RUNG; i++) parts = select<u32>(parts * 3, parts, i >= rung)
  return (planned + parts - 1) / parts
}

// Whether the run is to be evaluated now. Rungs of a short run may end together: one evaluation is for all of them.
function endsRung(s: Counters): bool {
  if (job.rungs) for (let r: u32 = 0; r < LAST_RUNG; r++) if (s.updates == rungEnd(s.planned, r)) return true
  return s.updates >= s.planned
}

// The first update and evaluation block are paid: the rest of the fuel, less all evaluations and 2 %, goes into updates.
function decidePlan<M>(model: M, fuelLeft: u64): void {
  const s = counters()
  s.block = 0
  const update = model.longestUpdate(s.fuelAtStart - s.fuelAtCalibration)
  const evaluation = (s.fuelAtCalibration - fuelLeft) * u64(model.evaluationBlocks()) * u64(job.rungs ? RUNGS : 1)
  const reserve = evaluation + job.fuel / 50
  if (evaluation > job.fuel / 2 || reserve > fuelLeft || update == 0) {
    finish(s, INFEASIBLE)
    return
  }
  plan(s, 1 + u32(min<u64>(u64(UPDATES_MAX) - 1, (fuelLeft - reserve) / update)))
  s.phase = endsRung(s) ? EVALUATE : TRAIN
}

function plan(s: Counters, updates: u32): void {
  s.planned = updates
  s.pointEvery = (updates + 59) / 60
}

function finish(s: Counters, status: u32): bool {
  s.status = status
  s.phase = OVER
  return true
}
