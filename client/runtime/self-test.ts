import { sha256, sha256Text } from '#protocol/canonical.ts'
import { jobText, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe, type KernelManifest, type SelfTest, selfTestBytes } from '#protocol/kernel.ts'
import { DETAIL_CHARS_MAX, MARKS } from '#protocol/limits.ts'
import type { SelfTestAnswer } from '#protocol/scheduler.ts'
import { asLines } from '#protocol/text.ts'
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

/** The runs of a kernel's self-test. @throws Error when the manifest contradicts itself */
async function tasksOf(
  { manifest, module, moduleSha256 }: Testable,
  { runs, seed, data }: Omit<SelfTest, 'digest'>,
): Promise<RunTask[]> {
  const files = manifest.slots.map((_, slot) => selfTestBytes(data, slot))
  const hashes = await Promise.all(files.map(sha256))
  return Promise.all(
    runs.map(async ({ recipe, limit }) => {
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
      const runKey = await runKeyOf(moduleSha256, hashes, job)
      return { runKey, job: jobText(job), fuelMax: manifest.bounds.fuelMax, module, data: files }
    }),
  )
}

/** Ends the runs of a self-test one after the other; the digest of them all, or why there is none. `compute` is the engine. */
export async function runSelfTest(
  kernel: Testable,
  selfTest: Omit<SelfTest, 'digest'>,
  compute: (task: RunTask) => Promise<RunOutcome>,
): Promise<Judged<{ digest: Sha256 }>> {
  const digests: Sha256[] = []
  for (const task of await tasksOf(kernel, selfTest)) {
    const outcome = await compute(task)
    const status = outcome.type === 'report' ? outcome.report.status : outcome.type
    if (outcome.type !== 'report' || outcome.report.status !== 'ok') {
      const detail = outcome.type === 'error' ? `: ${outcome.detail}` : ''
      return { ok: false, reason: `run ${digests.length + 1} of its self-test ends with ${status}${detail}` }
    }
    digests.push(outcome.digest)
  }
  return { ok: true, digest: await sha256Text(digests.join('')) }
}

/** Whether an engine ends a kernel's self-test with the digest that the operator signed. */
export async function judgeEngine(
  kernel: Testable,
  compute: (task: RunTask) => Promise<RunOutcome>,
): Promise<Judged<{ digest: Sha256 }>> {
  const { name, version, selfTest } = kernel.manifest
  const because = (reason: string) => ({ ok: false, reason: `${name}@${version}: ${reason}` }) as const
  if (selfTest === undefined) return because('its manifest states no self-test')
  const ended = await runSelfTest(kernel, selfTest, compute)
  if (!ended.ok) return because(ended.reason)
  if (ended.digest === selfTest.digest) return ended
  const [here, elsewhere] = [ended.digest, selfTest.digest].map(digest => digest.slice(0, 12))
  return because(`digest ${here}… where all others get ${elsewhere}…`)
}

// Faulty memory fails now and then, not each time: one round would find little, and these take some seconds.
const ROUNDS = 20

/**
 * What the server asks for after a result that was wrong: the self-test round after round. The first digest that is not the
 * published one ends it.
 */
export async function testAgain(
  kernel: ReadyKernel | undefined,
  compute: (task: RunTask) => Promise<RunOutcome>,
): Promise<SelfTestAnswer> {
  if (kernel === undefined)
    return { passed: false, detail: 'this machine has no kernel left to be tested with' }
  for (let round = 1; round <= ROUNDS; round++) {
    const judged = await judgeEngine(kernel, compute)
    if (!judged.ok)
      return { passed: false, detail: asLines(`round ${round}: ${judged.reason}`, DETAIL_CHARS_MAX) }
  }
  const { name, version } = kernel.manifest
  return { passed: true, detail: `${name}@${version}: the published digest ${ROUNDS} times` }
}

/** A run without a host around it: nothing stops, saves or slows it. */
export const freely = (nowMs: () => number) => ({
  gate: async () => 'go' as const,
  save: async () => undefined,
  nowMs,
})
