// The native engine beside the WASM kernel: the same recipe from the same weights over the same batches.

import { describe, expect, test } from 'vitest'
import { learnerFor } from '#client/onnx/learner.ts'
import { artifactBytes, startOf } from '#client/onnx/start.ts'
import { type NativeTask, type Progress, type Trained, trainNatively } from '#client/onnx/train.ts'
import type { Recipe } from '#protocol/job.ts'
import { importDataset } from '#server/data/import.ts'
import { type AnyKernel, kernelOf, meteredOf, recipeOf, runAny, textOf } from '../../assembly/any-kernel.ts'
import { sampleText } from '../../assembly/drive.ts'
import { isMissing, nativeRuntime } from './session.ts'

const UPDATES = 40
const SEED = 5

async function dataOf(name: string): Promise<readonly Uint8Array[]> {
  if (name === 'charlm') return [sampleText(40_000, 3), sampleText(2_000, 4)]
  const { manifest, files } = await importDataset('shapes@1')
  return manifest.splits.slice(0, 2).map(({ sha256 }) => files.get(sha256) ?? new Uint8Array())
}

interface Both {
  readonly kernel: AnyKernel
  readonly module: Uint8Array
  readonly data: readonly Uint8Array[]
  readonly preface: Uint8Array
  readonly task: NativeTask
}

async function prepare(name: string, changes: Recipe): Promise<Both> {
  const kernel = await kernelOf(name)
  const module = meteredOf(kernel)
  const data = await dataOf(name)
  const job = textOf(kernel.manifest, { recipe: changes, seed: SEED, limit: { updates: UPDATES } })
  const asked = { kernel: `${name}@1`, module: await WebAssembly.compile(new Uint8Array(module)), job, data }
  const { preface, parameters } = await startOf({ ...asked, fuelMax: Number.MAX_SAFE_INTEGER })
  const recipe = recipeOf(kernel.manifest, changes)
  const learner = learnerFor(asked.kernel, { recipe, preface, train: data[0] ?? new Uint8Array() })
  const task = { learner, recipe, seed: SEED, updates: UPDATES, initial: parameters }
  return { kernel, module, data, preface, task }
}

const onward = { between: async () => 'go' as const, nowMs: () => performance.now() }
const train = (task: NativeTask, control: Parameters<typeof trainNatively>[2] = onward): Promise<Trained> =>
  trainNatively(task, nativeRuntime(), control)

const CASES: readonly (readonly [string, Recipe])[] = [
  ['charlm', {}],
  ['charlm', { optimizer: 'muon', activation: 'swiglu', norm: 'rms', context: 24 }],
  [
    'charlm',
    { optimizer: 'sgd', lr: 0.1, position: 'rope', qk_norm: 'on', softcap: 15, vocabulary: 'bytes' },
  ],
  ['charlm', { head: 'untied', value_embeddings: 'on', windows: 'SL', activation: 'relu2', schedule: 'wsd' }],
  ['vision', { model: 'softmax', schedule: 'linear' }],
  ['vision', { model: 'mlp', depth: 2, shift: 2, activation: 'gelu' }],
  ['vision', { model: 'cnn', activation: 'tanh', batch: 16 }],
  ['vision', { model: 'cnn', depth: 0, optimizer: 'sgd', lr: 0.01, batch: 16 }],
]

// Rounding differs in every operation and grows along the run; wrong arithmetic is hundreds of times further off.
const LOSS_BITS = 2e-4
const METRIC_BITS = 2e-4

describe.skipIf(isMissing)('the native engine follows the kernel', () => {
  test.each(CASES)('%s %j', async (name, changes) => {
    const { kernel, module, data, preface, task } = await prepare(name, changes)
    const job = { recipe: changes, seed: SEED, limit: { updates: UPDATES } }
    const { said } = await runAny(module, kernel.manifest, job, data)
    const native = await train(task)
    expect(native.status).toBe('ok')
    const points = said.curve.filter(point => point.train !== null)
    expect(native.curve.map(point => point.update)).toEqual(points.map(point => point.update))
    for (const [i, { train: loss }] of native.curve.entries())
      expect(Math.abs(loss - (points[i]?.train ?? Number.NaN)), `update ${i + 1}`).toBeLessThan(LOSS_BITS)
    // The kernel itself judges the weights.
    const artifact = artifactBytes(preface, native.parameters)
    const judged = await runAny(module, kernel.manifest, { ...job, task: 'evaluate' }, [...data, artifact])
    expect(Math.abs((judged.said.metric?.value ?? 0) - (said.metric?.value ?? 9))).toBeLessThan(METRIC_BITS)
  })

  test('a stopped run goes on to the same weights', async () => {
    const { task } = await prepare('charlm', {})
    const whole = await train(task)
    let left: Progress | undefined
    const stopped = await train(task, {
      ...onward,
      between: async ({ update, capture }) => {
        left = capture()
        return update > 10 ? 'stop' : 'go'
      },
    })
    expect(stopped.status).toBe('stopped')
    expect(left?.update).toBeLessThan(UPDATES)
    const resumed = await train({ ...task, resumed: left })
    expect(resumed.parameters).toEqual(whole.parameters)
    expect(resumed.curve).toEqual(whole.curve)
  })

  test('a run that leaves all numbers behind has diverged', async () => {
    const changes = {
      optimizer: 'sgd',
      lr: 1,
      momentum: 0.99,
      clip: 1000,
      head: 'untied',
      schedule: 'constant',
    }
    const { task } = await prepare('charlm', { ...changes, softcap: 0, warmup: 0 })
    expect((await train({ ...task, updates: 400 })).status).toBe('diverged')
  })
})
