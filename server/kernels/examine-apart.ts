import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { KernelManifest } from '#protocol/kernel.ts'
import { Reason, reasonOf } from '#protocol/proposals.ts'
import { Sha256 } from '#protocol/units.ts'
import type { Examined } from './examine.ts'

/** What a thread answers: the examination without the bytes. */
export const Answer = z.union([
  z.object({ ok: z.literal(true), manifest: KernelManifest, moduleSha256: Sha256 }),
  z.object({ ok: z.literal(false), reasons: z.array(Reason) }),
])

const EXAMINE_MS = 30_000
const HEAP_MIB = 512

/**
 * Examines a stranger's release (examineForeign) on a thread of its own: reading 4 MiB of somebody's module takes the time of many
 * calls. Nothing of it is run.
 */
export async function examineApart(
  release: Uint8Array,
  limitMs = EXAMINE_MS,
): Promise<Examined<{ manifest: KernelManifest; moduleSha256: Sha256 }>> {
  const thread = new Worker(new URL('./examine-thread.ts', import.meta.url), {
    workerData: release,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
  })
  const timer = setTimeout(() => thread.terminate(), limitMs)
  try {
    return await new Promise(resolve => {
      const aborted = (why: string) =>
        resolve({
          ok: false,
          reasons: [reasonOf('check_aborted', why, 'Make the module smaller or simpler.')],
        })
      thread.on('message', (said: unknown) => resolve(Answer.parse(said)))
      thread.on('error', (error: unknown) => aborted(error instanceof Error ? error.message : String(error)))
      thread.on('exit', () => aborted(`reading it did not end within ${limitMs} ms`))
    })
  } finally {
    clearTimeout(timer)
    await thread.terminate()
  }
}
