import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '#protocol/canonical.ts'
import { jobText, runKeyOf } from '#protocol/job.ts'
import { canonicalRecipe } from '#protocol/kernel.ts'
import { MARKS } from '#protocol/limits.ts'
import { readRelease } from '#runtime/release.ts'
import type { Order, RunOutcome, RunTask } from '#runtime/run.ts'
import { tarFile } from '#runtime/tar.ts'
import { openPool, type Pool } from './pool.ts'

const KERNELS = join(import.meta.dirname, '..', '..', 'build', 'kernels')
const TEXT_BYTES = 4_096

/**
 * Computes one tiny run twice in two threads, the second time stopped and resumed from its checkpoint: a machine whose
 * digests differ cannot volunteer. Without a built kernel there is nothing to test, and that is said.
 */
export async function selfTest(
  directory = KERNELS,
): Promise<{ readonly ok: boolean; readonly found: string }> {
  const [name] = (await readdir(directory).catch(() => [])).filter(file => file.endsWith('.tar')).sort()
  if (name === undefined) return { ok: true, found: 'not done: no kernel is built here' }
  const task = await tinyRun(await readFile(join(directory, name)))
  const pool = openPool(2)
  try {
    const [straight, broken] = await Promise.all([computed(pool, task), interrupted(pool, task)])
    if (straight.type !== 'report' || broken.type !== 'report')
      return { ok: false, found: `${name} does not run: ${JSON.stringify([straight, broken]).slice(0, 300)}` }
    const same = straight.digest === broken.digest
    const found = `${name}: digest ${straight.digest.slice(0, 12)}…`
    const differs = `${found}, then ${broken.digest.slice(0, 12)}…`
    return { ok: same, found: same ? `${found} twice${broken.resumed ? ', once resumed' : ''}` : differs }
  } finally {
    await pool.close()
  }
}

async function tinyRun(tar: Uint8Array): Promise<RunTask> {
  const module = tarFile(tar, 'module.wasm') ?? new Uint8Array()
  const moduleSha256 = await sha256(module)
  const release = await readRelease(tar, moduleSha256)
  if (!release.ok) throw new Error(release.reason)
  const { manifest } = release
  const canonical = canonicalRecipe(manifest, {})
  if (!canonical.ok) throw new Error(canonical.reason)
  const job = {
    kernel: `${manifest.name}@${manifest.version}`,
    task: 'train',
    recipe: canonical.recipe,
    seed: 1,
    limit: { updates: 4 },
    marks: MARKS,
  } as const
  const data = manifest.slots.map((_, slot) => sampleText(slot))
  return {
    runKey: await runKeyOf(moduleSha256, await Promise.all(data.map(sha256)), job),
    job: jobText(job),
    fuelMax: manifest.bounds.fuelMax,
    module: await WebAssembly.compile(new Uint8Array(module)),
    data,
  }
}

/** Letters with some pattern in them, the same everywhere. */
const sampleText = (slot: number): Uint8Array =>
  Uint8Array.from({ length: TEXT_BYTES }, (_, i) => 97 + (((i * (i + slot + 1)) >> 3) % 26))

const computed = (pool: Pool, task: RunTask, first: Order = 'go'): Promise<RunOutcome> =>
  pool.run(task, { gate: async () => first, save: async () => undefined, nowMs: () => performance.now() })

/** A machine may be so fast that the run ends before it can be stopped. */
async function interrupted(pool: Pool, task: RunTask): Promise<RunOutcome & { resumed: boolean }> {
  const stopped = await computed(pool, task, 'stop')
  if (stopped.type !== 'stopped') return { ...stopped, resumed: false }
  return { ...(await computed(pool, { ...task, checkpoint: stopped.checkpoint })), resumed: true }
}
