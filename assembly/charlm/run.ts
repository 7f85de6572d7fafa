// The run as a sequence of stages. Which stage comes next, and what follows from its outcome, is decided here; a slice is as
// many stages as fit into `sliceFlops` (one, if a single stage is larger).

import { stream } from '../lib/rng'
import { arena } from './arena'
import { backward, backwardStages } from './backward'
import { recordLast, recordPoint } from './curve'
import { BITS_PER_NAT, evaluationBlocks, fillBlock, finishEvaluation } from './evaluate'
import { backwardFlops, forwardFlops, updateFlops } from './flops'
import { forward, forwardStages, head } from './forward'
import { job, UPDATES_MAX } from './recipe'
import { shape } from './shape'
import { CALIBRATE, DIVERGED, EVALUATE, INFEASIBLE, OK, OVER, State, TRAIN } from './state'
import { applyUpdate, batchRows, beginUpdate, fillBatch } from './train'

// A slice is a 64th of the run, so that eight marks fall on eight steps; at least what makes the host's own work between two
// slices small, at most some ten milliseconds on one core, so that a pause is felt at once.
const SLICES: u64 = 64
const SLICE_FLOPS_MIN: u64 = 4000000
const SLICE_FLOPS_MAX: u64 = 250000000
// Losses above this, in bits per byte, are no longer learning.
const LOSS_MAX: f64 = 100

@inline export function state(): State {
  return changetype<State>(arena.state)
}

/** Prepares the counters of a run; weights are set by the caller. */
export function startRun(): void {
  const s = state()
  s.random = stream(job.seed, 1)
  s.beta1Power = 1
  s.beta2Power = 1
  s.phase = job.evaluate ? EVALUATE : TRAIN
  if (!job.evaluate && job.updates > 0) plan(job.updates)
  // An operation takes about one unit of fuel.
  const size = job.fuel > 0 ? job.fuel : u64(s.planned) * batchFlops() + evaluationFlops()
  s.sliceFlops = max(SLICE_FLOPS_MIN, min(SLICE_FLOPS_MAX, size / SLICES))
}

/** One slice; whether the run is over. */
export function slice(fuelLeft: u64): bool {
  const s = state()
  if (s.phase == OVER) return true
  s.fuelNow = fuelLeft
  if (s.started == 0) {
    s.started = 1
    s.fuelAtStart = fuelLeft
  } else if (job.fuel > 0) {
    // Both prices are known only now: what a step costs shows in the fuel that the next one is told of.
    if (s.phase == CALIBRATE && s.block == 0 && s.stage == 0) s.fuelAtCalibration = fuelLeft
    if (s.phase == CALIBRATE && s.block > 0) decidePlan(fuelLeft)
  }
  let spent: u64 = 0
  while (s.phase != OVER) {
    const cost = stageFlops()
    if (spent > 0 && spent + cost > s.sliceFlops) break
    spent += cost
    if (runStage()) break
  }
  return s.phase == OVER
}

/** The share of the planned operations that is done, 0 to 1. */
export function progress(): f64 {
  const s = state()
  if (s.phase == OVER) return 1
  const total = f64(s.planned) * f64(batchFlops()) + f64(evaluationFlops())
  if (s.planned == 0 && !job.evaluate) return 0
  return min<f64>(0.999, f64(s.flopsDone) / total)
}

/** Operations of one update with its batch. */
export function batchFlops(): u64 {
  let sum: u64 = updateFlops()
  const rows = shape.batch * shape.context
  for (let i: u32 = 0; i < forwardStages(); i++) sum += forwardFlops(i, rows)
  for (let i: u32 = 0; i < backwardStages(); i++) sum += backwardFlops(i, rows)
  return sum
}

function evaluationFlops(): u64 {
  let sum: u64 = 0
  for (let i: u32 = 0; i < forwardStages(); i++) sum += forwardFlops(i, shape.rows)
  return sum * u64(evaluationBlocks())
}

function stageFlops(): u64 {
  const s = state()
  if (s.phase != TRAIN) return forwardFlops(s.stage, shape.rows)
  const rows = batchRows(s.block)
  if (s.stage < forwardStages()) return forwardFlops(s.stage, rows)
  return backwardFlops(s.stage - forwardStages(), rows)
}

// Runs the present stage and moves on; whether the slice must end here, because the next one needs to know its price.
function runStage(): bool {
  const s = state()
  s.flopsDone += stageFlops()
  return s.phase == TRAIN ? trainStage(s) : evaluationStage(s)
}

function trainStage(s: State): bool {
  const first = forwardStages()
  if (s.stage == 0) {
    if (s.block == 0) beginUpdate(s)
    fillBatch(s, s.block)
  }
  const rows = batchRows(s.block)
  if (s.stage < first - 1) forward(s.stage, rows)
  else if (s.stage == first - 1) {
    const loss = head(rows, 1 / f32(shape.batch * shape.context))
    if (!(loss < Infinity)) return finish(s, DIVERGED)
    s.batchLoss += loss
  } else backward(s.stage - first, rows)
  s.stage += 1
  if (s.stage < first + backwardStages()) return false
  s.stage = 0
  s.block += 1
  if (s.block * shape.sequences < shape.batch) return false
  s.block = 0
  return endUpdate(s)
}

function endUpdate(s: State): bool {
  const bits = (s.batchLoss / f64(shape.batch * shape.context)) * BITS_PER_NAT
  if (!(bits <= LOSS_MAX) || !applyUpdate(s)) return finish(s, DIVERGED)
  s.flopsDone += updateFlops()
  s.lastLoss = bits
  s.pointSum += bits
  s.pointUpdates += 1
  s.updates += 1
  if (s.planned == 0) {
    s.phase = CALIBRATE
    return true
  }
  if (s.pointEvery > 0 && s.updates % s.pointEvery == 0) recordPoint(s)
  if (s.updates >= s.planned) s.phase = EVALUATE
  return false
}

function evaluationStage(s: State): bool {
  if (s.stage == 0) fillBlock(s.block)
  if (s.stage < forwardStages() - 1) {
    forward(s.stage, shape.rows)
    s.stage += 1
    return false
  }
  const loss = head(shape.rows, 0)
  if (!(loss < Infinity)) return finish(s, DIVERGED)
  s.stage = 0
  s.block += 1
  if (s.phase == CALIBRATE) return true
  s.valNats += loss
  if (s.block < evaluationBlocks()) return false
  finishEvaluation(s)
  recordLast(s)
  return finish(s, OK)
}

// The first update and evaluation block are paid: the rest of the fuel, less the evaluation and 2 %, goes into updates.
function decidePlan(fuelLeft: u64): void {
  const s = state()
  s.block = 0
  const update = s.fuelAtStart - s.fuelAtCalibration
  const evaluation = (s.fuelAtCalibration - fuelLeft) * u64(evaluationBlocks())
  const reserve = evaluation + job.fuel / 50
  if (evaluation > job.fuel / 2 || reserve > fuelLeft || update == 0) {
    finish(s, INFEASIBLE)
    return
  }
  plan(1 + u32(min<u64>(u64(UPDATES_MAX) - 1, (fuelLeft - reserve) / update)))
  s.phase = s.updates < s.planned ? TRAIN : EVALUATE
}

function plan(updates: u32): void {
  const s = state()
  s.planned = updates
  s.pointEvery = (updates + 59) / 60
}

function finish(s: State, status: u32): bool {
  s.status = status
  s.phase = OVER
  return true
}
