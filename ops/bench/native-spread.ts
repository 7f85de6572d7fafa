import { loadRuntime } from '#client/node/native/runtime.ts'
import { runtimeOf } from '#client/onnx/ort.ts'
import type { Feeds, NativeRuntime } from '#client/onnx/tensors.ts'
import type { Recipe } from '#protocol/job.ts'
import type { RunReport } from '#protocol/report.ts'
import { distanceOf } from '#validators/tolerance.ts'
import type { Figure } from '../figures.ts'
import { curvesApart, exactReport, nativeReport, runOf } from './native-task.ts'

const SEEDS = [1, 2]
const NEAR_UPDATES = 100

interface Case {
  readonly name: string
  readonly kernel: 'charlm' | 'vision'
  readonly recipe: Recipe
  readonly updates: number
}

const MODERN = { activation: 'swiglu', norm: 'rms', position: 'rope', heads: 2, qk_norm: 'on', softcap: 15 }
const CASES: readonly Case[] = [
  { name: 'charlm', kernel: 'charlm', recipe: {}, updates: 300 },
  { name: 'charlm.warm', kernel: 'charlm', recipe: { warmup: 100 }, updates: 300 },
  { name: 'charlm.slow', kernel: 'charlm', recipe: { lr: 0.001, warmup: 100 }, updates: 300 },
  { name: 'charlm.muon', kernel: 'charlm', recipe: { optimizer: 'muon', warmup: 100 }, updates: 200 },
  { name: 'charlm.modern', kernel: 'charlm', recipe: { ...MODERN, warmup: 100 }, updates: 200 },
  { name: 'vision.mlp', kernel: 'vision', recipe: {}, updates: 200 },
  { name: 'vision.gelu', kernel: 'vision', recipe: { depth: 3, activation: 'gelu', shift: 2 }, updates: 200 },
  { name: 'vision.cnn', kernel: 'vision', recipe: { model: 'cnn', batch: 32 }, updates: 200 },
]

/**
 * How far honest native runs of one job lie apart: on one thread and two, as written and as ONNX Runtime rewrites the graph, on the
 * WebAssembly of another build of it, and with one weight of the beginning moved by its last bit. What the last one does is the
 * recipe's own doing: no order of operations would help but the same one. The manifests' tolerances are set from these figures.
 */
export async function spreadFigures(): Promise<readonly Figure[]> {
  const runtimes = await runtimesOf()
  const figures: Figure[] = []
  for (const { name, kernel, recipe, updates } of CASES) {
    const most = { metric: 0, curve: 0, fingerprint: 0, lastBit: 0, first100: 0, lastBit100: 0 }
    for (const seed of SEEDS) {
      const run = await runOf({ kernel, recipe, seed, updates })
      const reports: RunReport[] = []
      for (const runtime of runtimes) reports.push(await nativeReport(run, runtime))
      const moved = await nativeReport(run, lastBitMoved(runtimes[0]))
      const [plain] = reports
      if (plain === undefined) throw new Error('no runtime')
      for (const [i, a] of reports.entries())
        for (const b of reports.slice(i + 1)) {
          const distance = distanceOf(a, b)
          if (distance === undefined) throw new Error(`${name}: ${a.status} and ${b.status}`)
          for (const part of ['metric', 'curve', 'fingerprint'] as const)
            most[part] = Math.max(most[part], distance[part])
        }
      most.lastBit = Math.max(most.lastBit, distanceOf(plain, moved)?.curve ?? Number.NaN)
      most.lastBit100 = Math.max(most.lastBit100, curvesApart(plain, moved, NEAR_UPDATES))
      most.first100 = Math.max(most.first100, curvesApart(await exactReport(run), plain, NEAR_UPDATES))
    }
    for (const [part, value] of Object.entries(most))
      figures.push({
        name: `onnx.spread.${name}.${part}`,
        value,
        unit: part === 'fingerprint' ? 'share' : 'bits',
      })
  }
  return figures
}

async function runtimesOf(): Promise<readonly [NativeRuntime, ...NativeRuntime[]]> {
  const [plain, web] = [await loadRuntime('cpu'), await loadRuntime('wasm')]
  if (plain === undefined || web === undefined) throw new Error('npm install')
  const ort = await import('onnxruntime-node')
  return [
    plain,
    runtimeOf(ort, { intraOpNumThreads: 2 }),
    runtimeOf(ort, { graphOptimizationLevel: 'disabled' }),
    web,
  ]
}

/** The same runtime, given a first weight that differs in its last bit. */
export const lastBitMoved = (runtime: NativeRuntime): NativeRuntime => ({
  open: async model => {
    const session = await runtime.open(model)
    let isFirst = true
    return {
      ...session,
      run: feeds => {
        const given = isFirst ? movedIn(feeds) : feeds
        isFirst = false
        return session.run(given)
      },
    }
  },
})

const NOT_WEIGHTS = new Set(['count', 'inputs', 'targets', 'numbers'])

function movedIn(feeds: Feeds): Feeds {
  const [name, tensor] = Object.entries(feeds).find(([key]) => !NOT_WEIGHTS.has(key)) ?? []
  if (name === undefined || tensor === undefined || !(tensor.data instanceof Float32Array))
    throw new Error('no weights')
  const data = tensor.data.slice()
  const bits = new Int32Array(data.buffer)
  bits[0] = (bits[0] ?? 0) ^ 1
  return { ...feeds, [name]: { ...tensor, data } }
}
