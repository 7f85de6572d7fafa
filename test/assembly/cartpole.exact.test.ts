import { beforeAll, describe, expect, test } from 'vitest'
import { type AnyKernel, kernelOf, recipeOf, runAny } from './any-kernel.ts'
import { type CartpoleRecipe, cosine, sine, trainCartpole } from './cartpole.reference.ts'

const HEADER_BYTES = 64

let kernel: AnyKernel
beforeAll(async () => {
  kernel = await kernelOf('cartpole')
}, 60_000)

const CASES: readonly { name: string; recipe: Partial<CartpoleRecipe>; updates: number }[] = [
  { name: 'the default policy', recipe: {}, updates: 8 },
  { name: 'a linear policy and two episodes', recipe: { depth: 0, episodes: 2 }, updates: 12 },
  {
    name: 'two narrow layers with GELU',
    recipe: { depth: 2, width: 8, activation: 'gelu', episodes: 5 },
    updates: 6,
  },
  {
    name: 'SGD with momentum, warm-up, stable, decay',
    recipe: { optimizer: 'sgd', schedule: 'wsd', lr: 0.1, episodes: 4 },
    updates: 10,
  },
  {
    name: 'ReLU, decay, clipping, no warm-up, no discount',
    recipe: {
      ...{ activation: 'relu', width: 16, episodes: 7, gamma: 1 },
      ...{ weight_decay: 0.2, clip: 0.05, warmup: 0, lr: 0.1 },
    },
    updates: 6,
  },
]

describe('cartpole equals its scalar specification bit for bit', () => {
  test.each(CASES)('$name', async ({ recipe, updates }) => {
    const whole = recipeOf(kernel.manifest, recipe)
    const seed = 281474976710655
    const job = { recipe: whole, seed, limit: { updates } }
    const { said, artifact } = await runAny(kernel.raw, kernel.manifest, job, [])
    const expected = trainCartpole(whole as unknown as CartpoleRecipe, { seed, updates })
    const weights = new Uint8Array(expected.parameters.buffer)
    expect(said.train).toBe(expected.lastReturn)
    expect(said.counters).toMatchObject({ updates, steps: expected.steps })
    expect(Buffer.compare(artifact.subarray(HEADER_BYTES), weights)).toBe(0)
    expect(said.metric).toEqual({ name: 'mean_return', value: expected.meanReturn })
  })
})

test('sine and cosine differ from the f64 library by < 2e-16 where episodes are', () => {
  for (let x = -0.25; x < 0.25; x += 0.000_37) {
    expect(Math.abs(sine(x) - Math.sin(x))).toBeLessThan(2e-16)
    expect(Math.abs(cosine(x) - Math.cos(x))).toBeLessThan(2.3e-16)
  }
})
