/**
 * The self-test of a native engine: two small trainings whose losses are known, one for each family of operators, and how fast the
 * first of them goes. It needs no kernel and no file, so that a machine can tell what it is worth before it is given any work.
 */
import type { Recipe } from '#protocol/job.ts'
import { Draws } from './draws.ts'
import { sizeOf } from './graph.ts'
import { learnerFor } from './learner.ts'
import type { NativeRuntime } from './tensors.ts'
import { type NativeTask, trainNatively } from './train.ts'
import type { Model } from './training.ts'

export type Probed =
  | { readonly ok: true; readonly flopsPerSecond: number }
  | { readonly ok: false; readonly reason: string }

const SEED = 1
const CHECKED = 6
/** Devices round differently: by 1e-6 bits here; another formula would be off by hundreds of times this. */
const LOSS_BITS = 1e-3

const SCHEDULE: Recipe = {
  ...{ lr: 0.003, warmup: 2, final: 0.1, decay: 0.2, schedule: 'cosine', optimizer: 'adamw' },
  ...{ beta2: 0.99, momentum: 0.9, weight_decay: 0.1, clip: 1 },
}
const TEXT: Recipe = {
  ...SCHEDULE,
  ...{ vocabulary: 'dense', depth: 2, width: 128, heads: 4, context: 64, batch: 12, mlp_ratio: 4 },
  ...{ activation: 'gelu', norm: 'layer', position: 'learned', windows: 'L', qk_norm: 'off', softcap: 0 },
  ...{ head: 'tied', value_embeddings: 'off' },
}
/** As TEXT, but small: losses are known of this one, so that a slow device says in seconds what it is worth. */
const SMALL: Recipe = { ...TEXT, lr: 0.02, depth: 1, width: 32, heads: 2, context: 16, batch: 4 }
const IMAGES: Recipe = {
  ...{ ...SCHEDULE, lr: 0.02 },
  ...{ model: 'cnn', channels: 8, depth: 1, width: 32, activation: 'relu', batch: 16, shift: 1 },
}

/** Bits of each update, as onnxruntime-node 1.30 has them on the CPU; that these graphs follow the kernels is for the tests. */
const TEXT_LOSSES = [5.9799, 5.95423, 5.9022, 5.96852, 5.87124, 5.94023]
const IMAGE_LOSSES = [2.00005, 1.99938, 1.9802, 1.86188, 1.71371, 1.46978]

/** Closed-form operations of an update of TEXT, as the kernel counts them. */
const TEXT_FLOPS = 1_989_547_008

const SYMBOLS = 64
const SIDE = 12
const CLASSES = 4
const IMAGE_COUNT = 64

/** Ends both trainings and measures; `nowMs` is a monotonic clock. Whatever goes wrong is a reason. */
export async function probe(runtime: NativeRuntime, nowMs: () => number): Promise<Probed> {
  try {
    for (const [task, losses] of [
      [textTask(SMALL, CHECKED), TEXT_LOSSES],
      [imageTask(CHECKED), IMAGE_LOSSES],
    ] as const) {
      const fault = lossFault(await lossesOf(task, runtime), losses)
      if (fault !== undefined) return { ok: false, reason: fault }
    }
    return { ok: true, flopsPerSecond: await speedOf(runtime, nowMs) }
  } catch (error) {
    return { ok: false, reason: (error instanceof Error ? error.message : String(error)).slice(0, 400) }
  }
}

function lossFault(found: readonly number[], known: readonly number[]): string | undefined {
  const i = known.findIndex((loss, at) => !(Math.abs(loss - (found[at] ?? Number.NaN)) < LOSS_BITS))
  if (i < 0) return undefined
  return `update ${i + 1} of its self-test has a loss of ${found[i]?.toFixed(4)} bits, not ${known[i]?.toFixed(4)}`
}

/** The loss of each update. */
async function lossesOf(task: NativeTask, runtime: NativeRuntime): Promise<readonly number[]> {
  const { progress } = await trainNatively(task, runtime, {
    between: async () => 'go',
    evaluate: async () => 0,
    nowMs: () => 0,
  })
  return progress.losses.points.map(({ train }) => train ?? Number.NaN)
}

const MEASURE_MS = 1_000
const SLOW_MS = 5_000
const UPDATES_MAX = 100_000

/** The first call, which fills the caches, or compiles shaders, counts only where it says enough: that a device is slow. */
async function speedOf(runtime: NativeRuntime, nowMs: () => number): Promise<number> {
  let [busy, made, before] = [0, 0, 0]
  await trainNatively(textTask(TEXT, UPDATES_MAX), runtime, {
    between: async ({ update, busyMs }) => {
      if (before > 0 || busyMs >= SLOW_MS) {
        busy += busyMs
        made += update - before
      }
      before = update
      return busy >= MEASURE_MS ? 'stop' : 'go'
    },
    evaluate: async () => 0,
    nowMs,
  })
  return (made * TEXT_FLOPS * 1000) / busy
}

function textTask(recipe: Recipe, updates: number): NativeTask {
  const draws = Draws.ofSeed(SEED)
  const train = Uint8Array.from({ length: 8192 }, () => Math.min(draws.below(SYMBOLS), draws.below(SYMBOLS)))
  const preface = new Uint8Array(64 + 256)
  new DataView(preface.buffer).setUint32(12, SYMBOLS, true)
  for (let s = 0; s < SYMBOLS; s++) preface[64 + s] = s
  return taskOf('charlm@1', recipe, { preface, train, updates })
}

function imageTask(updates: number): NativeTask {
  const draws = Draws.ofSeed(SEED)
  const size = SIDE * SIDE
  const band = size / CLASSES
  const train = new Uint8Array(8 + IMAGE_COUNT + 16 + IMAGE_COUNT * size)
  new DataView(train.buffer).setUint32(4, IMAGE_COUNT)
  for (let i = 0; i < IMAGE_COUNT; i++) {
    const label = draws.below(CLASSES) // says which quarter of its image is bright
    train[8 + i] = label
    for (let p = 0; p < size; p++)
      train[8 + IMAGE_COUNT + 16 + i * size + p] =
        draws.below(64) + (Math.floor(p / band) === label ? 191 : 0)
  }
  const preface = new Uint8Array(64)
  const view = new DataView(preface.buffer)
  for (const [i, word] of [SIDE, SIDE, CLASSES].entries()) view.setUint32(12 + 4 * i, word, true)
  return taskOf('vision@1', IMAGES, { preface, train, updates })
}

interface Given {
  readonly preface: Uint8Array
  readonly train: Uint8Array
  readonly updates: number
}

function taskOf(kernel: string, recipe: Recipe, { preface, train, updates }: Given): NativeTask {
  const learner = learnerFor(kernel, { recipe, preface, train })
  return { learner, recipe, seed: SEED, updates, ends: [updates], initial: weightsOf(learner.model) }
}

/** Gains of 1, small uniform matrices, and 0 for the rest: any weights will do that are the same everywhere. */
function weightsOf({ parameters, floats }: Model): Float32Array {
  const draws = Draws.ofSeed(SEED + 1)
  const weights = new Float32Array(floats)
  for (const { name, shape, at, decays } of parameters) {
    const end = at + sizeOf(shape)
    if (name.endsWith('.gain')) weights.fill(1, at, end)
    else if (decays)
      for (let i = at; i < end; i++) weights[i] = (draws.below(2 ** 20) / 2 ** 20 - 0.5) * SPREAD
  }
  return weights
}

const SPREAD = 0.2
