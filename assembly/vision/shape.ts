// The network's shapes and where its parameters lie: two convolutions (cnn only), then dense layers that give the logits.
// Letters: S images computed at once, K classes.
//
// Parameters, in floats: weights of the convolutions (9 channels, outs), weights of the dense layers, zeros up to a multiple
// of eight; then the biases in the same order, zeros up to a multiple of eight. Their gradients and moments share the order, so
// an offset is valid in all four.

import { biasCount, Perceptron, roundUp8, weightCount } from '../lib/perceptron'
import { CNN, recipe, SOFTMAX } from './recipe'

export const CONVOLUTIONS: u32 = 2

// A block of images: large enough for full tiles of every product, small enough that a pause is felt at once.
const IMAGES_MIN: u32 = 16
const IMAGES_MAX: u32 = 64
const BLOCK_FLOPS: u64 = 32000000

@unmanaged
class Shape {
  height: u32
  width: u32
  classes: u32 // K
  convolutions: u32 // 0 or 2
  images: u32 // S
  matrices: u32 // floats of weights, which decay
  parameters: u32 // floats in memory
  trainable: u32 // of them, without the zeros between
}

export const shape = changetype<Shape>(memory.data(offsetof<Shape>(), 16))
export const head = changetype<Perceptron>(memory.data(offsetof<Perceptron>(), 16))

/** Derives every shape from the recipe and the data. */
export function setShape(height: u32, width: u32, classes: u32): void {
  const c = recipe.channels
  shape.height = height
  shape.width = width
  shape.classes = classes
  shape.convolutions = recipe.model == CNN ? CONVOLUTIONS : 0
  head.features = heightOf(shape.convolutions) * widthOf(shape.convolutions) * channelsOf(shape.convolutions)
  head.width = recipe.width
  head.hidden = recipe.model == SOFTMAX ? 0 : recipe.depth
  head.outs = classes
  head.stride = roundUp8(classes)
  head.activation = recipe.activation
  const weights = (shape.convolutions == 0 ? 0 : 9 * c + 18 * c * c) + weightCount(head)
  const biases = (shape.convolutions == 0 ? 0 : 3 * c) + biasCount(head)
  shape.matrices = roundUp8(weights)
  shape.trainable = weights + biases
  shape.parameters = shape.matrices + roundUp8(biases)
}

/** Decides how many images are computed at once, given the operations of one in training. */
export function setImages(flopsOfImage: u64): void {
  const wished = u32(min<u64>(IMAGES_MAX, BLOCK_FLOPS / flopsOfImage))
  shape.images = min(recipe.batch, max(IMAGES_MIN, wished))
  head.rows = shape.images
}

// Level b is what convolution b reads; level 2 what the dense layers read.

/** Pixels from top to bottom at a level. */
@inline export function heightOf(level: u32): u32 {
  return shape.height >> level
}

@inline export function widthOf(level: u32): u32 {
  return shape.width >> level
}

@inline export function channelsOf(level: u32): u32 {
  return level == 0 ? 1 : recipe.channels << (level - 1)
}

// Offsets of parameters, in bytes.

/** The weights of convolution `b`; those of the dense layers behind the last one. */
export function convolutionOffset(b: u32): usize {
  const c = recipe.channels
  return usize(b == 0 ? 0 : b == 1 ? 9 * c : 9 * c + 18 * c * c) << 2
}

/** The bias of convolution `b`; those of the dense layers behind the last one. */
export function biasOffset(b: u32): usize {
  const c = recipe.channels
  return usize(shape.matrices + (b == 0 ? 0 : b == 1 ? c : 3 * c)) << 2
}
