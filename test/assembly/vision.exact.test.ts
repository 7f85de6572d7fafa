import { beforeAll, describe, expect, test } from 'vitest'
import { encodeSplit, type LabelledImages } from '#server/data/idx.ts'
import { type AnyKernel, kernelOf, recipeOf, runAny } from './any-kernel.ts'
import { sampleImages } from './sample-images.ts'
import { trainVision, type VisionRecipe } from './vision.reference.ts'

const HEADER_BYTES = 64

let kernel: AnyKernel
beforeAll(async () => {
  kernel = await kernelOf('vision')
}, 60_000)

interface Case {
  readonly name: string
  readonly size: readonly [number, number]
  readonly recipe: Partial<VisionRecipe>
  readonly updates: number
}

/** Shapes with every kind of edge: odd images, classes that are no multiple of four, batches of several uneven blocks. */
const CASES: readonly Case[] = [
  { name: 'softmax', size: [5, 7], recipe: { model: 'softmax', batch: 6 }, updates: 6 },
  { name: 'mlp', size: [6, 6], recipe: { model: 'mlp', width: 16, depth: 2, batch: 20 }, updates: 5 },
  {
    name: 'mlp with tanh',
    size: [4, 5],
    recipe: { model: 'mlp', width: 8, depth: 1, activation: 'tanh', batch: 5 },
    updates: 5,
  },
  {
    name: 'mlp without hidden layers',
    size: [4, 4],
    recipe: { model: 'mlp', depth: 0, batch: 3 },
    updates: 3,
  },
  { name: 'cnn', size: [8, 8], recipe: { model: 'cnn', depth: 0, batch: 5 }, updates: 4 },
  {
    name: 'cnn of odd images with a hidden layer and GELU',
    size: [7, 9],
    recipe: { model: 'cnn', depth: 1, width: 8, activation: 'gelu', batch: 3 },
    updates: 3,
  },
  {
    name: 'cnn of 16 channels',
    size: [6, 5],
    recipe: { model: 'cnn', depth: 0, channels: 16, activation: 'tanh', batch: 2 },
    updates: 2,
  },
  {
    name: 'shifted images, clipping, decay, no warm-up',
    size: [6, 5],
    recipe: {
      model: 'cnn',
      depth: 0,
      batch: 4,
      shift: 2,
      clip: 0.05,
      warmup: 0,
      lr: 0.05,
      weight_decay: 0.3,
    },
    updates: 4,
  },
  {
    name: 'SGD with momentum along a line',
    size: [6, 5],
    recipe: { model: 'cnn', depth: 1, width: 8, batch: 4, optimizer: 'sgd', schedule: 'linear', lr: 0.1 },
    updates: 4,
  },
  {
    name: 'shifts as large as the image',
    size: [4, 4],
    recipe: { model: 'mlp', width: 8, batch: 9, shift: 4 },
    updates: 3,
  },
]

describe('vision equals its scalar specification bit for bit', () => {
  test.each(CASES)('$name', async ({ size, recipe, updates }) => {
    const train: LabelledImages = sampleImages({ count: 40, size, classes: 5 })
    const val = sampleImages({ count: 21, size, classes: 5, seed: 9 })
    const whole = recipeOf(kernel.manifest, recipe)
    const seed = 281474976710655
    const job = { recipe: whole, seed, limit: { updates } }
    const { said, artifact } = await runAny(kernel.raw, kernel.manifest, job, [
      encodeSplit(train),
      encodeSplit(val),
    ])
    const expected = trainVision(whole as unknown as VisionRecipe, { train, val }, { seed, updates })
    expect(said.status).toBe('ok')
    expect(said.train).toBe(expected.losses.at(-1))
    expect(artifact.length).toBe(HEADER_BYTES + expected.net.parameters * 4)
    const weights = new Uint8Array(expected.parameters.buffer)
    expect(Buffer.compare(artifact.subarray(HEADER_BYTES), weights)).toBe(0)
    expect(said.metric).toEqual({ name: 'val_bits', value: expected.valBits })
    expect(said.counters.valError).toBe(expected.valError)
  })
})
