import { loadRuntime } from '#client/node/native/runtime.ts'
import { type NativeRun, runNatively } from '#client/onnx/run.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import { sha256 } from '#protocol/canonical.ts'
import { jobText, type Recipe, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import type { RunReport } from '#protocol/report.ts'
import { readyKernel } from '#runtime/known-release.ts'
import { type RunOutcome, runJob } from '#runtime/run.ts'
import { freely } from '#runtime/self-test.ts'
import { importDataset } from '#server/data/import.ts'
import { builtReleases } from '../../client/node/known-kernels.ts'

interface Asked {
  readonly kernel: 'charlm' | 'vision'
  readonly recipe: Recipe
  readonly seed: number
  readonly updates: number
}

const DATASETS = { charlm: 'sotu-small@1', vision: 'shapes@1' } as const

/** A run over real data that both engines can make. */
export async function runOf({ kernel, recipe, seed, updates }: Asked): Promise<NativeRun> {
  const kernels = await Promise.all((await builtReleases()).map(readyKernel))
  const built = kernels.find(({ manifest }) => manifest.name === kernel)
  if (built === undefined) throw new Error('npm run build')
  const { manifest, module, moduleSha256 } = built
  const canonical = canonicalRecipe(manifest, recipe)
  if (!canonical.ok) throw new Error(canonical.reason)
  const { manifest: text, files } = await importDataset(DATASETS[kernel])
  const hashes = manifest.slots.flatMap(
    ({ split }) => text.splits.find(({ name }) => name === split)?.sha256 ?? [],
  )
  const data = hashes.map(hash => files.get(hash) ?? new Uint8Array())
  const limit = { updates }
  const name = `${kernel}@${manifest.version}`
  const job = { kernel: name, task: 'train', recipe: canonical.recipe, seed, limit, marks: MARKS } as const
  const runKey = await runKeyOf(moduleSha256, await Promise.all(data.map(sha256)), job)
  return {
    ...{ runKey, job: jobText(job), fuelMax: manifest.bounds.fuelMax, module, data, manifest },
    ...{ engineClass: 'onnx-cpu', flops: 1, memoryBytesMax: Number.POSITIVE_INFINITY },
  }
}

const control = freely(() => performance.now())

/** The kernel's report of a run. */
export const exactReport = async (run: NativeRun): Promise<RunReport> => reportOf(await runJob(run, control))

/** ONNX Runtime's report of a run, on one thread of the processor if nothing else is said. */
export async function nativeReport(run: NativeRun, given?: NativeRuntime): Promise<RunReport> {
  const runtime = given ?? (await loadRuntime())
  if (runtime === undefined) throw new Error('npm install')
  return reportOf(await runNatively(run, runtime, control))
}

function reportOf(outcome: RunOutcome): RunReport {
  if (outcome.type === 'report') return outcome.report
  throw new Error(outcome.type === 'error' ? outcome.detail : outcome.type)
}

/** The greatest difference of the training losses of two runs at points up to an update. */
export function curvesApart(a: RunReport, b: RunReport, until: number): number {
  const points = a.curve.filter(({ update, train }) => update <= until && train !== null)
  const apart = points.map(({ update, train }) => {
    const other = b.curve.find(point => point.update === update)?.train
    return Math.abs((train ?? Number.NaN) - (other ?? Number.NaN))
  })
  return Math.max(...apart)
}
