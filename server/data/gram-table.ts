/**
 * Counts of byte strings of one length, 1 to 6. A string is its bytes read as one big-endian integer: at most 48 bits,
 * exact in a number. Open addressing with linear probing; a slot is free while its count is zero.
 */
export interface GramTable {
  readonly length: number
  keys: Float64Array
  counts: Uint32Array
  used: number
}

export const GRAM_BYTES_MAX = 6
const ABSENT = -1
const SLOTS_MIN = 1 << 12

/** Counts every string of `length` bytes in `text`, overlapping ones included. */
export function countGrams(text: Uint8Array, length: number): GramTable {
  const table: GramTable = {
    length,
    keys: new Float64Array(SLOTS_MIN),
    counts: new Uint32Array(SLOTS_MIN),
    used: 0,
  }
  const wrap = 256 ** (length - 1)
  let key = 0
  for (let i = 0; i < text.length; i++) {
    key = (key % wrap) * 256 + byteAt(text, i)
    if (i >= length - 1) increment(table, key)
  }
  return table
}

/** The slot of a string, or -1 when it does not occur. */
export function findSlot(table: GramTable, key: number): number {
  const slot = probe(table, key)
  return table.counts[slot] === 0 ? ABSENT : slot
}

/** How often a string occurs. */
export const countOf = (table: GramTable, key: number): number => table.counts[probe(table, key)] ?? 0

function increment(table: GramTable, key: number): void {
  let slot = probe(table, key)
  if (table.counts[slot] === 0) {
    if (table.used * 2 >= table.keys.length) {
      grow(table)
      slot = probe(table, key)
    }
    table.keys[slot] = key
    table.used++
  }
  table.counts[slot] = (table.counts[slot] ?? 0) + 1
}

// The slot that holds the key, or the free one where it belongs.
function probe({ keys, counts }: GramTable, key: number): number {
  const mask = keys.length - 1
  let slot = hash(key) & mask
  while (counts[slot] !== 0 && keys[slot] !== key) slot = (slot + 1) & mask
  return slot
}

// Fibonacci hashing of both halves; the high bits are the well-mixed ones.
function hash(key: number): number {
  const high = Math.floor(key / 16_777_216)
  const mixed = Math.imul(key & 0xffffff, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b)
  return (mixed ^ (mixed >>> 15)) >>> 0
}

function grow(table: GramTable): void {
  const { keys, counts } = table
  table.keys = new Float64Array(keys.length * 2)
  table.counts = new Uint32Array(keys.length * 2)
  for (let old = 0; old < keys.length; old++) {
    const count = counts[old] ?? 0
    if (count === 0) continue
    const key = keys[old] ?? 0
    const slot = probe(table, key)
    table.keys[slot] = key
    table.counts[slot] = count
  }
}

/** A byte of `text`; zero outside it. */
export const byteAt = (text: Uint8Array, index: number): number => text[index] ?? 0
