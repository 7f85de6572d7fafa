// The network, forward and backward, over up to S images.

import { gemm, NN, NT, TN, WHOLE } from '../lib/gemm'
import { multiply } from '../lib/gelu'
import { activate, addBias, addRows } from '../lib/pointwise'
import { crossEntropy } from '../lib/softmax'
import { arena, convolution, dense } from './arena'
import { convolve, convolveSlopes, turnWeights } from './convolution'
import { fromGrid, gridPositions, toGrid } from './grid'
import { pool, unpool } from './pool'
import { recipe } from './recipe'
import { biasOffset, channelsOf, convolutionOffset, denseOffset, heightOf, insOf, outsOf, shape, widthOf } from './shape'

/** The logits of `images` images, whose pixels stand where `fillImages` wrote them. */
export function forward(images: u32): void {
  for (let b: u32 = 0; b < shape.convolutions; b++) convolutionForward(b, images)
  let x = features()
  for (let l: u32 = 0; l < shape.dense; l++) {
    const at = dense(l)
    const ins = insOf(l), outs = outsOf(l), stride = strideOf(l)
    gemm(NN, WHOLE, images, outs, ins, x, ins, arena.parameters + denseOffset(l), outs, at.slope, stride, false)
    addBias(at.slope, arena.parameters + biasOffset(shape.convolutions + l), images, outs, stride)
    if (l == shape.dense - 1) return
    activate(recipe.activation, at.value, at.slope, images * outs)
    x = at.value
  }
}

/** How many of the images are taken for another class than theirs; of equal logits the first class counts. */
export function countWrong(images: u32): u32 {
  let wrong: u32 = 0
  for (let s: u32 = 0; s < images; s++) {
    const row = dense(shape.dense - 1).slope + (usize(s * shape.classStride) << 2)
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
    const row = dense(shape.dense - 1).slope + (usize(s * shape.classStride) << 2)
    sum += f64(crossEntropy(row, shape.classes, shape.classStride, labelOf(s), weight))
  }
  return sum
}

/** Adds the gradients of the parameters. */
export function backward(images: u32): void {
  let d = dense(shape.dense - 1).slope
  let spare = arena.dvalue
  for (let l = shape.dense - 1; ; l--) {
    const ins = insOf(l), outs = outsOf(l), stride = strideOf(l)
    const x = l == 0 ? features() : dense(l - 1).value
    const weights = denseOffset(l)
    gemm(TN, WHOLE, ins, outs, images, x, ins, d, stride, arena.gradients + weights, outs, true)
    addRows(arena.gradients + biasOffset(shape.convolutions + l), d, images, outs, stride)
    if (l == 0 && shape.convolutions == 0) return
    gemm(NT, WHOLE, images, ins, outs, d, stride, arena.parameters + weights, outs, spare, ins, false)
    multiply(spare, l == 0 ? convolution(1).slope : dense(l - 1).slope, images * ins)
    d = spare
    if (l == 0) break
    spare = d == arena.dvalue ? arena.dvalue2 : arena.dvalue
  }
  convolutionBackward(1, d, images)
  const c = recipe.channels
  const positions = images * gridPositions(heightOf(1), widthOf(1))
  turnWeights(arena.turned, arena.parameters + convolutionOffset(1), c, 2 * c)
  convolve(arena.dgrid, convolution(1).dout, arena.turned, positions, widthOf(1), 2 * c, 6 * c, c)
  fromGrid(arena.dvalue, arena.dgrid, images, heightOf(1), widthOf(1), c)
  multiply(arena.dvalue, convolution(0).slope, images * heightOf(1) * widthOf(1) * c)
  convolutionBackward(0, arena.dvalue, images)
}

/** Clears what `backward` adds to. */
export function clearGradients(): void {
  memory.fill(arena.gradients, 0, usize(shape.parameters) << 2)
  if (shape.convolutions > 0) memory.fill(arena.firstSlopes, 0, usize(12 * recipe.channels) << 2)
}

/** Puts the gradient of the first convolution, which is kept with a fourth tap, where the others are. */
export function gatherGradients(): void {
  if (shape.convolutions > 0) copyRuns(arena.gradients, 3, arena.firstSlopes, 4)
}

// Convolution, pooling, bias, activation; what the next convolution reads is laid out as a grid.
function convolutionForward(b: u32, images: u32): void {
  const at = convolution(b)
  const height = heightOf(b), width = widthOf(b), outs = channelsOf(b + 1)
  let weights = arena.parameters + convolutionOffset(b)
  if (b == 0) {
    copyRuns(arena.firstWeights, 4, weights, 3)
    weights = arena.firstWeights
  }
  convolve(at.out, at.input, weights, images * gridPositions(height, width), width, channelsOf(b), tapsOf(b), outs)
  pool(at.slope, at.which, at.out, images, height, width, outs)
  const pixels = images * heightOf(b + 1) * widthOf(b + 1)
  addBias(at.slope, arena.parameters + biasOffset(b), pixels, outs, outs)
  activate(recipe.activation, at.value, at.slope, pixels * outs)
  if (b == 0) toGrid(convolution(1).input, at.value, images, heightOf(1), widthOf(1), outs)
}

// From the gradient of what was pooled and biased: those of bias and weights, and that of the outputs.
function convolutionBackward(b: u32, d: usize, images: u32): void {
  const at = convolution(b)
  const height = heightOf(b), width = widthOf(b), outs = channelsOf(b + 1)
  addRows(arena.gradients + biasOffset(b), d, images * heightOf(b + 1) * widthOf(b + 1), outs, outs)
  unpool(at.dout, at.which, d, images, height, width, outs)
  const slopes = b == 0 ? arena.firstSlopes : arena.gradients + convolutionOffset(b)
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

@inline function strideOf(l: u32): u32 {
  return l == shape.dense - 1 ? shape.classStride : recipe.width
}

@inline function labelOf(s: u32): u32 {
  return load<u32>(arena.labels + (usize(s) << 2))
}
