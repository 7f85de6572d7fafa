// vision@1 as its SPEC.md says, slow and clear: one loop per formula, no grids, no blocks, no tiles.

import type { LabelledImages } from '#server/data/idx.ts'
import { type Arithmetic, below, exact, fillNormal, type Numbers, randomStream } from './arithmetic.ts'
import { type DescentRecipe, descend, learningRate } from './optimizers.ts'
import { crossEntropy, num } from './parts.ts'
import {
  type Activated,
  activate,
  addBias,
  addRows,
  biasCount,
  fillStack,
  gainOf,
  multiply,
  type Place,
  perceive,
  perceiveBack,
  roundUp8,
  type Stack,
  weightCount,
} from './perceptron.ts'

export type VisionRecipe = DescentRecipe & {
  readonly batch: number
  readonly model: string
  readonly depth: number
  readonly width: number
  readonly channels: number
  readonly activation: string
  readonly shift: number
}

interface Convolution {
  readonly height: number
  readonly width: number
  readonly ins: number // channels
  readonly outs: number
  readonly weights: number
  readonly bias: number
}

export interface Net {
  readonly convolutions: readonly Convolution[]
  readonly head: Stack
  readonly place: Place
  readonly matrices: number
  readonly parameters: number
}

export function netOf(recipe: VisionRecipe, images: { rows: number; columns: number }, classes: number): Net {
  const { model, channels: c, width, activation } = recipe
  const isCnn = model === 'cnn'
  const [h, w] = [images.rows, images.columns]
  const features = isCnn ? (h >> 2) * (w >> 2) * 2 * c : h * w
  const head = { features, width, hidden: model === 'softmax' ? 0 : recipe.depth, outs: classes, activation }
  const weights = isCnn ? 9 * c + 18 * c * c : 0
  const matrices = roundUp8(weights + weightCount(head))
  const biases = matrices + (isCnn ? 3 * c : 0)
  const convolutions = [
    { height: h, width: w, ins: 1, outs: c, weights: 0, bias: matrices },
    { height: h >> 1, width: w >> 1, ins: c, outs: 2 * c, weights: 9 * c, bias: matrices + c },
  ]
  return {
    convolutions: isCnn ? convolutions : [],
    head,
    place: { weights, biases },
    matrices,
    parameters: matrices + roundUp8(biases - matrices + biasCount(head)),
  }
}

export function initialise(net: Net, seed: number): Float32Array {
  const parameters = new Float32Array(net.parameters)
  const next = randomStream(seed, 0)
  for (const { ins, outs, weights } of net.convolutions) {
    const deviation = Math.sqrt(gainOf(net.head.activation) / (9 * ins))
    fillNormal(next, parameters.subarray(weights, weights + 9 * ins * outs), deviation)
  }
  fillStack(next, parameters, net.head, { place: net.place, last: 1 })
  return parameters
}

/** The neighbours of (y, x) inside an image, by row and then by column: their pixel and their number, 0 to 8. */
function neighbours({ height, width }: Convolution, y: number, x: number): { pixel: number; n: number }[] {
  const found: { pixel: number; n: number }[] = []
  for (let n = 0; n < 9; n++) {
    const [row, column] = [y + Math.floor(n / 3) - 1, x + (n % 3) - 1]
    if (row >= 0 && row < height && column >= 0 && column < width)
      found.push({ pixel: row * width + column, n })
  }
  return found
}

interface Convolved {
  readonly input: Numbers
  readonly which: readonly number[] // pixel of `out` that was greatest, of each pooled value
  readonly activated: Activated
}

/** Convolution, pooling, bias, activation, of images one behind the other. */
function convolve(A: Arithmetic, net: Net, at: Convolution, parameters: Numbers, input: Numbers): Convolved {
  const { height, width, ins, outs, weights, bias } = at
  const pixels = height * width
  const images = input.length / (pixels * ins)
  const pooled = A.numbers(images * (height >> 1) * (width >> 1) * outs)
  const which: number[] = []
  for (let s = 0; s < images; s++) {
    const out = A.numbers(pixels * outs)
    for (let p = 0; p < pixels; p++)
      for (let o = 0; o < outs; o++) {
        let sum = 0
        for (const { pixel, n } of neighbours(at, Math.floor(p / width), p % width))
          for (let c = 0; c < ins; c++) {
            const x = num(input, (s * pixels + pixel) * ins + c)
            sum = A.round(sum + A.round(x * num(parameters, weights + (n * ins + c) * outs + o)))
          }
        out[p * outs + o] = sum
      }
    for (let y = 0; y < height >> 1; y++)
      for (let x = 0; x < width >> 1; x++)
        for (let o = 0; o < outs; o++) {
          const corner = (2 * y * width + 2 * x) * outs + o
          const four = [corner, corner + outs, corner + width * outs, corner + (width + 1) * outs]
          const best = four.reduce((a, b) => (num(out, b) > num(out, a) ? b : a))
          pooled[which.length] = num(out, best)
          which.push(s * pixels * outs + best)
        }
  }
  addBias(A, pooled, parameters, { bias, columns: outs })
  return { input, which, activated: activate(A, net.head.activation, pooled) }
}

/** Adds the gradients of weights and bias; gives that of the input. `d` is the gradient of the pooled and biased values. */
function convolveBack(
  A: Arithmetic,
  at: Convolution,
  { parameters, gradients }: { parameters: Numbers; gradients: Numbers },
  { convolved, d }: { convolved: Convolved; d: Numbers },
): Numbers {
  const { height, width, ins, outs, weights, bias } = at
  const pixels = height * width
  const { input, which } = convolved
  addRows(A, gradients, d, { bias, columns: outs })
  const images = input.length / (pixels * ins)
  const dOut = A.numbers(images * pixels * outs)
  which.forEach((index, i) => {
    dOut[index] = num(d, i)
  })
  const dInput = A.numbers(input.length)
  for (let q = 0; q < images * pixels; q++) {
    const first = Math.floor(q / pixels) * pixels
    const around = neighbours(at, Math.floor((q - first) / width), (q - first) % width)
    for (const { pixel, n } of around)
      for (let c = 0; c < ins; c++)
        for (let o = 0; o < outs; o++) {
          const w = weights + (n * ins + c) * outs + o
          const product = A.round(num(input, (first + pixel) * ins + c) * num(dOut, q * outs + o))
          gradients[w] = A.round(num(gradients, w) + product)
        }
    for (let c = 0; c < ins; c++) {
      let sum = 0
      for (const { pixel, n } of around)
        for (let o = 0; o < outs; o++) {
          const weight = num(parameters, weights + ((8 - n) * ins + c) * outs + o)
          sum = A.round(sum + A.round(num(dOut, (first + pixel) * outs + o) * weight))
        }
      dInput[q * ins + c] = sum
    }
  }
  return dInput
}

export interface Batch {
  readonly pixels: Numbers // images one behind the other, 0 to 1
  readonly labels: readonly number[]
}

export interface Pass {
  readonly losses: readonly number[] // nats
  readonly wrong: number
  readonly gradients: Numbers
}

/** Losses of a batch, and the gradients of weight times their sum. */
export function pass(A: Arithmetic, net: Net, parameters: Numbers, batch: Batch, weight: number): Pass {
  const gradients = A.numbers(net.parameters)
  const K = net.head.outs
  let x = batch.pixels
  const tape = net.convolutions.map(at => {
    const convolved = convolve(A, net, at, parameters, x)
    x = convolved.activated.value
    return { at, convolved }
  })
  const perceived = perceive(A, net.head, { parameters, place: net.place, x })
  const rows = batch.labels.map((_, s) => perceived.logits.subarray(s * K, (s + 1) * K))
  const guesses = rows.map(row => row.indexOf(Math.max(...row)))
  const wrong = batch.labels.filter((label, s) => label !== guesses[s]).length
  const losses = batch.labels.map((label, s) => crossEntropy(A, rows[s]!, label, weight))
  if (weight === 0) return { losses, wrong, gradients }
  const both = { parameters, gradients }
  let d = perceiveBack(A, net.head, { ...both, place: net.place }, { perceived, dLogits: perceived.logits })
  for (const { at, convolved } of tape.toReversed()) {
    multiply(A, d, convolved.activated.slope)
    d = convolveBack(A, at, both, { convolved, d })
  }
  return { losses, wrong, gradients }
}

/** Image `index`, moved, as numbers from 0 to 1. */
function imageOf(
  A: Arithmetic,
  { rows, columns, pixels }: LabelledImages,
  index: number,
  [down, right]: readonly [number, number] = [0, 0],
): number[] {
  const scale = A.round(1 / 255)
  return Array.from({ length: rows * columns }, (_, i) => {
    const [y, x] = [Math.floor(i / columns) - down, (i % columns) - right]
    const isInside = y >= 0 && y < rows && x >= 0 && x < columns
    return isInside ? A.round(num(pixels, index * rows * columns + y * columns + x) * scale) : 0
  })
}

/** The next batch, from the sampling stream. */
export function drawBatch(
  A: Arithmetic,
  next: () => bigint,
  recipe: Pick<VisionRecipe, 'batch' | 'shift'>,
  train: LabelledImages,
): Batch {
  const { batch, shift } = recipe
  const indices = Array.from({ length: batch }, () => below(next, train.labels.length))
  const move = (): number => (shift === 0 ? 0 : below(next, 2 * shift + 1) - shift)
  const images = indices.map(index => {
    const down = move()
    return imageOf(A, train, index, [down, move()])
  })
  const pixels = A.numbers(images.length * train.rows * train.columns)
  pixels.set(images.flat())
  return { pixels, labels: indices.map(index => num(train.labels, index)) }
}

const BITS_PER_NAT = Math.LOG2E
const sum = (list: readonly number[]): number => list.reduce((total, x) => total + x, 0)

export interface VisionRun {
  readonly net: Net
  readonly parameters: Float32Array
  readonly losses: readonly number[] // bits per label of each batch
  readonly valBits: number
  readonly valError: number
}

/** Trains for `updates` updates and evaluates, in exact arithmetic. Slow: tiny shapes only. */
export function trainVision(
  recipe: VisionRecipe,
  { train, val }: { train: LabelledImages; val: LabelledImages },
  { seed, updates }: { seed: number; updates: number },
): VisionRun {
  const net = netOf(recipe, train, Math.max(...train.labels) + 1)
  const parameters = initialise(net, seed)
  const next = randomStream(seed, 1)
  const state = {
    ...{ parameters, mean: new Float32Array(net.parameters), square: new Float32Array(net.parameters) },
    powers: { beta1: 1, beta2: 1 },
  }
  const losses: number[] = []
  for (let update = 0; update < updates; update++) {
    const batch = drawBatch(exact, next, recipe, train)
    const result = pass(exact, net, parameters, batch, Math.fround(1 / recipe.batch))
    losses.push((sum(result.losses) / recipe.batch) * BITS_PER_NAT)
    const lr = learningRate(recipe, update, updates)
    descend(state, result.gradients, { recipe, lr, matrices: net.matrices })
  }
  const pixels = exact.numbers(val.pixels.length)
  pixels.set(Array.from(val.labels.keys(), index => imageOf(exact, val, index)).flat())
  const judged = pass(exact, net, parameters, { pixels, labels: [...val.labels] }, 0)
  const count = val.labels.length
  return {
    ...{ net, parameters, losses },
    valBits: (sum(judged.losses) / count) * BITS_PER_NAT,
    valError: judged.wrong / count,
  }
}
