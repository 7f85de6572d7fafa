// What the header of an artifact says beside the library's words: images, classes, and the network.

import { addWord, beginWords, headerMatches, writeHeader } from '../lib/artifact'
import { recipe } from './recipe'
import { shape } from './shape'
import { CLASSES_MAX } from './images'

const MAGIC: u32 = 0x53495658 // 'XVIS'
const VERSION: u32 = 1
const CLASSES_WORD: usize = 20 // behind magic, version, parameters, height, width

/** Writes the header of the present shapes. */
export function writePreface(at: usize): void {
  setWords(shape.height, shape.width, shape.classes)
  writeHeader(at, MAGIC, VERSION, shape.parameters)
}

/** How many classes an artifact for images of this size and the present recipe knows; 0 if it is none. */
export function readPreface(at: usize, bytes: u32, height: u32, width: u32): u32 {
  if (bytes < 24) return 0
  const classes = load<u32>(at + CLASSES_WORD)
  if (classes < 1 || classes > CLASSES_MAX) return 0
  setWords(height, width, classes)
  return headerMatches(at, bytes, MAGIC, VERSION) ? classes : 0
}

function setWords(height: u32, width: u32, classes: u32): void {
  beginWords()
  addWord(height)
  addWord(width)
  addWord(classes)
  addWord(recipe.model)
  addWord(recipe.depth)
  addWord(recipe.width)
  addWord(recipe.channels)
  addWord(recipe.activation)
}
