// The inputs that the host wrote: 0 the job, 1 train, 2 val, 3 the weights to evaluate.

export const JOB_SLOT: u32 = 0
export const TRAIN_SLOT: u32 = 1
export const VAL_SLOT: u32 = 2
export const WEIGHTS_SLOT: u32 = 3
export const SLOTS: u32 = 4

const table = memory.data(32, 16) // start and length of each; 0 and 0 until the host asks for room

/** Where the slot's bytes begin. */
export function slotStart(slot: u32): usize {
  return load<usize>(table + (usize(slot) << 3))
}

/** How many bytes the slot has. */
export function slotBytes(slot: u32): u32 {
  return load<u32>(table + (usize(slot) << 3), 4)
}

export function setSlot(slot: u32, start: usize, bytes: u32): void {
  store<usize>(table + (usize(slot) << 3), start)
  store<u32>(table + (usize(slot) << 3), bytes, 4)
}
