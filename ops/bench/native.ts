import { readFile } from 'node:fs/promises'
import { loadRuntime } from '#client/node/native/runtime.ts'
import { learnerFor } from '#client/onnx/learner.ts'
import { startOf } from '#client/onnx/start.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { type NativeTask, trainNatively } from '#client/onnx/train.ts'
import { sha256 } from '#protocol/canonical.ts'
import { jobText } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import { readRelease } from '#runtime/release.ts'
import { tarFile } from '#runtime/tar.ts'
import type { Figure } from '../figures.ts'
import { cpuMs } from './clock.ts'
import { openEngineProcess, type Twin } from './engines.ts'
import { figureOf } from './spread.ts'
import { dataOf } from './training-data.ts'

/** What a graph built by hand was known to reach on one thread before the first line was written. */
const REFERENCES: Readonly<Record<number, { readonly pytorch: number; readonly wasm: number }>> = {
  64: { pytorch: 1, wasm: 1.3 },
  128: { pytorch: 0.95, wasm: 1.8 },
  256: { pytorch: 0.85, wasm: 2.1 },
  512: { pytorch: 0.8, wasm: 2.2 },
}

const MEASURE_MS = 1500
const SEED = 1
const UPDATES = 100_000

interface Measuring {
  readonly release: string
  readonly widths: readonly number[]
  readonly rounds: number
}

/**
 * Whole updates of charlm on ONNX Runtime's CPU, as a volunteer makes them, with batches and calls: how much faster than
 * PyTorch and than the strict WASM engine, each on one thread, measured in turn.
 */
export async function nativeFigures(
  twin: Twin | { readonly missing: string },
  { release, widths, rounds }: Measuring,
): Promise<readonly Figure[]> {
  const runtime = await loadRuntime()
  if (runtime === undefined)
    return [{ name: 'onnx', value: 'skipped: no onnxruntime-node (npm install)', unit: 'ratio' }]
  const figures: Figure[] = []
  for (const width of widths) {
    // As many layers as the kernel has memory for.
    const recipe = {
      vocabulary: 'dense',
      depth: width < 512 ? 4 : 3,
      width,
      heads: 4,
      context: 64,
      batch: 12,
    }
    const task = await taskOf(release, recipe)
    const [against, beside, speeds]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < rounds; round++) {
      const ours = await msOfUpdate(task, runtime)
      speeds.push(ours)
      if (!('missing' in twin)) against.push((await twin.update(width, MEASURE_MS / 1000)).ms / ours)
      beside.push((await strictMs({ release, recipe })) / ours)
    }
    const { pytorch, wasm } = REFERENCES[width] ?? {}
    const name = `onnx.step.w${width}`
    figures.push(
      figureOf(`${name}.ms`, speeds, 'ms'),
      'missing' in twin
        ? { name: `${name}.vs_pytorch`, value: `skipped: ${twin.missing}`, unit: 'ratio' }
        : {
            ...figureOf(`${name}.vs_pytorch`, against),
            ...(pytorch === undefined ? {} : { reference: pytorch }),
          },
      { ...figureOf(`${name}.vs_wasm`, beside), ...(wasm === undefined ? {} : { reference: wasm }) },
    )
  }
  return figures
}

export async function taskOf(
  release: string,
  changes: Readonly<Record<string, string | number>>,
): Promise<NativeTask> {
  const tar = new Uint8Array(await readFile(release))
  const content = await readRelease(tar, await sha256(tarFile(tar, 'module.wasm') ?? tar))
  if (!content.ok) throw new Error(content.reason)
  const { manifest, module } = content
  const canonical = canonicalRecipe(manifest, changes)
  if (!canonical.ok) throw new Error(canonical.reason)
  const { recipe } = canonical
  const kernel = `${manifest.name}@${manifest.version}`
  const job = jobText({
    kernel,
    task: 'train',
    recipe,
    seed: SEED,
    limit: { updates: UPDATES },
    marks: MARKS,
  })
  const data = dataOf(manifest)
  const compiled = await WebAssembly.compile(new Uint8Array(module))
  const asked = { kernel, module: compiled, job, data, fuelMax: manifest.bounds.fuelMax }
  const { preface, parameters } = await startOf(asked)
  const learner = learnerFor(kernel, { recipe, preface, train: data[0] ?? new Uint8Array() })
  return { learner, recipe, seed: SEED, updates: UPDATES, ends: [UPDATES], initial: parameters }
}

/** Processor time of an update; the first call, which fills the caches, does not count. */
async function msOfUpdate(task: NativeTask, runtime: NativeRuntime): Promise<number> {
  let [from, first] = [0, 0]
  let ms = 0
  await trainNatively(task, runtime, {
    nowMs: () => performance.now(),
    evaluate: async () => 'stopped', // it never comes to its end
    between: async ({ update }) => {
      if (first === 0) [from, first] = [cpuMs(), update]
      const spent = cpuMs() - from
      if (spent < MEASURE_MS) return 'go'
      ms = spent / (update - first)
      return 'stop'
    },
  })
  return ms
}

async function strictMs(training: {
  release: string
  recipe: Readonly<Record<string, string | number>>
}): Promise<number> {
  const engine = openEngineProcess('strict')
  try {
    await engine.ask({ ask: 'update', training }) // compiles, and fills the caches
    return (await engine.ask({ ask: 'update', training })).value
  } finally {
    engine.close()
  }
}
