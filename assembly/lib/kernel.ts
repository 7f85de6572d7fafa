// What every kernel's entry file does for the ABI `xee-1`: room for the inputs, refusals, the end of `xee_init`.

import { readJob } from './job'
import { reserve } from './memory'
import { OUTPUT_BYTES, outputStart, setOutput, writeError } from './output'
import { JOB_SLOT, setSlot, slotBytes, slotStart } from './slots'

// As manifests declare and the compiler is told; beyond it `memory.grow` must not even be tried.
export const MEMORY_PAGES_MAX: u32 = 4096

export const BAD_JOB: i32 = 1
export const BAD_DATA: i32 = 2
export const BAD_WEIGHTS: i32 = 3
export const TOO_LARGE: i32 = 4

let ready = false

/** Whether `xee_init` has succeeded. */
export function isReady(): bool {
  return ready
}

/** From now on the host writes nothing. */
export function setReady(): void {
  ready = true
}

/** Room for input `slot` of `slots`; 0 if there is no such slot, no room, or the run has begun. */
export function allocate(slot: i32, bytes: i32, slots: u32): i32 {
  if (ready || u32(slot) >= slots) return 0
  const start = reserve(u64(u32(bytes)), MEMORY_PAGES_MAX)
  if (start != 0) setSlot(u32(slot), start, u32(bytes))
  return i32(start)
}

/** The beginning of `xee_init`: the output's place, and the job. The recipe is the kernel's to read. */
export function beginInit(): i32 {
  if (ready) return BAD_JOB
  setOutput(reserve(u64(OUTPUT_BYTES), MEMORY_PAGES_MAX))
  if (outputStart() == 0) return TOO_LARGE
  const text = slotStart(JOB_SLOT)
  readJob(text, text + usize(slotBytes(JOB_SLOT)))
  return 0
}

/** Says why, and returns the code. */
export function refuse(code: i32, reason: string, detail: string): i32 {
  writeError(reason, detail)
  return code
}

/** The job or its recipe has a bad member. */
export function refuseJob(member: string): i32 {
  return refuse(BAD_JOB, 'missing or out of range in the job: ', member)
}

export function refuseSize(): i32 {
  return refuse(TOO_LARGE, 'the recipe needs more memory than the manifest declares', '')
}
