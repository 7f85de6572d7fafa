// The artifact: a header that says what the weights are for, then what else the kernel needs to read them, then the weights
// as they lie in memory (f32, little-endian). It is part of the state, so nothing is copied to export it.
//
//   0 u32 magic   4 u32 version   8 u32 parameters   12 up to 13 u32 that the kernel names, zeros behind

export const HEADER_BYTES: usize = 64
const WORDS_MAX: u32 = 13

const words = memory.data(52, 16)
let count: u32 = 0

/** Begins a new list of words. */
export function beginWords(): void {
  count = 0
  memory.fill(words, 0, 52)
}

export function addWord(word: u32): void {
  if (count >= WORDS_MAX) unreachable()
  store<u32>(words + (usize(count) << 2), word)
  count += 1
}

/** Writes the header with the present words. */
export function writeHeader(at: usize, magic: u32, version: u32, parameters: u32): void {
  store<u32>(at, magic)
  store<u32>(at, version, 4)
  store<u32>(at, parameters, 8)
  memory.copy(at + 12, words, 52)
}

/** Whether a header of this magic and version with the present words lies at `at`; its parameters are not looked at. */
export function headerMatches(at: usize, bytes: u32, magic: u32, version: u32): bool {
  if (bytes < u32(HEADER_BYTES) || load<u32>(at) != magic || load<u32>(at, 4) != version) return false
  return memory.compare(at + 12, words, 52) == 0
}
