// vision@1: a classifier of small images, trained from scratch, judged by bits per label of the validation split. This file
// is the ABI `xee-1`; SPEC.md is the arithmetic.

import { HEADER_BYTES } from '../lib/artifact'
import { job, jobFault } from '../lib/job'
import {
  allocate, BAD_DATA, BAD_WEIGHTS, beginInit, isReady, MEMORY_PAGES_MAX, refuse, refuseJob, refuseSize, setReady,
} from '../lib/kernel'
import { outputLength, outputStart, Report, writeOutput } from '../lib/output'
import { flopsOfUpdate, progress, slice, startRun } from '../lib/run'
import { slotBytes, slotStart } from '../lib/slots'
import { counters, OK, OVER } from '../lib/state'
import { arena, arrange, tensors } from './arena'
import { readPreface, writePreface } from './artifact'
import { backwardFlops, forwardFlops } from './flops'
import { CLASSES_MAX, classesOf, readSplit } from './images'
import { Model } from './model'
import { readRecipe, recipe } from './recipe'
import { setImages, setShape, shape } from './shape'
import { SLOTS, TRAIN_SLOT, VAL_SLOT, WEIGHTS_SLOT } from './slots'
import { initialise, train, val } from './train'

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
  if (!readSplit(val, VAL_SLOT)) return refuse(BAD_DATA, 'val is no IDX images with their labels, 4 to 32 pixels a side', '')
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
  if (!isReady() || job.evaluate || !isOk()) return 0
  return i32(HEADER_BYTES + (usize(shape.parameters) << 2))
}

function isOk(): bool {
  return counters().phase == OVER && counters().status == OK
}

function say(complete: bool): void {
  report.metric = 'val_bits'
  report.items = 'images'
  report.itemsPerUpdate = u64(recipe.batch)
  report.parameters = u64(shape.trainable)
  report.flops = job.evaluate ? 0 : u64(counters().updates) * flopsOfUpdate<Model>(model)
  report.progress = progress<Model>(model)
  if (isOk()) {
    report.extra = 'valError'
    report.extraValue = f64(counters().valCount) / f64(val.count)
  }
  writeOutput(counters(), report, complete)
}

function freshWeights(): i32 {
  if (!readSplit(train, TRAIN_SLOT)) return refuse(BAD_DATA, 'train is no IDX images with their labels, 4 to 32 pixels a side', '')
  if (train.height != val.height || train.width != val.width) return refuse(BAD_DATA, 'train and val have other sizes', '')
  const classes = classesOf(train)
  if (classes > CLASSES_MAX) return refuse(BAD_DATA, 'more than 64 classes', '')
  if (classesOf(val) > classes) return refuse(BAD_DATA, 'val has a label above all of train', '')
  if (!setUp(classes)) return refuseSize()
  writePreface(arena.artifact)
  initialise()
  return 0
}

function loadWeights(): i32 {
  const start = slotStart(WEIGHTS_SLOT)
  const bytes = slotBytes(WEIGHTS_SLOT)
  const classes = readPreface(start, bytes, val.height, val.width)
  if (classes == 0) return refuse(BAD_WEIGHTS, 'the weights are not an artifact of this recipe and these images', '')
  if (classesOf(val) > classes) return refuse(BAD_DATA, 'val has a label above all of train', '')
  if (!setUp(classes)) return refuseSize()
  const weights = usize(shape.parameters) << 2
  if (usize(bytes) != HEADER_BYTES + weights) return refuse(BAD_WEIGHTS, 'the weights have the wrong length', '')
  writePreface(arena.artifact)
  memory.copy(tensors.parameters, start + HEADER_BYTES, weights)
  return 0
}

function setUp(classes: u32): bool {
  setShape(val.height, val.width, classes)
  setImages(forwardFlops() + backwardFlops())
  return arrange(!job.evaluate, MEMORY_PAGES_MAX)
}
