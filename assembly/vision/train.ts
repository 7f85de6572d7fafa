// One update: which images, and the step that their gradient asks for.

import { descend } from '../lib/descend'
import { job } from '../lib/job'
import { fillPerceptron, gainOf } from '../lib/perceptron'
import { below, fillNormal, stream } from '../lib/rng'
import { Counters, counters, drawBatch, drawn } from '../lib/state'
import { arena, convolution, tensors } from './arena'
import { gridPositions, gridStride } from './grid'
import { labelAt, Split, writeImage } from './images'
import { clearGradients, gatherGradients } from './network'
import { descent, recipe, schedule } from './recipe'
import { channelsOf, convolutionOffset, head, shape } from './shape'

export const train = changetype<Split>(memory.data(offsetof<Split>(), 16))
export const val = changetype<Split>(memory.data(offsetof<Split>(), 16))

/** Fresh weights: N(0, sqrt(g / n)), n what a unit reads, g 2 behind ReLU and GELU, 1 behind tanh and for logits; biases 0. */
export function initialise(): void {
  const random = memory.data(8, 16)
  store<u64>(random, stream(job.seed, 0))
  const gain = gainOf(recipe.activation)
  for (let b: u32 = 0; b < shape.convolutions; b++) {
    const ins = 9 * channelsOf(b)
    fillNormal(random, tensors.parameters + convolutionOffset(b), ins * channelsOf(b + 1), f32(sqrt<f64>(gain / f64(ins))))
  }
  fillPerceptron(head, random, 1)
}

/** Draws the images of the next batch and clears the gradients. */
export function beginUpdate(): void {
  drawBatch(recipe.batch, train.count)
  clearGradients()
}

/** Images of block `block` of a batch: the last one may have fewer. */
export function batchImages(block: u32): u32 {
  return min(shape.images, recipe.batch - block * shape.images)
}

/** Images of block `block` of the validation split. */
export function valImages(block: u32): u32 {
  return min(shape.images, val.count - block * shape.images)
}

/** Writes pixels and labels of block `block` of the present batch, each image moved by its own two draws. */
export function fillBatch(block: u32): void {
  const random = changetype<usize>(counters()) + offsetof<Counters>('random')
  const range = 2 * recipe.shift + 1
  for (let s: u32 = 0; s < batchImages(block); s++) {
    const index = drawn(block * shape.images + s)
    const down = recipe.shift == 0 ? 0 : i32(below(random, range)) - i32(recipe.shift)
    const right = recipe.shift == 0 ? 0 : i32(below(random, range)) - i32(recipe.shift)
    fill(s, train, index, down, right)
  }
}

/** The same of the validation split, in its order and unmoved. */
export function fillBlock(block: u32): void {
  for (let s: u32 = 0; s < valImages(block); s++) fill(s, val, block * shape.images + s, 0, 0)
}

function fill(s: u32, split: Split, index: u32, down: i32, right: i32): void {
  const grid = shape.convolutions > 0
  const stride = grid ? gridStride(shape.width) : shape.width
  const floats = grid ? gridPositions(shape.height, shape.width) : head.features
  const start = grid ? convolution(0).input : arena.pixels
  writeImage(start + (usize(s * floats) << 2), stride, split, index, down, right)
  store<u32>(arena.labels + (usize(s) << 2), labelAt(split, index))
}

/** Clips and applies the gradients; false, with nothing changed, if their norm is not finite. */
export function applyUpdate(): bool {
  gatherGradients()
  return descend(descent, tensors, schedule)
}
