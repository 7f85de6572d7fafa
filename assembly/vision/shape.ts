// The network's shapes and where its parameters lie. Two convolutions (cnn only), then dense layers; the last one gives the
// logits. Letters: S images computed at once, K classes, F features that the first dense layer reads.
//
// Parameters, in floats: weights of the convolutions (9 channels, outs), weights of the dense layers (ins, outs), zeros up to
// a multiple of four; then the biases in the same order, zeros up to a multiple of four. Their gradients and moments share
// the order, so an offset is valid in all four.

import { roundUp4 } from '../lib/attention'
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
  classStride: u32 // floats from row to row of the logits
  convolutions: u32 // 0 or 2
  dense: u32 // layers
  features: u32 // F
  images: u32 // S
  matrices: u32 // floats of weights, which decay
  parameters: u32 // floats in memory
  trainable: u32 // of them, without the zeros between
}

export const shape = changetype<Shape>(memory.data(offsetof<Shape>(), 16))

/** Derives every shape from the recipe and the data. */
export function setShape(height: u32, width: u32, classes: u32): void {
  shape.height = height
  shape.width = width
  shape.classes = classes
  shape.classStride = roundUp4(classes)
  shape.convolutions = recipe.model == CNN ? CONVOLUTIONS : 0
  shape.dense = recipe.model == SOFTMAX ? 1 : recipe.depth + 1
  const last = shape.convolutions
  shape.features = heightOf(last) * widthOf(last) * channelsOf(last)
  const weights = denseOffsetOf(shape.dense)
  shape.matrices = roundUp4(weights)
  const biases = biasOffsetOf(last + shape.dense) - shape.matrices
  shape.trainable = weights + biases
  shape.parameters = shape.matrices + roundUp4(biases)
}

/** Decides how many images are computed at once, given the operations of one in training. */
export function setImages(flopsOfImage: u64): void {
  const wished = u32(min<u64>(IMAGES_MAX, BLOCK_FLOPS / flopsOfImage))
  shape.images = min(recipe.batch, max(IMAGES_MIN, wished))
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

/** Features that dense layer `l` reads. */
@inline export function insOf(l: u32): u32 {
  return l == 0 ? shape.features : recipe.width
}

@inline export function outsOf(l: u32): u32 {
  return l == shape.dense - 1 ? shape.classes : recipe.width
}

/** Where the weights of convolution `b` begin, in bytes. */
export function convolutionOffset(b: u32): usize {
  return usize(b == 0 ? 0 : 9 * recipe.channels) << 2
}

/** Where the weights of dense layer `l` begin, in bytes. */
export function denseOffset(l: u32): usize {
  return usize(denseOffsetOf(l)) << 2
}

/** Where the bias of a layer begins, in bytes; convolutions are counted first. */
export function biasOffset(layer: u32): usize {
  return usize(biasOffsetOf(layer)) << 2
}

function denseOffsetOf(count: u32): u32 {
  const c = recipe.channels
  let offset = shape.convolutions == 0 ? 0 : 9 * c + 18 * c * c
  for (let l: u32 = 0; l < count; l++) offset += insOf(l) * outsOf(l)
  return offset
}

function biasOffsetOf(count: u32): u32 {
  let offset = shape.matrices
  for (let i: u32 = 0; i < count; i++) {
    offset += i < shape.convolutions ? channelsOf(i + 1) : outsOf(i - shape.convolutions)
  }
  return offset
}
