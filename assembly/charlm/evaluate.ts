// Bits per byte of the whole validation split, as a code length: the first byte costs 8 bits, every other one what the model
// says, in windows of T that do not overlap, the last one perhaps shorter.

import { slotBytes, slotStart } from '../lib/slots'
import { counters } from '../lib/state'
import { arena } from './arena'
import { NO_TARGET } from './forward'
import { shape } from './shape'
import { VAL_SLOT } from './slots'
import { isKnown, knownBits, symbolAt, UNKNOWN_BITS } from './vocabulary'

export const BITS_PER_NAT: f64 = 1.4426950408889634

/** Blocks of S windows that cover the split. */
export function evaluationBlocks(): u32 {
  return (slotBytes(VAL_SLOT) - 1 + shape.rows - 1) / shape.rows
}

/**
 * Writes inputs and targets of block `block`. Rows behind the end are symbol 0 without a target; causality keeps them
 * harmless.
 */
export function fillBlock(block: u32): void {
  const text = slotStart(VAL_SLOT)
  const last = slotBytes(VAL_SLOT) - 1
  for (let r: u32 = 0; r < shape.rows; r++) {
    const position = block * shape.rows + r
    const at = text + usize(position)
    const inside = position < last
    store<u32>(arena.inputs + (usize(r) << 2), inside ? symbolAt(at) : 0)
    store<u32>(arena.targets + (usize(r) << 2), inside && isKnown(at + 1) ? symbolAt(at + 1) : NO_TARGET)
  }
}

/** The metric, from the sum of the losses. */
export function metricOf(): f64 {
  const s = counters()
  const text = slotStart(VAL_SLOT)
  const bytes = slotBytes(VAL_SLOT)
  let unknown: u32 = 0
  for (let i: u32 = 1; i < bytes; i++) if (!isKnown(text + usize(i))) unknown += 1
  s.valCount = unknown
  const known = bytes - 1 - unknown
  const bits = s.valSum * BITS_PER_NAT + f64(known) * knownBits(shape.symbols) + f64(unknown) * UNKNOWN_BITS + 8
  return bits / f64(bytes)
}
