// Bytes and symbols. `bytes`: every byte is its own symbol. `dense`: the bytes that occur in the training split, in byte order.
//
// Any text must have a finite, decodable price under any model, also one with bytes that training never saw. So every byte of
// an evaluated text first pays for the fact that it is known, -log2(1 - 2^-16) bits, or unknown, 16 bits and 8 more to
// spell it out. With all 256 bytes in the vocabulary there is nothing to say. An unknown byte stands as symbol 0 in contexts.

const UNKNOWN: u16 = 0xffff
const symbols = memory.data(512, 16) // u16 of each byte
const bytes = memory.data(256, 16) // u8 of each symbol

export const UNKNOWN_BITS: f64 = 24
const KNOWN_BITS: f64 = 2.2013947263955502e-5 // -log2(1 - 2^-16)

/** Fills the table from a text (dense), or with all bytes; returns the number of symbols. */
export function buildVocabulary(dense: bool, text: usize, length: u32): u32 {
  memory.fill(symbols, dense ? 0 : 1, 512)
  for (let i: u32 = 0; i < length; i++) store<u16>(symbols + (usize(load<u8>(text + usize(i))) << 1), 1)
  let count: u32 = 0
  for (let b: u32 = 0; b < 256; b++) {
    const slot = symbols + (usize(b) << 1)
    if (load<u16>(slot) == 0) {
      store<u16>(slot, UNKNOWN)
      continue
    }
    store<u8>(bytes + usize(count), u8(b))
    store<u16>(slot, u16(count))
    count += 1
  }
  return count
}

/** Takes the table from a list of bytes; false unless they ascend. */
export function setVocabulary(list: usize, count: u32): bool {
  memory.fill(symbols, 0xff, 512)
  let last: i32 = -1
  for (let s: u32 = 0; s < count; s++) {
    const b = load<u8>(list + usize(s))
    if (i32(b) <= last) return false
    last = i32(b)
    store<u16>(symbols + (usize(b) << 1), u16(s))
    store<u8>(bytes + usize(s), b)
  }
  return true
}

/** The byte of symbol `s`. */
export function byteOf(s: u32): u8 {
  return load<u8>(bytes + usize(s))
}

/** Whether the byte at `at` has a symbol. */
export function isKnown(at: usize): bool {
  return load<u16>(symbols + (usize(load<u8>(at)) << 1)) != UNKNOWN
}

/** The symbol of the byte at `at`; 0 for an unknown one. */
export function symbolAt(at: usize): u32 {
  const s = load<u16>(symbols + (usize(load<u8>(at)) << 1))
  return s == UNKNOWN ? 0 : u32(s)
}

/** What a known byte pays beside its symbol, in bits. */
export function knownBits(symbolCount: u32): f64 {
  return symbolCount < 256 ? KNOWN_BITS : 0
}
