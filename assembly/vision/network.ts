// The network, forward and backward, over up to S images.

import { multiply } from '../lib/activation'
import { perceive, perceiveBackward } from '../lib/perceptron'
import { activate, addBias, addRows } from '../lib/pointwise'
import { crossEntropy } from '../lib/softmax'
import { arena, convolution, tensors } from './arena'
import { convolve, convolveSlopes, turnWeights } from './convolution'
import { fromGrid, gridPositions, toGrid } from './grid'
import { pool, unpool } from './pool'
import { recipe } from './recipe'
import { biasOffset, channelsOf, convolutionOffset, head, heightOf, shape, widthOf } from './shape'

/** The logits of `images` images, whose pixels stand where train.ts wrote them. */
export function forward(images: u32): void {
  for (let b: u32 = 0; b < shape.convolutions; b++) convolutionForward(b, images)
  perceive(head, features(), images)
}

/** How many of the images are taken for another class than theirs; of equal logits the first class counts. */
export function countWrong(images: u32): u32 {
  let wrong: u32 = 0
  for (let s: u32 = 0; s < images; s++) {
    const row = head.logits + (usize(s * head.stride) << 2)
    let best: u32 = 0
    for (let k: u32 = 1; k < shape.classes; k++) {
      if (load<f32>(row + (usize(k) << 2)) > load<f32>(row + (usize(best) << 2))) best = k
    }
    if (best != labelOf(s)) wrong += 1
  }
  return wrong
}

/**
 * The sum of the losses in nats, in f64, image by image. With weight > 0 the logits become the gradient of weight times
 * that sum.
 */
export function losses(images: u32, weight: f32): f64 {
  let sum: f64 = 0
  for (let s: u32 = 0; s < images; s++) {
    const row = head.logits + (usize(s * head.stride) << 2)
    sum += f64(crossEntropy(row, shape.classes, head.stride, labelOf(s), weight))
  }
  return sum
}

/** Adds the gradients of the parameters. */
export function backward(images: u32): void {
  const d = perceiveBackward(head, features(), images, shape.convolutions > 0)
  if (shape.convolutions == 0) return
  const c = recipe.channels
  const pixels = images * heightOf(1) * widthOf(1)
  multiply(d, convolution(1).slope, images * head.features)
  convolutionBackward(1, d, images)
  turnWeights(arena.turned, tensors.parameters + convolutionOffset(1), c, 2 * c)
  const positions = images * gridPositions(heightOf(1), widthOf(1))
  convolve(arena.dgrid, convolution(1).dout, arena.turned, positions, widthOf(1), 2 * c, 6 * c, c)
  fromGrid(arena.dpooled, arena.dgrid, images, heightOf(1), widthOf(1), c)
  multiply(arena.dpooled, convolution(0).slope, pixels * c)
  convolutionBackward(0, arena.dpooled, images)
}

/** Clears what `backward` adds to. */
export function clearGradients(): void {
  memory.fill(tensors.gradients, 0, usize(shape.parameters) << 2)
  if (shape.convolutions > 0) memory.fill(arena.firstSlopes, 0, usize(12 * recipe.channels) << 2)
}

/** Puts the gradient of the first convolution, which is kept with a fourth tap, where the others are. */
export function gatherGradients(): void {
  if (shape.convolutions > 0) copyRuns(tensors.gradients, 3, arena.firstSlopes, 4)
}

// Convolution, pooling, bias, activation; what the next convolution reads is laid out as a grid.
function convolutionForward(b: u32, images: u32): void {
  const at = convolution(b)
  const height = heightOf(b), width = widthOf(b), outs = channelsOf(b + 1)
  let weights = tensors.parameters + convolutionOffset(b)
  if (b == 0) {
    copyRuns(arena.firstWeights, 4, weights, 3)
    weights = arena.firstWeights
  }
  convolve(at.out, at.input, weights, images * gridPositions(height, width), width, channelsOf(b), tapsOf(b), outs)
  pool(at.slope, at.which, at.out, images, height, width, outs)
  const pixels = images * heightOf(b + 1) * widthOf(b + 1)
  addBias(at.slope, tensors.parameters + biasOffset(b), pixels, outs, outs)
  activate(recipe.activation, at.value, at.slope, pixels * outs)
  if (b == 0) toGrid(convolution(1).input, at.value, images, heightOf(1), widthOf(1), outs)
}

// From the gradient of what was pooled and biased: those of bias and weights, and that of the outputs.
function convolutionBackward(b: u32, d: usize, images: u32): void {
  const at = convolution(b)
  const height = heightOf(b), width = widthOf(b), outs = channelsOf(b + 1)
  addRows(tensors.gradients + biasOffset(b), d, images * heightOf(b + 1) * widthOf(b + 1), outs, outs)
  unpool(at.dout, at.which, d, images, height, width, outs)
  const slopes = b == 0 ? arena.firstSlopes : tensors.gradients + convolutionOffset(b)
  const positions = images * gridPositions(height, width)
  convolveSlopes(slopes, at.input, at.dout, positions, width, channelsOf(b), tapsOf(b), outs)
}

// Three runs of the first convolution's weights, `to` and `from` taps long, to and fro: the fourth tap stays zero.
function copyRuns(out: usize, to: u32, source: usize, from: u32): void {
  const tap = usize(recipe.channels) << 2
  for (let row: usize = 0; row < 3; row++) {
    memory.copy(out + row * usize(to) * tap, source + row * usize(from) * tap, 3 * tap)
  }
}

@inline function tapsOf(b: u32): u32 {
  return b == 0 ? 4 : 3 * channelsOf(b)
}

// What the first dense layer reads.
@inline function features(): usize {
  return shape.convolutions == 0 ? arena.pixels : convolution(1).value
}

@inline function labelOf(s: u32): u32 {
  return load<u32>(arena.labels + (usize(s) << 2))
}
