// Laying out the buffers of a run: one reservation, made in `xee_init`, of a size that follows from the shapes. A kernel
// names its buffers in one function, which runs twice: first counting from 0, then from the reserved address.

import { reserve } from './memory'

let cursor: u64 = 0
let real = false

/** Begins counting. */
export function beginCount(): void {
  cursor = 0
  real = false
}

/** Reserves what was counted and begins the second pass; false if that would take more than `pagesMax` pages. */
export function beginPlacing(pagesMax: u32): bool {
  const start = reserve(cursor, pagesMax)
  if (start == 0) return false
  cursor = u64(start)
  real = true
  return true
}

/** Whether this is the second pass: only then is there memory to write to. */
export function isReal(): bool {
  return real
}

/** Where the next buffer will begin, counted from where counting began. */
export function position(): usize {
  return usize(cursor)
}

/** Room for `bytes`, at the boundary of a cache line. */
export function take(bytes: usize): usize {
  const start = usize(cursor)
  cursor = (cursor + u64(bytes) + 63) & ~63
  return start
}

/** Room for `count` f32. */
@inline export function floats(count: u32): usize {
  return take(usize(count) << 2)
}
