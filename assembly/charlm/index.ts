// charlm@1: a decoder-only transformer over bytes, trained from scratch, judged by bits per byte of the validation split.
// This file is the ABI `xee-1`; SPEC.md is the arithmetic.

import { job, jobFault } from '../lib/job'
import {
  allocate, BAD_DATA, BAD_WEIGHTS, beginInit, isReady, MEMORY_PAGES_MAX, refuse, refuseJob, refuseSize, setReady,
} from '../lib/kernel'
import { outputLength, outputStart, Report, writeOutput } from '../lib/output'
import { flopsOfUpdate, progress, slice, startRun } from '../lib/run'
import { slotBytes, slotStart } from '../lib/slots'
import { counters, OK, OVER } from '../lib/state'
import { arena, arrange } from './arena'
import { PREFACE_BYTES, readPreface, writePreface } from './artifact'
import { Model } from './model'
import { readRecipe, recipe } from './recipe'
import { setShape, shape } from './shape'
import { SLOTS, TRAIN_SLOT, VAL_SLOT, WEIGHTS_SLOT } from './slots'
import { initialise } from './train'
import { buildVocabulary } from './vocabulary'

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
  if (slotBytes(VAL_SLOT) < 2) return refuse(BAD_DATA, 'val needs at least 2 bytes', '')
  const code = job.evaluate ? loadWeights() : freshWeights()
  if (code != 0) return code
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
  return i32(PREFACE_BYTES + (usize(shape.parameters) << 2))
}

function say(complete: bool): void {
  report.metric = 'val_bpb'
  report.items = 'tokens'
  report.itemsPerUpdate = u64(shape.batch * shape.context)
  report.parameters = u64(shape.parameters)
  report.flops = job.evaluate ? 0 : u64(counters().updates) * flopsOfUpdate<Model>(model)
  report.progress = progress<Model>(model)
  writeOutput(counters(), report, complete)
}

function freshWeights(): i32 {
  const bytes = slotBytes(TRAIN_SLOT)
  if (bytes <= recipe.context) return refuse(BAD_DATA, 'train must be longer than context', '')
  setShape(buildVocabulary(recipe.dense, slotStart(TRAIN_SLOT), bytes))
  if (!arrange(true, MEMORY_PAGES_MAX)) return refuseSize()
  writePreface(arena.artifact)
  initialise()
  return 0
}

function loadWeights(): i32 {
  const start = slotStart(WEIGHTS_SLOT)
  const bytes = slotBytes(WEIGHTS_SLOT)
  const symbols = readPreface(start, bytes)
  if (symbols == 0) return refuse(BAD_WEIGHTS, 'the weights are not an artifact of this recipe', '')
  setShape(symbols)
  const weights = usize(shape.parameters) << 2
  if (usize(bytes) != PREFACE_BYTES + weights) return refuse(BAD_WEIGHTS, 'the weights have the wrong length', '')
  if (!arrange(false, MEMORY_PAGES_MAX)) return refuseSize()
  writePreface(arena.artifact)
  memory.copy(arena.parameters, start + PREFACE_BYTES, weights)
  return 0
}
