import type { Recipe } from '#protocol/job.ts'
import { Draws } from './draws.ts'
import { sizeOf } from './graph.ts'
import type { Batch, Learner } from './learner.ts'
import { numbersOf } from './schedule.ts'
import type { Feeds } from './tensors.ts'
import { type Model, NUMBERS } from './training.ts'

/** What the batches of a run follow from. */
export interface Batches {
  readonly learner: Learner
  readonly recipe: Recipe
  readonly seed: number
  /** Of the whole run. */
  readonly updates: number
}

/** Of one call at most; a single update may take more. */
export const BATCH_BYTES_MAX = 16 * 1024 ** 2
const UPDATES_PER_CALL_MAX = 256

/** How many updates a call makes at most, for the memory of their batches. */
export function updatesPerCallMax({ batch: { inputs, targets } }: Model): number {
  const bytes = 4 * (sizeOf(inputs) + sizeOf(targets))
  return Math.max(1, Math.min(UPDATES_PER_CALL_MAX, Math.floor(BATCH_BYTES_MAX / bytes)))
}

/** The batches and numbers of `count` updates from update `first` on. */
export function batchesOf({ learner, recipe, seed, updates }: Batches, first: number, count: number): Feeds {
  const { model, drawsPerUpdate, fill } = learner
  const { inputs, targets, type } = model.batch
  const size = count * sizeOf(inputs)
  const batch: Batch = {
    inputs: type === 'int32' ? new Int32Array(size) : new Float32Array(size),
    targets: new Int32Array(count * sizeOf(targets)),
  }
  const draws = Draws.after(seed, first * drawsPerUpdate)
  const numbers = new Float32Array(count * NUMBERS.length)
  for (let i = 0; i < count; i++) {
    fill(draws, batch, i)
    numbers.set(numbersOf(recipe, first + i, updates), i * NUMBERS.length)
  }
  return {
    count: { type: 'int64', data: BigInt64Array.of(BigInt(count)), shape: [] },
    inputs: { type: type === 'int32' ? 'int32' : 'float32', data: batch.inputs, shape: [count, ...inputs] },
    targets: { type: 'int32', data: batch.targets, shape: [count, ...targets] },
    numbers: { type: 'float32', data: numbers, shape: [count, NUMBERS.length] },
  }
}
