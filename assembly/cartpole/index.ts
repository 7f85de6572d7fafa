// cartpole@1: a policy that balances a pole on a cart, learnt by policy gradient in a simulation inside the kernel, judged by
// its mean return in trials that are the same for every run. It reads no data. This file is the ABI `xee-1`; SPEC.md is the
// arithmetic.

import { HEADER_BYTES } from '../lib/artifact'
import { job, jobFault } from '../lib/job'
import {
  allocate, BAD_WEIGHTS, beginInit, isReady, MEMORY_PAGES_MAX, refuse, refuseJob, refuseSize, setReady,
} from '../lib/kernel'
import { outputLength, outputStart, Report, writeOutput } from '../lib/output'
import { progress, slice, startRun } from '../lib/run'
import { slotBytes, slotStart } from '../lib/slots'
import { counters, OK, OVER } from '../lib/state'
import { isArtifact, writePreface } from './artifact'
import { flopsSoFar, Model } from './model'
import { readRecipe, recipe } from './recipe'
import { arena, arrange, play, setShape, tensors } from './shape'
import { initialise } from './train'

const WEIGHTS_SLOT: u32 = 1
const SLOTS: u32 = 2

const model = changetype<Model>(memory.data(16))
const report = changetype<Report>(memory.data(offsetof<Report>(), 16))

export function xee_abi(): i32 {
  return 1
}

/** Room for input `slot`; 0 if there is no such slot, no room, or the run has begun. */
export function xee_alloc(slot: i32, bytes: i32): i32 {
  return allocate(slot, bytes, SLOTS)
}

export function xee_init(): i32 {
  const began = beginInit()
  if (began != 0) return began
  readRecipe()
  if (jobFault().length > 0) return refuseJob(jobFault())
  setShape()
  const weights = slotStart(WEIGHTS_SLOT)
  if (job.evaluate && !isArtifact(weights, slotBytes(WEIGHTS_SLOT)))
    return refuse(BAD_WEIGHTS, 'the weights are not an artifact of this recipe', '')
  if (!arrange(!job.evaluate, MEMORY_PAGES_MAX)) return refuseSize()
  writePreface(arena.artifact)
  if (job.evaluate) memory.copy(tensors.parameters, weights + HEADER_BYTES, usize(tensors.count) << 2)
  else initialise()
  startRun<Model>(model)
  setReady()
  say(false)
  return 0
}

export function xee_step(fuelLeft: i64): i32 {
  if (!isReady()) return -1
  const over = slice<Model>(model, u64(fuelLeft))
  say(over)
  return over ? 1 : 0
}

export function xee_output(): i32 {
  return i32(outputStart())
}

export function xee_output_len(): i32 {
  return i32(outputLength())
}

export function xee_state(): i32 {
  return i32(arena.state)
}

export function xee_state_len(): i32 {
  return i32(arena.stateBytes)
}

export function xee_artifact(): i32 {
  return i32(arena.artifact)
}

/** 0 until a training run has ended well: only then are the weights worth anything. */
export function xee_artifact_len(): i32 {
  if (!isReady() || job.evaluate || counters().phase != OVER || counters().status != OK) return 0
  return i32(HEADER_BYTES + (usize(tensors.count) << 2))
}

function say(complete: bool): void {
  report.metric = 'mean_return'
  report.items = 'episodes'
  report.itemsPerUpdate = u64(recipe.episodes)
  report.parameters = u64(arena.trainable)
  report.flops = flopsSoFar()
  report.progress = progress<Model>(model)
  report.extra = 'steps'
  report.extraValue = f64(play().steps)
  writeOutput(counters(), report, complete)
}
