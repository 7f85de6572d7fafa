import { sha256 } from '#protocol/canonical.ts'
import { jobText, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe, type KernelManifest, type SelfTest, selfTestBytes } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import type { Sha256 } from '#protocol/units.ts'
import type { Judged } from './release.ts'
import type { RunOutcome, RunTask } from './run.ts'

/** What a self-test needs of a kernel. */
interface Testable {
  readonly manifest: KernelManifest
  readonly moduleSha256: Sha256
  readonly module: WebAssembly.Module
}

/** A kernel that was fetched, checked and compiled. */
export interface ReadyKernel extends Testable {
  readonly releaseSha256: Sha256
  /** The release's tar. */
  readonly release: Uint8Array
}

/** The run of a kernel's self-test. @throws Error when the manifest contradicts itself */
export async function selfTestTask(
  { manifest, module, moduleSha256 }: Testable,
  { recipe, seed, limit, data }: Omit<SelfTest, 'digest'>,
): Promise<RunTask> {
  const canonical = canonicalRecipe(manifest, recipe)
  if (!canonical.ok) throw new Error(`the self-test of ${manifest.name}: ${canonical.reason}`)
  const job = {
    kernel: `${manifest.name}@${manifest.version}`,
    task: 'train',
    recipe: canonical.recipe,
    seed,
    limit,
    marks: MARKS,
  } as const
  const files = manifest.slots.map((_, slot) => selfTestBytes(data, slot))
  return {
    runKey: await runKeyOf(moduleSha256, await Promise.all(files.map(sha256)), job),
    job: jobText(job),
    fuelMax: manifest.bounds.fuelMax,
    module,
    data: files,
  }
}

/**
 * Whether an engine computes a kernel as all others do: it must end the kernel's self-test with the digest that the operator
 * signed. `compute` is the engine.
 */
export async function judgeEngine(
  kernel: Testable,
  compute: (task: RunTask) => Promise<RunOutcome>,
): Promise<Judged<{ digest: Sha256 }>> {
  const { manifest } = kernel
  const name = `${manifest.name}@${manifest.version}`
  const { selfTest } = manifest
  if (selfTest === undefined) return { ok: false, reason: `the manifest of ${name} states no self-test` }
  const outcome = await compute(await selfTestTask(kernel, selfTest))
  if (outcome.type !== 'report')
    return {
      ok: false,
      reason: `${name} does not run: ${outcome.type === 'error' ? outcome.detail : outcome.type}`,
    }
  const { digest } = outcome
  if (digest === selfTest.digest) return { ok: true, digest }
  const reason = `${name}: digest ${digest.slice(0, 12)}… where all others get ${selfTest.digest.slice(0, 12)}…`
  return { ok: false, reason }
}

/** A run without a host around it: nothing stops, saves or slows it. */
export const freely = (nowMs: () => number) => ({
  gate: async () => 'go' as const,
  save: async () => undefined,
  nowMs,
})
