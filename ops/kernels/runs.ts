import { evaluationOf as evaluationJob } from '#domain/evidence.ts'
import { examine, isRefusal, receiveSuccess } from '#domain/report.ts'
import { sha256 } from '#protocol/canonical.ts'
import { type Job, jobText, type Limit, type Recipe, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe, type KernelManifest, type SelfTest, selfTestBytes } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import { type Reason, reasonOf } from '#protocol/proposals.ts'
import { HostId, idText, instant, ResultId, type Sha256 } from '#protocol/units.ts'
import type { RunOutcome, RunTask } from '#runtime/run.ts'

/** An admitted kernel and the data that it is tried with, slot by slot. */
export interface Judged {
  readonly manifest: KernelManifest
  readonly moduleSha256: Sha256
  readonly module: WebAssembly.Module
  readonly data: readonly Uint8Array[]
}

export interface Case {
  readonly recipe: Recipe
  readonly limit: Limit
  readonly seed: number
}

/** The data of a self-test, slot by slot. */
export const selfTestData = ({ slots }: KernelManifest, { data }: Pick<SelfTest, 'data'>): Uint8Array[] =>
  slots.map((_, slot) => selfTestBytes(data, slot))

/** A training run; a reason when the recipe is none. */
export async function taskOf(kernel: Judged, { recipe, limit, seed }: Case): Promise<RunTask | Reason> {
  const { manifest, data } = kernel
  const canonical = canonicalRecipe(manifest, recipe)
  if (!canonical.ok)
    return reasonOf('self_test_recipe', canonical.reason, 'The recipes of the self-test keep the manifest.')
  const name = `${manifest.name}@${manifest.version}`
  const job: Job = { kernel: name, task: 'train', recipe: canonical.recipe, seed, limit, marks: MARKS }
  return withData(kernel, job, data)
}

/** The evaluation of the weights that a run gave. */
export function evaluationOf(kernel: Judged, task: RunTask, weights: Uint8Array): Promise<RunTask> {
  return withData(kernel, evaluationJob(task.job), [...kernel.data, weights])
}

async function withData(kernel: Judged, job: Job, data: readonly Uint8Array[]): Promise<RunTask> {
  const runKey = await runKeyOf(kernel.moduleSha256, await Promise.all(data.map(sha256)), job)
  return { runKey, job: jobText(job), fuelMax: kernel.manifest.bounds.fuelMax, module: kernel.module, data }
}

const NOW = instant(0)
const RESULT = ResultId.parse(idText('r', NOW, new Uint8Array(16)))
const HOST = HostId.parse(idText('h', NOW, new Uint8Array(16)))

/** What the server would say against this report, by its own rules, and that counters say what was done. */
export function faultOfReport(
  { manifest }: Judged,
  task: RunTask,
  limit: Limit,
  { report, text, digest }: RunOutcome & { type: 'report' },
): Reason | undefined {
  const sent = {
    outcome: 'success',
    resultId: RESULT,
    digest,
    report: text,
    cpuMs: 0,
  } as const
  const examined = examine(sent, { textSha256: digest })
  const received = isRefusal(examined)
    ? examined
    : receiveSuccess(
        examined,
        {
          ...{ hostId: HOST, state: 'in_progress', outcome: null, deadline: null, graceUntil: null },
          ...{
            digest: null,
            unitOpen: true,
            engineClass: 'wasm',
            flops: null,
            job: task.job,
            fuelMax: task.fuelMax,
          },
          ...{ metric: manifest.metric, metricFloor: null },
        },
        HOST,
        NOW,
      )
  const fuelMax = manifest.bounds.fuelMax
  // The server asks for no run beyond the bound; a self-test may.
  const over =
    report.fuelUsed > fuelMax ? `fuelUsed: ${report.fuelUsed} is more than the limit ${fuelMax}` : undefined
  const refusal = 'code' in received ? `${received.code}: ${received.detail ?? ''}` : over
  if (refusal !== undefined)
    return reasonOf(
      'report_refused',
      `${task.job}: ${refusal}`,
      'The server would refuse this report: what the kernel says contradicts itself or its manifest.',
    )
  const { updates } = report.counters
  if (report.status !== 'ok' || !('updates' in limit) || updates === limit.updates) return undefined
  return reasonOf(
    'updates_miscounted',
    `${task.job}: counters.updates is ${updates}`,
    'A run limited by updates makes exactly so many, and says so in counters.updates.',
  )
}
