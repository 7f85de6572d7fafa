// charlm@0: a decoder-only transformer over bytes, trained from scratch, judged by bits per byte of the validation split.
// This file is the ABI `xee-1`; SPEC.md is the arithmetic.

import { reserve } from '../lib/memory'
import { arena, arrange, OUTPUT_BYTES } from './arena'
import { ARTIFACT_HEADER_BYTES, readHeader, writeHeader } from './artifact'
import { outputLength, outputStart, setOutput, writeError, writeOutput } from './output'
import { job, readJob, recipe } from './recipe'
import { slice, startRun, state } from './run'
import { setShape, shape } from './shape'
import { JOB_SLOT, setSlot, slotBytes, SLOTS, slotStart, TRAIN_SLOT, VAL_SLOT, WEIGHTS_SLOT } from './slots'
import { OK, OVER } from './state'
import { initialise } from './train'
import { buildVocabulary } from './vocabulary'

// As manifest.json declares and the compiler is told; beyond it `memory.grow` must not even be tried.
const MEMORY_PAGES_MAX: u32 = 4096

const BAD_JOB: i32 = 1
const BAD_DATA: i32 = 2
const BAD_WEIGHTS: i32 = 3
const TOO_LARGE: i32 = 4

let ready = false

export function xee_abi(): i32 {
  return 1
}

/** Room for input `slot`; 0 if there is no such slot, no room, or the run has begun. */
export function xee_alloc(slot: i32, bytes: i32): i32 {
  if (ready || u32(slot) >= SLOTS) return 0
  const start = reserve(u64(u32(bytes)), MEMORY_PAGES_MAX)
  if (start != 0) setSlot(u32(slot), start, u32(bytes))
  return i32(start)
}

export function xee_init(): i32 {
  if (ready) return BAD_JOB
  setOutput(reserve(u64(OUTPUT_BYTES), MEMORY_PAGES_MAX))
  if (outputStart() == 0) return TOO_LARGE
  const text = slotStart(JOB_SLOT)
  const fault = readJob(text, text + usize(slotBytes(JOB_SLOT)))
  if (fault.length > 0) return refuse(BAD_JOB, 'missing or out of range in the job: ', fault)
  if (slotBytes(VAL_SLOT) < 2) return refuse(BAD_DATA, 'val needs at least 2 bytes', '')
  const code = job.evaluate ? loadWeights() : freshWeights()
  if (code != 0) return code
  startRun()
  ready = true
  writeOutput(false)
  return 0
}

export function xee_step(fuelLeft: i64): i32 {
  if (!ready) return -1
  const over = slice(u64(fuelLeft))
  writeOutput(over)
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
  if (!ready || job.evaluate || state().phase != OVER || state().status != OK) return 0
  return i32(ARTIFACT_HEADER_BYTES + (usize(shape.parameters) << 2))
}

function freshWeights(): i32 {
  const bytes = slotBytes(TRAIN_SLOT)
  if (bytes <= recipe.context) return refuse(BAD_DATA, 'train must be longer than context', '')
  setShape(buildVocabulary(recipe.dense, slotStart(TRAIN_SLOT), bytes))
  if (!arrange(true, MEMORY_PAGES_MAX)) return refuse(TOO_LARGE, 'the recipe needs more memory than the manifest declares', '')
  writeHeader(arena.artifact)
  initialise()
  return 0
}

function loadWeights(): i32 {
  const start = slotStart(WEIGHTS_SLOT)
  const bytes = slotBytes(WEIGHTS_SLOT)
  const symbols = readHeader(start, bytes)
  if (symbols == 0) return refuse(BAD_WEIGHTS, 'the weights are not an artifact of this recipe', '')
  setShape(symbols)
  const weights = usize(shape.parameters) << 2
  if (usize(bytes) != ARTIFACT_HEADER_BYTES + weights) return refuse(BAD_WEIGHTS, 'the weights have the wrong length', '')
  if (!arrange(false, MEMORY_PAGES_MAX)) return refuse(TOO_LARGE, 'the recipe needs more memory than the manifest declares', '')
  writeHeader(arena.artifact)
  memory.copy(arena.parameters, start + ARTIFACT_HEADER_BYTES, weights)
  return 0
}

function refuse(code: i32, reason: string, detail: string): i32 {
  writeError(reason, detail)
  return code
}
