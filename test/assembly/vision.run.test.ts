import { beforeAll, describe, expect, test } from 'vitest'
import type { Recipe } from '#protocol/job.ts'
import { encodeSplit, type LabelledImages } from '#server/data/idx.ts'
import { type AnyKernel, beginAny, kernelOf, meteredOf, runAny, textOf } from './any-kernel.ts'
import { instantiate, type KernelExports, say } from './drive.ts'
import { sampleImages } from './sample-images.ts'

let kernel: AnyKernel
let metered: Uint8Array
beforeAll(async () => {
  kernel = await kernelOf('vision')
  metered = meteredOf(kernel)
}, 60_000)

const size = [8, 8] as const
const train = encodeSplit(sampleImages({ count: 300, size, classes: 5 }))
const val = encodeSplit(sampleImages({ count: 90, size, classes: 5, seed: 9 }))
const data = [train, val]
const tiny: Recipe = { model: 'mlp', width: 16, batch: 16 }
const MODELS: readonly Recipe[] = [
  { model: 'softmax' },
  { ...tiny, optimizer: 'sgd' },
  { model: 'cnn', depth: 1, width: 16, batch: 8 },
]

describe('a run bounded by fuel', () => {
  test.each(MODELS)('plans its updates, uses most of its fuel, and says its curve: %j', async recipe => {
    const { said, fuelUsed } = await runAny(metered, kernel.manifest, { recipe, limit: { fuel: 4e8 } }, data)
    const { curve, counters, metric } = said
    expect(said.status).toBe('ok')
    expect(counters.updates).toBe(counters.updatesPlanned)
    expect(counters.updates).toBeGreaterThan(20)
    expect(fuelUsed).toBeGreaterThan(0.94 * 4e8)
    expect(fuelUsed).toBeLessThanOrEqual(4e8)
    expect(curve.length).toBeLessThanOrEqual(64)
    expect(curve.at(-1)).toMatchObject({ update: counters.updates, val: metric?.value })
    expect(curve.map(({ update }) => update)).toEqual(
      [...new Set(curve.map(({ update }) => update))].sort((a, b) => a - b),
    )
  })

  test('is infeasible when the evaluation would take more than half of it', async () => {
    const job = { recipe: { model: 'cnn', batch: 2 }, limit: { fuel: 1.5e7 } }
    const { said, artifact } = await runAny(metered, kernel.manifest, job, data)
    expect(said).toMatchObject({ status: 'infeasible', metric: null })
    expect(artifact.length).toBe(0)
  })

  test('metering changes no bit, and any schedule of the same updates gives the same weights', async () => {
    for (const recipe of MODELS) {
      const job = { recipe, limit: { updates: 12 } }
      const one = await runAny(kernel.raw, kernel.manifest, job, data)
      const two = await runAny(metered, kernel.manifest, job, data)
      expect(two.artifact).toEqual(one.artifact)
      expect(two.said).toEqual(one.said)
    }
  })

  test('learns: the error falls far below that of guessing', async () => {
    const job = { recipe: { ...tiny, lr: 0.01 }, limit: { updates: 400 } }
    const { said } = await runAny(kernel.raw, kernel.manifest, job, data)
    expect(said.counters.valError).toBeLessThan(0.1)
    expect(said.metric?.value).toBeLessThan(0.6)
    expect(said.curve[0]?.train).toBeGreaterThan(1)
  })

  test('ends as diverged, without metric, weights or a NaN in its state', async () => {
    const wild = { lr: 1, weight_decay: 0, warmup: 0, final: 1, clip: 1000, depth: 4, width: 64 }
    const job = { recipe: { ...wild, optimizer: 'sgd', batch: 4 }, limit: { updates: 300 } }
    const { said, artifact, state } = await runAny(kernel.raw, kernel.manifest, job, data)
    expect(said).toMatchObject({ status: 'diverged', metric: null })
    expect(artifact.length).toBe(0)
    const floats = new Float32Array(state.slice(state.length % 4).buffer)
    expect(floats.subarray(-3 * said.counters.parameters).some(Number.isNaN)).toBe(false)
  })
})

describe('evaluating weights', () => {
  test.each(MODELS)('gives exactly the metric of the training that made them: %j', async recipe => {
    const trained = await runAny(kernel.raw, kernel.manifest, { recipe, limit: { updates: 20 } }, data)
    const job = { task: 'evaluate', recipe, limit: { updates: 20 } } as const
    const judged = await runAny(kernel.raw, kernel.manifest, job, [...data, trained.artifact])
    expect(judged.said.metric).toEqual(trained.said.metric)
    expect(judged.said.counters.valError).toBe(trained.said.counters.valError)
    const alone = await runAny(kernel.raw, kernel.manifest, job, [new Uint8Array(0), val, trained.artifact])
    expect(alone.said).toEqual(judged.said)
  })

  test.each([
    ['cut short', (weights: Uint8Array) => weights.subarray(0, weights.length - 4), {}],
    ['empty', () => new Uint8Array(0), {}],
    ['with another magic', (weights: Uint8Array) => weights.with(0, 0), {}],
    ['of another shape', (weights: Uint8Array) => weights, { width: 24 }],
    ['with more classes than it was trained for', (weights: Uint8Array) => weights.with(20, 65), {}],
  ])('refuses weights that are %s', async (_, spoil, change) => {
    const { artifact } = await runAny(
      kernel.raw,
      kernel.manifest,
      { recipe: tiny, limit: { updates: 1 } },
      data,
    )
    const job = { task: 'evaluate', recipe: { ...tiny, ...change }, limit: { updates: 1 } } as const
    expect(await init(textOf(kernel.manifest, job), [...data, spoil(artifact)])).toMatchObject({ code: 3 })
  })

  test('weights that are not numbers end as diverged, not as a metric', async () => {
    const limit = { updates: 1 }
    const { artifact } = await runAny(kernel.raw, kernel.manifest, { recipe: tiny, limit }, data)
    const broken = artifact.slice()
    new Float32Array(broken.buffer, 64).fill(Number.NaN)
    const job = { task: 'evaluate', recipe: tiny, limit } as const
    const { said } = await runAny(kernel.raw, kernel.manifest, job, [...data, broken])
    expect(said).toMatchObject({ status: 'diverged', metric: null })
  })
})

async function init(
  text: string,
  slots: readonly Uint8Array[],
): Promise<{ code: number; reason: string | undefined }> {
  const instance = await instantiate<KernelExports>(kernel.raw)
  const code = beginAny(instance, text, slots)
  return { code, reason: code === 0 ? undefined : say(instance).reason }
}

describe('data that is none', () => {
  const images: LabelledImages = sampleImages({ count: 6, size: [4, 4], classes: 3 })
  const good = encodeSplit(images)
  const job = (): string => textOf(kernel.manifest, { limit: { updates: 1 } })

  test.each<[string, Uint8Array, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), good, 'train is no IDX images'],
    ['a header alone', good, good.subarray(0, 8), 'val is no IDX images'],
    ['cut', good.subarray(0, good.length - 1), good, 'train is no IDX images'],
    ['something behind the end', good, Uint8Array.from([...good, 0]), 'val is no IDX images'],
    ['another magic of the labels', good.with(3, 3), good, 'train is no IDX images'],
    ['another magic of the images', good.with(8 + 6 + 3, 1), good, 'train is no IDX images'],
    ['counts that differ', good.with(8 + 6 + 7, 5), good, 'train is no IDX images'],
    ['a count beyond memory', Uint8Array.from(good).fill(255, 4, 8), good, 'train is no IDX images'],
    ['other sizes', encodeSplit(sampleImages({ count: 6, size: [4, 5], classes: 3 })), good, 'other sizes'],
    ['a label that train lacks', good, good.with(8, 3), 'a label above all of train'],
    ['too many classes', good.with(8, 64), good, 'more than 64 classes'],
    [
      'wide images',
      encodeSplit(sampleImages({ count: 6, size: [4, 33], classes: 3 })),
      good,
      'train is no IDX images',
    ],
  ])('%s is refused with a reason', async (_, first, second, reason) => {
    const said = await init(job(), [new Uint8Array(first), new Uint8Array(second)])
    expect(said).toMatchObject({ code: 2, reason: expect.stringContaining(reason) })
  })
})
