// What the header of an artifact says beside the library's words: the policy's shape.

import { addWord, beginWords, HEADER_BYTES, headerMatches, writeHeader } from '../lib/artifact'
import { recipe } from './recipe'
import { tensors } from './shape'

const MAGIC: u32 = 0x50434158 // 'XACP'
const VERSION: u32 = 1

/** Writes the header of the present recipe. */
export function writePreface(at: usize): void {
  setWords()
  writeHeader(at, MAGIC, VERSION, tensors.count)
}

/** Whether these are weights for the present recipe. */
export function isArtifact(at: usize, bytes: u32): bool {
  setWords()
  return headerMatches(at, bytes, MAGIC, VERSION) && usize(bytes) == HEADER_BYTES + (usize(tensors.count) << 2)
}

function setWords(): void {
  beginWords()
  addWord(recipe.depth)
  addWord(recipe.width)
  addWord(recipe.activation)
}
