// The inputs that the host wrote: slot 0 is the job, the following ones are the manifest's data files in their order, and
// behind them the weights to evaluate.

/** A job, at most eight data files (server/protocol/kernel.ts), weights. */
export const SLOTS_MAX: u32 = 10
export const JOB_SLOT: u32 = 0

const table = memory.data(80, 16) // start and length of each; 0 and 0 until the host asks for room

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
