// Runs for the tests of the native engine: recipes that together use every part of both kernels.

import { learnerFor } from '#client/onnx/learner.ts'
import { startOf } from '#client/onnx/start.ts'
import type { NativeTask } from '#client/onnx/train.ts'
import type { Recipe } from '#protocol/job.ts'
import { importDataset } from '#server/data/import.ts'
import { type AnyKernel, kernelOf, meteredOf, recipeOf, textOf } from '../../assembly/any-kernel.ts'
import { sampleText } from '../../assembly/drive.ts'

export const CASES: readonly (readonly [string, Recipe])[] = [
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

export const UPDATES = 40
export const SEED = 5

async function dataOf(name: string): Promise<readonly Uint8Array[]> {
  if (name === 'charlm') return [sampleText(40_000, 3), sampleText(2_000, 4)]
  const { manifest, files } = await importDataset('shapes@1')
  return manifest.splits.slice(0, 2).map(({ sha256 }) => files.get(sha256) ?? new Uint8Array())
}

export interface Both {
  readonly kernel: AnyKernel
  readonly module: Uint8Array
  readonly data: readonly Uint8Array[]
  readonly preface: Uint8Array
  readonly task: NativeTask
}

/** A run of both engines over the same bytes. */
export async function prepare(name: string, changes: Recipe, updates = UPDATES): Promise<Both> {
  const kernel = await kernelOf(name)
  const module = meteredOf(kernel)
  const data = await dataOf(name)
  const job = textOf(kernel.manifest, { recipe: changes, seed: SEED, limit: { updates } })
  const asked = { kernel: `${name}@1`, module: await WebAssembly.compile(new Uint8Array(module)), job, data }
  const { preface, parameters } = await startOf({ ...asked, fuelMax: Number.MAX_SAFE_INTEGER })
  const recipe = recipeOf(kernel.manifest, changes)
  const learner = learnerFor(asked.kernel, { recipe, preface, train: data[0] ?? new Uint8Array() })
  const task = { learner, recipe, seed: SEED, updates, ends: [updates], initial: parameters }
  return { kernel, module, data, preface, task }
}
