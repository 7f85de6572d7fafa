/**
 * What the native engine can train: for each kernel by name, the model of its recipe and its batches, from the same files and
 * the same random numbers as the WASM kernel. The kernel itself makes the first weights and judges the last ones, so that
 * neither exists twice.
 */
import type { Recipe } from '#protocol/job.ts'
import { charlmModel } from './charlm.ts'
import type { Draws } from './draws.ts'
import { readIdx } from './idx.ts'
import type { Model } from './training.ts'
import { visionModel } from './vision.ts'

/** A batch as the graph wants it. */
export interface Batch {
  readonly inputs: Float32Array | Int32Array
  readonly targets: Int32Array
}

export interface Learner {
  readonly model: Model
  /** Of the artifact, in front of the parameters. */
  readonly prefaceBytes: number
  /** What a batch consists of, in the report's counters. */
  readonly items: { readonly name: string; readonly perUpdate: number }
  /** Random numbers that an update draws. */
  readonly drawsPerUpdate: number
  /** Writes the batch of one update as number `index` of `batch`. */
  readonly fill: (draws: Draws, batch: Batch, index: number) => void
}

interface Given {
  readonly recipe: Recipe
  /** What the kernel's artifact begins with: header, vocabulary. */
  readonly preface: Uint8Array
  readonly train: Uint8Array
}

type LearnerOf = (given: Given) => Learner

const LEARNERS: Readonly<Record<string, { readonly prefaceBytes: number; readonly learnerOf: LearnerOf }>> = {
  'charlm@1': { prefaceBytes: 64 + 256, learnerOf: charlmLearner },
  'vision@1': { prefaceBytes: 64, learnerOf: visionLearner },
}

/** How many bytes of the artifact `learnerFor` wants as the preface; undefined for a kernel that it does not know. */
export const prefaceBytesOf = (kernel: string): number | undefined => LEARNERS[kernel]?.prefaceBytes

/** How to train this kernel's recipe. @throws RangeError for a kernel that has no native form */
export function learnerFor(kernel: string, given: Given): Learner {
  const known = LEARNERS[kernel]
  if (known === undefined) throw new RangeError(`${kernel} has no native form`)
  return known.learnerOf(given)
}

// Words of the header behind magic, version and the number of parameters.
const word = (preface: Uint8Array, index: number): number =>
  new DataView(preface.buffer, preface.byteOffset).getUint32(12 + 4 * index, true)

const HEADER_BYTES = 64

function charlmLearner({ recipe, preface, train }: Given): Learner {
  const symbols = word(preface, 0)
  const symbolOf = new Int32Array(256)
  for (let s = 0; s < symbols; s++) symbolOf[preface[HEADER_BYTES + s] ?? 0] = s
  const [windows, context] = [Number(recipe.batch), Number(recipe.context)]
  const rows = windows * context
  return {
    model: charlmModel(recipe, symbols),
    prefaceBytes: preface.length,
    items: { name: 'tokens', perUpdate: rows },
    drawsPerUpdate: windows,
    fill: (draws, { inputs, targets }, index) => {
      for (let row = index * rows; row < (index + 1) * rows; row += context) {
        const start = draws.below(train.length - context)
        for (let t = 0; t < context; t++) {
          inputs[row + t] = symbolOf[train[start + t] ?? 0] ?? 0
          targets[row + t] = symbolOf[train[start + t + 1] ?? 0] ?? 0
        }
      }
    },
  }
}

function visionLearner({ recipe, preface, train }: Given): Learner {
  const [height, width, classes] = [word(preface, 0), word(preface, 1), word(preface, 2)]
  const { count, labels, pixels } = readIdx(train)
  const [images, shift] = [Number(recipe.batch), Number(recipe.shift)]
  const size = height * width
  const chosen = new Uint32Array(images)
  const moved = (draws: Draws): number => (shift === 0 ? 0 : draws.below(2 * shift + 1) - shift)
  return {
    model: visionModel(recipe, { height, width, classes }),
    prefaceBytes: preface.length,
    items: { name: 'images', perUpdate: images },
    drawsPerUpdate: shift === 0 ? images : 3 * images,
    fill: (draws, { inputs, targets }, index) => {
      for (let i = 0; i < images; i++) chosen[i] = draws.below(count)
      for (let i = 0; i < images; i++) {
        const [from, down, right] = [chosen[i] ?? 0, moved(draws), moved(draws)]
        const at = (index * images + i) * size
        targets[index * images + i] = labels[from] ?? 0
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const [row, column] = [y - down, x - right]
            const inside = row >= 0 && row < height && column >= 0 && column < width
            inputs[at + y * width + x] = inside
              ? (pixels[from * size + row * width + column] ?? 0) * SCALE
              : 0
          }
        }
      }
    },
  }
}

const SCALE = Math.fround(1 / 255)
