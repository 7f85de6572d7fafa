import { loadRuntime } from '#client/node/native/runtime.ts'
import { runNatively } from '#client/onnx/run.ts'
import { sha256 } from '#protocol/canonical.ts'
import { jobText, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import type { RunReport } from '#protocol/report.ts'
import { readyKernel } from '#runtime/known-release.ts'
import { type RunOutcome, type RunTask, runJob } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'
import { importDataset } from '#server/data/import.ts'
import { builtReleases } from '../../client/node/known-kernels.ts'
import type { Figure } from '../figures.ts'

const UPDATES = 500
const NEAR_UPDATES = 100
const NEAR_BITS = 1e-3
const SEEDS = [1, 2, 3, 4, 5]

/**
 * charlm's defaults over real text, 500 updates, by the kernel and by ONNX Runtime's CPU from the same weights over the same
 * batches: how far the training losses of the first 100 updates and the metrics at the end lie apart, beside the scatter of seeds.
 */
export async function curveFigures(): Promise<readonly Figure[]> {
  const pairs: { wasm: RunReport; native: RunReport }[] = []
  for (const seed of SEEDS) pairs.push(await bothOf(seed))
  const near = pairs.map(({ wasm, native }) => distance(wasm, native, NEAR_UPDATES))
  const far = pairs.map(({ wasm, native }) => distance(wasm, native, UPDATES))
  const metrics = pairs.map(({ wasm }) => metricOf(wasm))
  const apart = pairs.map(({ wasm, native }) => Math.abs(metricOf(wasm) - metricOf(native)))
  const mean = metrics.reduce((sum, x) => sum + x, 0) / metrics.length
  const sd = Math.sqrt(metrics.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (metrics.length - 1))
  return [
    { name: 'onnx.curve.first100', value: Math.max(...near), unit: 'bits', reference: NEAR_BITS },
    { name: 'onnx.curve.all500', value: Math.max(...far), unit: 'bits' },
    { name: 'onnx.curve.metric', value: Math.max(...apart), unit: 'bpb', reference: sd },
    { name: 'onnx.curve.seeds_sd', value: sd, unit: 'bpb' },
  ]
}

const metricOf = ({ metric }: RunReport): number => metric?.value ?? Number.NaN

/** The greatest difference of the training losses at points up to an update. */
function distance(a: RunReport, b: RunReport, until: number): number {
  const points = a.curve.filter(({ update, train }) => update <= until && train !== null)
  const apart = points.map(({ update, train }) => {
    const other = b.curve.find(point => point.update === update)?.train
    return Math.abs((train ?? Number.NaN) - (other ?? Number.NaN))
  })
  return Math.max(...apart)
}

async function bothOf(seed: number): Promise<{ wasm: RunReport; native: RunReport }> {
  const kernels = await Promise.all((await builtReleases()).map(readyKernel))
  const kernel = kernels.find(({ manifest }) => manifest.name === 'charlm')
  const runtime = await loadRuntime()
  if (kernel === undefined || runtime === undefined) throw new Error('npm run build, npm install')
  const { manifest, module, moduleSha256 } = kernel
  const canonical = canonicalRecipe(manifest, {})
  if (!canonical.ok) throw new Error(canonical.reason)
  const { manifest: text, files } = await importDataset('sotu-small@1')
  const hashes = manifest.slots.flatMap(
    ({ split }) => text.splits.find(({ name }) => name === split)?.sha256 ?? [],
  )
  const data = hashes.map(hash => files.get(hash) ?? new Uint8Array())
  const { recipe } = canonical
  const limit = { updates: UPDATES }
  const job = { kernel: 'charlm@1', task: 'train', recipe, seed, limit, marks: MARKS } as const
  const dataSha256 = await Promise.all(data.map(sha256))
  const runKey = await runKeyOf(moduleSha256, dataSha256, job)
  const task: RunTask = { runKey, job: jobText(job), fuelMax: manifest.bounds.fuelMax, module, data }
  const control = freely(() => performance.now())
  const native = { ...task, engineClass: 'onnx-cpu' as const, manifest, flops: 1, memoryBytesMax: Infinity }
  return {
    wasm: reportOf(await runJob(task, control)),
    native: reportOf(await runNatively(native, runtime, control)),
  }
}

function reportOf(outcome: RunOutcome): RunReport {
  if (outcome.type === 'report') return outcome.report
  throw new Error(outcome.type === 'error' ? outcome.detail : outcome.type)
}
