// A stack of dense layers over a batch of rows: `hidden` layers of `width` units with an activation, and a last one whose
// outputs are logits. Weights of a layer are (ins, outs), row-major; layers follow each other, and so do their biases.

import { multiply } from './activation'
import { floats } from './arena'
import { gemm, NN, NT, TN, WHOLE } from './gemm'
import { activate, addBias, addRows, TANH } from './pointwise'
import { fillNormal } from './rng'

@unmanaged
export class Perceptron {
  features: u32 // floats of a row that the first layer reads
  width: u32 // a multiple of eight
  hidden: u32
  outs: u32 // logits
  stride: u32 // floats from row to row of the logits, a multiple of eight
  activation: u32 // lib/pointwise.ts numbers them
  rows: u32 // there is room for
  weights: usize // addresses of the parameters and of their gradients
  biases: usize
  weightSlopes: usize
  biasSlopes: usize
  slopes: usize // (hidden, rows, width) before the activations; afterwards their derivatives
  values: usize // (hidden, rows, width) activated
  logits: usize // (rows, stride); afterwards their gradient
  dvalue: usize // (rows, the largest layer) gradient of a layer's input
  dvalue2: usize // the same: two take turns
}

/** Counts of what is computed by whole vectors, two at a time, are rounded up to this. */
@inline export function roundUp8(x: u32): u32 {
  return (x + 7) & ~7
}

/** Floats of all weights. */
export function weightCount(p: Perceptron): u32 {
  return weightsBefore(p, p.hidden + 1)
}

/** Floats of all biases. */
export function biasCount(p: Perceptron): u32 {
  return p.hidden * p.width + p.outs
}

/** Takes room for the buffers of `p.rows` rows; training needs gradients as well. */
export function placePerceptron(p: Perceptron, train: bool): void {
  const largest = max(p.width, p.features)
  p.slopes = floats(p.hidden * p.rows * p.width)
  p.values = floats(p.hidden * p.rows * p.width)
  p.logits = floats(p.rows * p.stride)
  p.dvalue = floats(train ? p.rows * largest : 0)
  p.dvalue2 = floats(train ? p.rows * largest : 0)
}

/** Fresh weights: N(0, sqrt(g / ins)), g being 2, but 1 for tanh, and `last` for the last layer. */
export function fillPerceptron(p: Perceptron, random: usize, last: f64): void {
  for (let l: u32 = 0; l <= p.hidden; l++) {
    const gain = l == p.hidden ? last : gainOf(p.activation)
    fillNormal(random, weightsOf(p, l), insOf(p, l) * outsOf(p, l), f32(sqrt<f64>(gain / f64(insOf(p, l)))))
  }
}

/** What keeps the size of values from layer to layer: the g of `fillPerceptron`. */
export function gainOf(activation: u32): f64 {
  return activation == TANH ? 1 : 2
}

/** The logits of rows of `features` floats each. */
export function perceive(p: Perceptron, x: usize, rows: u32): void {
  for (let l: u32 = 0; l <= p.hidden; l++) {
    const ins = insOf(p, l), outs = outsOf(p, l), stride = strideOf(p, l)
    const out = l == p.hidden ? p.logits : layerOf(p, p.slopes, l)
    gemm(NN, WHOLE, rows, outs, ins, x, ins, weightsOf(p, l), outs, out, stride, false)
    addBias(out, biasOf(p, p.biases, l), rows, outs, stride)
    if (l == p.hidden) return
    activate(p.activation, layerOf(p, p.values, l), out, rows * outs)
    x = layerOf(p, p.values, l)
  }
}

/**
 * Adds the gradients of the parameters, given the same rows and the gradient of their logits where the logits were. With
 * `wanted`, gives the address of the gradient of the rows, (rows, features); else 0.
 */
export function perceiveBackward(p: Perceptron, x: usize, rows: u32, wanted: bool): usize {
  let d = p.logits
  let spare = p.dvalue
  for (let l = p.hidden; l > 0; l--) {
    layerBackward(p, l, layerOf(p, p.values, l - 1), d, rows)
    inputSlopes(p, l, d, spare, rows)
    multiply(spare, layerOf(p, p.slopes, l - 1), rows * p.width)
    d = spare
    spare = d == p.dvalue ? p.dvalue2 : p.dvalue
  }
  layerBackward(p, 0, x, d, rows)
  if (!wanted) return 0
  inputSlopes(p, 0, d, spare, rows)
  return spare
}

// Adds the gradients of a layer's weights and biases.
function layerBackward(p: Perceptron, l: u32, x: usize, d: usize, rows: u32): void {
  const ins = insOf(p, l), outs = outsOf(p, l), stride = strideOf(p, l)
  const slopes = p.weightSlopes + (weightsOf(p, l) - p.weights)
  gemm(TN, WHOLE, ins, outs, rows, x, ins, d, stride, slopes, outs, true)
  addRows(biasOf(p, p.biasSlopes, l), d, rows, outs, stride)
}

function inputSlopes(p: Perceptron, l: u32, d: usize, out: usize, rows: u32): void {
  const ins = insOf(p, l), outs = outsOf(p, l)
  gemm(NT, WHOLE, rows, ins, outs, d, strideOf(p, l), weightsOf(p, l), outs, out, ins, false)
}

// Operations per value of an activation with its bias.
const ACTIVATION: u64 = 10

/** Operations of `perceive` for one row: 2 m n k for a product. */
export function perceiveFlops(p: Perceptron): u64 {
  let sum: u64 = 0
  for (let l: u32 = 0; l <= p.hidden; l++) sum += u64(outsOf(p, l)) * (2 * u64(insOf(p, l)) + ACTIVATION)
  return sum
}

/** Operations of `perceiveBackward` for one row: two products a layer, the first layer's second one only if `wanted`. */
export function perceiveBackwardFlops(p: Perceptron, wanted: bool): u64 {
  let sum: u64 = 0
  for (let l: u32 = 0; l <= p.hidden; l++) {
    const products: u64 = l == 0 && !wanted ? 2 : 4
    sum += u64(outsOf(p, l)) * (products * u64(insOf(p, l)) + 2)
  }
  return sum
}

@inline function insOf(p: Perceptron, l: u32): u32 {
  return l == 0 ? p.features : p.width
}

@inline function outsOf(p: Perceptron, l: u32): u32 {
  return l == p.hidden ? p.outs : p.width
}

@inline function strideOf(p: Perceptron, l: u32): u32 {
  return l == p.hidden ? p.stride : p.width
}

function weightsBefore(p: Perceptron, count: u32): u32 {
  let sum: u32 = 0
  for (let l: u32 = 0; l < count; l++) sum += insOf(p, l) * outsOf(p, l)
  return sum
}

@inline function weightsOf(p: Perceptron, l: u32): usize {
  return p.weights + (usize(weightsBefore(p, l)) << 2)
}

@inline function biasOf(p: Perceptron, biases: usize, l: u32): usize {
  return biases + (usize(l * p.width) << 2)
}

@inline function layerOf(p: Perceptron, buffer: usize, l: u32): usize {
  return buffer + (usize(l * p.rows * p.width) << 2)
}
