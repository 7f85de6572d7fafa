import { loadRuntime } from '#client/node/native/runtime.ts'
import { runtimeOf } from '#client/onnx/ort.ts'
import type { Recipe } from '#protocol/job.ts'
import { type Distance, restlessness, type Tolerance } from '#protocol/native.ts'
import { distanceOf } from '#validators/tolerance.ts'
import type { Figure } from '../figures.ts'
import { lastBitMoved } from './native-spread.ts'
import { nativeReport, runOf } from './native-task.ts'

interface Asked {
  readonly kernel?: 'charlm' | 'vision'
  readonly recipe: Recipe
  readonly seeds?: readonly number[]
  readonly updates?: number
}

const MODERN = { activation: 'swiglu', norm: 'rms', position: 'rope', qk_norm: 'on', softcap: 15 }
const EDGE = { lr: 0.001, warmup: 100 }
const SEEDS = [1, 2, 3, 4, 5, 6]

/** The edges of what `charlm` calls calm, in several shapes, and what lies outside; and what `vision` has. */
const ASKED: readonly Asked[] = [
  ...[0.0003, 0.001, 0.002, 0.003].flatMap(lr =>
    [0, 10, 50, 100, 200].map(warmup => ({ recipe: { lr, warmup } })),
  ),
  ...[EDGE, { lr: 0.0003 }, { lr: 0.0003, ...MODERN }, { ...EDGE, ...MODERN }].map(recipe => ({
    recipe,
    seeds: SEEDS,
  })),
  ...[1000, 3000].map(updates => ({ recipe: EDGE, updates })),
  ...[{ depth: 6 }, { batch: 1 }, { beta2: 0.8 }, { beta2: 0.9999 }, { clip: 1000 }].map(more => ({
    recipe: { ...EDGE, ...more },
  })),
  { recipe: { ...EDGE, width: 128, heads: 4 }, updates: 150 },
  ...[0.02, 0.1].map(lr => ({ recipe: { optimizer: 'muon', lr }, seeds: SEEDS })),
  ...[0.003, 0.03].map(lr => ({ recipe: { optimizer: 'sgd', lr }, seeds: SEEDS })),
  ...[0.002, 0.02, 0.05].map(lr => ({ kernel: 'vision' as const, recipe: { lr }, updates: 200 })),
  { kernel: 'vision', recipe: { depth: 3, activation: 'gelu', lr: 0.01 }, updates: 200 },
  { kernel: 'vision', recipe: { model: 'cnn', batch: 32, lr: 0.01 }, updates: 100 },
]
const UPDATES = 300

/**
 * How much of a manifest's bounds honest runs of a recipe use: beside a plain one, the graph as it is written, and one weight moved
 * by its last bit; the largest part of a bound, over seeds. Above 1 they would be called different. The name says what the manifest calls it.
 */
export async function calmFigures(): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const asked of ASKED) figures.push(await calmFigure(asked))
  return figures
}

async function calmFigure({ kernel = 'charlm', recipe, seeds = [1], updates = UPDATES }: Asked) {
  const plain = await loadRuntime('cpu')
  if (plain === undefined) throw new Error('npm install')
  const others = [
    runtimeOf(await import('onnxruntime-node'), { graphOptimizationLevel: 'disabled' }),
    lastBitMoved(plain),
  ]
  const shares: number[] = []
  let called = 'calm'
  for (const seed of seeds) {
    const run = await runOf({ kernel, recipe, seed, updates })
    const { native } = run.manifest
    if (native === undefined) throw new Error(`${kernel} has no native form`)
    if (restlessness(native, JSON.parse(run.job).recipe) !== undefined) called = 'restless'
    const report = await nativeReport(run, plain)
    for (const other of others) {
      const distance = distanceOf(report, await nativeReport(run, other))
      shares.push(distance === undefined ? Number.POSITIVE_INFINITY : shareOf(distance, native.tolerance))
    }
  }
  const words = Object.entries(recipe).map(([name, value]) => `${name}=${value}`)
  const name = ['onnx', called, kernel, ...words, `updates=${updates}`, `seeds=${seeds}`].join(' ')
  return { name, value: Math.max(...shares), unit: 'share of the bounds', reference: 1 }
}

const shareOf = (distance: Distance, bounds: Tolerance): number =>
  Math.max(
    distance.metric / bounds.metric,
    distance.curve / bounds.curve,
    distance.fingerprint / bounds.fingerprint,
  )
