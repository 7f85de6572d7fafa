import { beforeAll, describe, expect, test } from 'vitest'
import { type AnyKernel, beginAny, kernelOf, meteredOf, runAny, textOf } from './any-kernel.ts'
import { instantiate, type KernelExports, say } from './drive.ts'

let kernel: AnyKernel
let metered: Uint8Array
beforeAll(async () => {
  kernel = await kernelOf('cartpole')
  metered = meteredOf(kernel)
}, 60_000)

describe('a run bounded by fuel', () => {
  test('learns to balance, never uses more than it has, and says its curve', async () => {
    const { said, fuelUsed } = await runAny(metered, kernel.manifest, { limit: { fuel: 3e9 } }, [])
    const { curve, counters, metric } = said
    expect(said.status).toBe('ok')
    expect(counters.updates).toBe(counters.updatesPlanned)
    expect(counters.episodes).toBe(16 * counters.updates)
    expect(metric?.value).toBeGreaterThan(150)
    expect(fuelUsed).toBeGreaterThan(0.7 * 3e9)
    expect(fuelUsed).toBeLessThanOrEqual(3e9)
    expect(curve[0]?.train).toBeLessThan(60)
    expect(curve.at(-1)).toMatchObject({ update: counters.updates, val: metric?.value })
  })

  test('one whose batches last as long as they can still has enough: every episode from the first on is long', async () => {
    // A constant policy of the likelier action falls at once; at a high rate a few updates balance.
    for (const seed of [1, 2, 3]) {
      const job = { recipe: { lr: 0.05, warmup: 0, final: 1, episodes: 8 }, seed, limit: { fuel: 1e9 } }
      const { said, fuelUsed } = await runAny(metered, kernel.manifest, job, [])
      expect(said.status).toBe('ok')
      expect(fuelUsed).toBeLessThanOrEqual(1e9)
    }
  })

  test('a long run that balances nearly from its beginning has enough to its end', async () => {
    const quick = {
      depth: 1,
      width: 8,
      activation: 'relu',
      episodes: 64,
      lr: 0.1,
      schedule: 'constant',
      warmup: 0,
    }
    const job = { recipe: quick, seed: 3, limit: { fuel: 1.4e10 } }
    const { said, fuelUsed } = await runAny(metered, kernel.manifest, job, [])
    expect(said).toMatchObject({ status: 'ok', metric: { value: 200 } })
    expect(fuelUsed).toBeGreaterThan(0.95 * 1.4e10)
    expect(fuelUsed).toBeLessThanOrEqual(1.4e10)
  })

  test('is infeasible when the evaluation would take more than half of it', async () => {
    const { said } = await runAny(metered, kernel.manifest, { limit: { fuel: 6e7 } }, [])
    expect(said).toMatchObject({ status: 'infeasible', metric: null, curve: [] })
  })

  test('metering changes no bit', async () => {
    const job = { recipe: { episodes: 5 }, limit: { updates: 6 } }
    const one = await runAny(kernel.raw, kernel.manifest, job, [])
    const two = await runAny(metered, kernel.manifest, job, [])
    expect(two.artifact).toEqual(one.artifact)
    expect(two.said).toEqual(one.said)
  })

  test('at the highest rate of all no NaN is in its state, and weights belong to status ok alone', async () => {
    const recipe = { lr: 1, warmup: 0, final: 1, clip: 1000, depth: 2, width: 128, activation: 'relu' }
    const { said, artifact, state } = await runAny(
      kernel.raw,
      kernel.manifest,
      { recipe, limit: { updates: 3 } },
      [],
    )
    expect(['ok', 'diverged']).toContain(said.status)
    const floats = new Float32Array(state.slice(state.length % 4).buffer)
    expect(floats.subarray(-3 * said.counters.parameters).some(Number.isNaN)).toBe(false)
    expect(artifact.length > 0).toBe(said.status === 'ok')
  })
})

describe('evaluating weights', () => {
  const limit = { updates: 10 }
  const evaluate = { task: 'evaluate', limit } as const

  test('gives exactly the metric of the training that made them', async () => {
    const trained = await runAny(kernel.raw, kernel.manifest, { limit }, [])
    const judged = await runAny(kernel.raw, kernel.manifest, evaluate, [trained.artifact])
    expect(judged.said.metric).toEqual(trained.said.metric)
    expect(judged.said).toMatchObject({ status: 'ok', progress: 1, counters: { updates: 0 } })
  })

  test('weights that are not numbers end as diverged, not as a metric', async () => {
    const { artifact } = await runAny(kernel.raw, kernel.manifest, { limit: { updates: 1 } }, [])
    new Float32Array(artifact.buffer, 64).fill(Number.NaN)
    const { said } = await runAny(kernel.raw, kernel.manifest, evaluate, [artifact])
    expect(said).toMatchObject({ status: 'diverged', metric: null })
  })

  test.each([
    ['missing', undefined, {}],
    ['cut short', (weights: Uint8Array) => weights.subarray(0, weights.length - 4), {}],
    ['with another magic', (weights: Uint8Array) => weights.with(0, 0), {}],
    ['of another shape', (weights: Uint8Array) => weights, { width: 24 }],
  ])('refuses weights that are %s', async (_, spoil, recipe) => {
    const { artifact } = await runAny(kernel.raw, kernel.manifest, { limit: { updates: 1 } }, [])
    const instance = await instantiate<KernelExports>(kernel.raw)
    const slots = spoil === undefined ? [] : [spoil(artifact)]
    expect(beginAny(instance, textOf(kernel.manifest, { ...evaluate, recipe }), slots)).toBe(3)
    expect(say(instance)).toMatchObject({ status: 'error', reason: expect.stringContaining('weights') })
  })
})

test('there is no data to be given: slot 1 is that of the weights, slot 2 does not exist', async () => {
  const instance = await instantiate<KernelExports>(kernel.raw)
  expect(instance.xee_alloc(2, 10)).toBe(0)
  expect(instance.xee_step(1n)).toBeLessThan(0)
  expect(beginAny(instance, textOf(kernel.manifest, { limit: { updates: 1 } }), [])).toBe(0)
  expect(instance.xee_alloc(1, 10)).toBe(0)
})
