// What an artifact begins with: the library's header, then the byte of each symbol, in order, and zeros up to 256.

import { addWord, beginWords, HEADER_BYTES, headerMatches, writeHeader } from '../lib/artifact'
import { recipe } from './recipe'
import { shape } from './shape'
import { byteOf, setVocabulary } from './vocabulary'

/** Header and vocabulary. */
export const PREFACE_BYTES: usize = HEADER_BYTES + 256
const MAGIC: u32 = 0x4d4c4358 // 'XCLM'
const VERSION: u32 = 1

/** Writes the preface of the present shapes and vocabulary. */
export function writePreface(at: usize): void {
  setWords(shape.symbols)
  writeHeader(at, MAGIC, VERSION, shape.parameters)
  memory.fill(at + HEADER_BYTES, 0, 256)
  for (let s: u32 = 0; s < shape.symbols; s++) store<u8>(at + HEADER_BYTES + usize(s), byteOf(s))
}

/** Takes the vocabulary from an artifact; 0, if it is not one that fits the recipe, otherwise the number of symbols. */
export function readPreface(at: usize, bytes: u32): u32 {
  if (bytes < u32(PREFACE_BYTES)) return 0
  const symbols = load<u32>(at, 12)
  if (symbols < 1 || symbols > 256 || (!recipe.dense && symbols != 256)) return 0
  setWords(symbols)
  if (!headerMatches(at, bytes, MAGIC, VERSION)) return 0
  return setVocabulary(at + HEADER_BYTES, symbols) ? symbols : 0
}

function setWords(symbols: u32): void {
  beginWords()
  addWord(symbols)
  addWord(recipe.depth)
  addWord(recipe.width)
  addWord(recipe.heads)
  addWord(recipe.context)
  addWord(recipe.mlpRatio)
  addWord(recipe.activation)
  addWord(u32(recipe.rms) | (u32(recipe.rope) << 1) | (u32(recipe.qkNorm) << 2) | (u32(recipe.untied) << 3))
  addWord(u32(recipe.valueEmbeddings))
}
