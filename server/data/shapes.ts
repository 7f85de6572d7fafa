import { uniform } from '#search/random.ts'
import type { LabelledImages } from './idx.ts'
import { type ImageSplits, splitImages } from './images.ts'

// shapes@1: eight figures of varying size, place, turn and brightness on a noisy ground, drawn by this program. Small enough
// to come with it, hard enough that a linear model fails where a convolution does not.

/** Where the images come from. */
export const SHAPES_SOURCE = { package: 'xeenet/server/data/shapes.ts', version: '1' } as const
export const SHAPES_LICENCE = 'CC0-1.0'

const SIDE = 16
const TRAIN = 2_400
const VAL = 400
const TEST = 400
const SEED = 20_261_126

/** A figure: the signed distance from (x, y) to its edge, negative inside, in units of its size. */
type Figure = (x: number, y: number) => number

const disc: Figure = (x, y) => Math.sqrt(x * x + y * y) - 1
const square: Figure = (x, y) => Math.max(Math.abs(x), Math.abs(y)) - 0.9
const triangle: Figure = (x, y) => Math.max(y - 0.6, 0.87 * Math.abs(x) - 0.5 * y - 0.5)
const bar: Figure = (x, y) => Math.max(Math.abs(x) - 1.1, Math.abs(y) - 0.25)
const outline =
  (figure: Figure): Figure =>
  (x, y) =>
    Math.abs(figure(x, y) + 0.2) - 0.2

const FIGURES: readonly Figure[] = [
  disc,
  outline(disc),
  square,
  outline(square),
  triangle,
  bar,
  (x, y) => Math.min(bar(x, y), bar(y, x)), // a cross
  (x, y) => Math.min(disc(2.4 * x - 1.4, 2.4 * y), disc(2.4 * x + 1.4, 2.4 * y)) / 2.4, // two discs
]

/** The splits of shapes@1, the same bytes on every machine: nothing but +, −, ×, ÷ and square roots. */
export function drawShapes(): ImageSplits {
  return splitImages(draw(0, TRAIN + VAL), draw(TRAIN + VAL, TEST), VAL)
}

function draw(from: number, count: number): LabelledImages {
  const pixels = new Uint8Array(count * SIDE * SIDE)
  const labels = new Uint8Array(count)
  for (let index = 0; index < count; index++) {
    const label = Math.floor(uniform(SEED, from + index, 0) * FIGURES.length)
    labels[index] = label
    drawImage(pixels.subarray(index * SIDE * SIDE, (index + 1) * SIDE * SIDE), from + index, label)
  }
  return { rows: SIDE, columns: SIDE, pixels, labels }
}

function drawImage(out: Uint8Array, image: number, label: number): void {
  let dimension = 1
  const between = (low: number, high: number): number =>
    low + (high - low) * uniform(SEED, image, dimension++)
  const size = between(3.2, 5.6) // pixels
  const [left, top] = [between(6, 9), between(6, 9)]
  const t = between(-0.25, 0.25) // the tangent of half the turn
  const [cos, sin] = [(1 - t * t) / (1 + t * t), (2 * t) / (1 + t * t)]
  const [ground, brightness] = [between(0, 60), between(90, 180)]
  const figure = FIGURES[label] ?? disc
  for (let i = 0; i < out.length; i++) {
    const [x, y] = [((i % SIDE) - left) / size, (Math.floor(i / SIDE) - top) / size]
    const inside = 0.5 - figure(cos * x + sin * y, cos * y - sin * x) * size // how much of the pixel is covered
    const value = ground + brightness * Math.max(0, Math.min(1, inside)) + between(-45, 45)
    out[i] = Math.max(0, Math.min(255, Math.floor(value)))
  }
}
