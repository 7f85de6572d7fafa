// The artifact: a header that says what the weights are for, then the weights as they lie in memory (f32, little-endian, in
// the order of shape.ts). It is part of the state, so nothing is copied to export it.
//
//   0 u32 'XCLM'   4 u32 version 0   8 u32 depth   12 u32 width   16 u32 heads   20 u32 context
//  24 u32 symbols V   28 u32 parameters   32 256 bytes: the byte of each symbol, in order, then zeros

import { recipe } from './recipe'
import { shape } from './shape'
import { byteOf, setVocabulary } from './vocabulary'

export const ARTIFACT_HEADER_BYTES: usize = 288
const MAGIC: u32 = 0x4d4c4358 // 'XCLM'
const VERSION: u32 = 0

/** Writes the header of the present shapes and vocabulary. */
export function writeHeader(at: usize): void {
  store<u32>(at, MAGIC)
  store<u32>(at, VERSION, 4)
  store<u32>(at, shape.depth, 8)
  store<u32>(at, shape.width, 12)
  store<u32>(at, shape.heads, 16)
  store<u32>(at, shape.context, 20)
  store<u32>(at, shape.symbols, 24)
  store<u32>(at, shape.parameters, 28)
  memory.fill(at + 32, 0, 256)
  for (let s: u32 = 0; s < shape.symbols; s++) store<u8>(at + 32 + usize(s), byteOf(s))
}

/** Takes the vocabulary from an artifact's header; 0, if it is not one that fits the recipe, otherwise the number of symbols. */
export function readHeader(at: usize, bytes: u32): u32 {
  if (bytes < u32(ARTIFACT_HEADER_BYTES)) return 0
  if (load<u32>(at) != MAGIC || load<u32>(at, 4) != VERSION) return 0
  if (load<u32>(at, 8) != recipe.depth || load<u32>(at, 12) != recipe.width) return 0
  if (load<u32>(at, 16) != recipe.heads || load<u32>(at, 20) != recipe.context) return 0
  const symbols = load<u32>(at, 24)
  if (symbols < 1 || symbols > 256 || (!recipe.dense && symbols != 256)) return 0
  return setVocabulary(at + 32, symbols) ? symbols : 0
}
